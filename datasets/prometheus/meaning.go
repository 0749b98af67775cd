package prometheus

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/jsonstream"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Labels with a meaning of their own in what Prometheus scrapes.
const (
	metricLabel   = "__name__"
	bucketLabel   = "le"       // buckets of a histogram: each counts what the ones below it do
	rangeLabel    = "vmrange"  // buckets of VictoriaMetrics, which do not overlap
	quantileLabel = "quantile" // of a summary: a time, not a count

	exported = "exported_" // what Prometheus puts before a label that the scraped target has too
)

// replicas are the labels by which two servers that record the same counters are told apart.
var replicas = []string{"prometheus_replica", "__replica__"}

// units end the names of what is no number of invocations, before _total.
var units = []string{"_seconds", "_milliseconds", "_microseconds", "_nanoseconds", "_bytes", "_ratio", "_info"}

// targets are the labels that Prometheus or Kubernetes gives to all that one pod exposes. In
// their company, app and namespace may be those of that pod: of a gateway that counts for all
// functions.
var targets = []string{
	"instance", "job", "pod", "container", "endpoint", "node", "k8s_pod_name",
	"kubernetes_namespace", "kubernetes_pod_name", "kubernetes_name", "kubernetes_node",
}

// podLabels are those that may be of the pod, by what they are looked up for.
var podLabels = map[int]string{app: "app", owner: "namespace"}

// A meaning is what the series of all files are, which is learned before any is counted:
// a file with the buckets, the sum and the count of one histogram has each request many times.
type meaning struct {
	metrics map[string]*metric
	step    int64 // the least time between the first two samples of a series, in ms

	taken   string // the metric that counts
	bucket  bool   // of its series, those of the bucket that holds all
	foreign [len(names)]bool
	note    []string
}

func newMeaning() *meaning { return &meaning{metrics: map[string]*metric{}, step: math.MaxInt64} }

// guess is what series are taken for before all labels are known: those of the metric of the first one, and of its
// buckets the last. It learns from each series, and says in the end whether it was right.
type guess struct {
	*meaning
	series int
	steps  map[int64]bool // that were used
}

// takes learns from a series, and guesses whether it counts.
func (g *guess) takes(o Options, file string, line int, labels map[string]string, values []byte) bool {
	if g.series++; g.series > maxStates {
		return true // which the reading refuses
	}
	g.add(o, file, line, labels, values)
	if g.series == 1 {
		g.taken = labels[metricLabel]
	}
	le, bucket := labels[bucketLabel]
	return labels[metricLabel] == g.taken && (!bucket || isAll(le))
}

// right decides, and reports whether the guess was right.
func (g *guess) right(o Options) (bool, error) {
	guessed := g.taken
	if err := g.decide(o); err != nil {
		return false, err
	}
	for step := range g.steps {
		if min(step, 60_000) != min(g.step, 60_000) {
			return false, nil
		}
	}
	s := g.metrics[g.taken]
	return g.taken == guessed && s != nil && (!g.bucket || s.buckets == s.series), nil
}

// A metric is what is known of the series of one __name__, "" without.
type metric struct {
	at       datasets.SyntaxError // the first one
	series   int
	buckets  int
	ranges   int
	quantile bool
	target   bool
	faas     bool            // it is of the gateway of OpenFaaS
	whole    map[string]bool // by its other labels, whether a series of buckets has the one of all

	first  map[string]map[string]string // labels of the first series of a function
	varies map[string]bool              // labels that differ within a function
	differ [len(names)]bool             // the pod label differs somewhere
	value  [len(names)]string
}

// look reads the labels of all series. What is wrong with a file is left to the reading
// that counts.
func (l *layout) look(ctx context.Context, files []rows.File) error {
	m := newMeaning()
	series := 0
	for i := range files {
		in, err := files[i].Text(ctx)
		if err != nil {
			return err
		}
		documents := jsonstream.New(in, maxSeries, "data", "result")
		for {
			var text []byte
			line := 0
			if text, line, err = documents.Next(); err != nil {
				break
			}
			if series++; series > maxStates {
				break
			}
			m.look(l.opts, files[i].Path, line, text)
		}
		if err := in.Close(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := m.decide(l.opts); err != nil {
		return err
	}
	l.meaning = m
	return nil
}

// look takes the text of a series; what is none is left to the reading that counts.
func (m *meaning) look(o Options, file string, line int, text []byte) {
	var values []byte
	labels, ok := map[string]string{}, false
	jsonstream.Members(text, func(name, v []byte) bool {
		switch string(name) {
		case "metric":
			labels, ok = labelsOf(v)
		case "values":
			values = v
		}
		return true
	})
	if ok {
		m.add(o, file, line, labels, values)
	}
}

// add takes the labels of a series, and the times of its first two samples.
func (m *meaning) add(o Options, file string, line int, labels map[string]string, values []byte) {
	m.times(values)
	name := labels[metricLabel]
	s := m.metrics[name]
	if s == nil {
		s = &metric{
			at: datasets.SyntaxError{File: file, Line: line}, whole: map[string]bool{},
			first: map[string]map[string]string{}, varies: map[string]bool{},
		}
		m.metrics[name] = s
	}
	s.series++
	if le, ok := labels[bucketLabel]; ok {
		s.buckets++
		rest := maps.Clone(labels)
		delete(rest, bucketLabel)
		id := identity(rest)
		s.whole[id] = s.whole[id] || isAll(le)
		if !isAll(le) {
			return
		}
	}
	if _, ok := labels[rangeLabel]; ok {
		s.ranges++
	}
	_, quantile := labels[quantileLabel]
	s.quantile = s.quantile || quantile
	s.target = s.target || slices.ContainsFunc(targets, func(t string) bool { return has(labels, t) })
	s.faas = s.faas || openFaaS(labels)
	for at, label := range podLabels {
		v := labels[label]
		if len(s.first) == 0 {
			s.value[at] = v
		}
		s.differ[at] = s.differ[at] || v != s.value[at]
	}
	chosen := labelsFor(o, labels, [len(names)]bool{})
	function := labels[chosen[function]]
	for _, at := range []int{app, owner} {
		if label := chosen[at]; label != podLabels[at] || !s.target {
			function += "\x00" + labels[label]
		}
	}
	before, ok := s.first[function]
	if !ok {
		s.first[function] = labels
		return
	}
	for l, v := range labels {
		if w, ok := before[l]; !ok || v != w {
			s.varies[l] = true
		}
	}
}

// times learns the step from the first two samples.
func (m *meaning) times(values []byte) {
	n, last := 0, 0.0
	jsonstream.Elements(values, func(sample []byte) bool {
		first := true
		jsonstream.Elements(sample, func(v []byte) bool {
			at, err := number(v)
			if err == nil && first && n > 0 && at > last {
				m.step = min(m.step, int64(math.Round((at-last)*1000)))
			}
			last, first = at, false
			return false
		})
		n++
		return n < 2
	})
}

// isAll reports whether a bucket is the last of a histogram, which counts all.
func isAll(le string) bool {
	return strings.EqualFold(strings.TrimPrefix(le, "+"), "inf")
}

// openFaaS reports whether a series is of the gateway of OpenFaaS, which counts for all
// functions and names them function.namespace.
func openFaaS(labels map[string]string) bool {
	return strings.HasPrefix(labels[metricLabel], "gateway_function") || has(labels, "function_name") && labels["namespace"] == "openfaas"
}

func has(labels map[string]string, label string) bool { _, ok := labels[label]; return ok }

// labelsOf reads an object of labels.
func labelsOf(object []byte) (labels map[string]string, ok bool) {
	labels, ok = map[string]string{}, true
	return labels, jsonstream.Members(object, func(name, v []byte) bool {
		var text []byte
		text, ok = jsonstream.Text(v)
		labels[string(name)] = string(text)
		return ok
	}) && ok
}

// suffixes are the ends of the names of one histogram or summary, or of a counter of OpenMetrics.
var suffixes = []string{"_bucket", "_count", "_sum", "_total", "_created"}

func family(name string) string {
	for _, s := range suffixes {
		if base, ok := strings.CutSuffix(name, s); ok {
			return base
		}
	}
	return name
}

// decide finds the series that count invocations, each once, or says why there are none.
func (m *meaning) decide(o Options) error {
	have := slices.Sorted(maps.Keys(m.metrics))
	if len(have) == 0 {
		return nil
	}
	m.taken = have[0]
	if len(have) > 1 {
		base := family(have[0])
		one := !slices.ContainsFunc(have, func(n string) bool { return family(n) != base || n == "" })
		named := func(suffix string) bool { return m.metrics[base+suffix] != nil }
		switch {
		case one && named("_count"):
			m.taken = base + "_count"
		case one && named("_bucket"):
			m.taken = base + "_bucket"
		case one && len(have) == 2 && named("_total") && named("_created"):
			m.taken = base + "_total"
		default:
			return m.refuse(have[1], "series of %d metrics (%s): each would count the same invocations; query one of them", len(have), list(have))
		}
		others := slices.DeleteFunc(slices.Clone(have), func(n string) bool { return n == m.taken })
		m.note = append(m.note, fmt.Sprintf("of the metrics of %s, series of %s were counted, and not those of %s", base, m.taken, list(others)))
	}
	s := m.metrics[m.taken]
	switch {
	case s.quantile:
		return m.refuse(m.taken, "label %s: the quantiles of a summary are times and no counts; query its _count", quantileLabel)
	case s.buckets > 0 && s.buckets < s.series-s.ranges:
		return m.refuse(m.taken, "some series have the label %s of a histogram's buckets and some have not; query its _count, or %s=\"+Inf\"", bucketLabel, bucketLabel)
	case s.buckets > 0:
		for _, all := range s.whole {
			if !all {
				return m.refuse(m.taken, `label %s: the buckets of a histogram overlap, and for some there is no %s="+Inf", which counts all; query that, or its _count`, bucketLabel, bucketLabel)
			}
		}
		m.bucket = true
		m.note = append(m.note, fmt.Sprintf(`of the buckets of histograms, %s="+Inf" was counted, which holds all`, bucketLabel))
	case strings.HasSuffix(m.taken, "_bucket") && s.ranges < s.series:
		return m.refuse(m.taken, "%s: the buckets of a histogram, which overlap, without the label %s; query its _count", m.taken, bucketLabel)
	case strings.HasSuffix(m.taken, "_sum") && o.Values == Counter:
		return m.refuse(m.taken, "%s: the sum of what a histogram or summary has seen, as seconds, and no count; query its _count", m.taken)
	case strings.HasSuffix(m.taken, "_created"):
		return m.refuse(m.taken, "%s: the time at which a series began, and no count", m.taken)
	}
	for _, unit := range units {
		if strings.HasSuffix(strings.TrimSuffix(m.taken, "_total"), unit) {
			return m.refuse(m.taken, "%s: by its name not a number of invocations (%s)", m.taken, unit)
		}
	}
	for _, label := range replicas {
		if s.varies[label] {
			return m.refuse(m.taken, "label %s: several servers have recorded the same counters, which would count each invocation once a server; query max without (%s) of them, or one", label, label)
		}
	}
	if err := m.pods(o, s); err != nil {
		return err
	}
	if o.Values == Increase {
		if err := m.fits(o); err != nil {
			return err
		}
	}
	varies := slices.Sorted(maps.Keys(s.varies))
	varies = slices.DeleteFunc(varies, func(l string) bool { return l == bucketLabel || l == metricLabel })
	if len(varies) > 0 {
		m.note = append(m.note, "series of one function were added up over the labels "+list(varies))
	}
	return nil
}

// pods decides whether app and namespace are those of the pod that was scraped.
func (m *meaning) pods(o Options, s *metric) error {
	if !s.target {
		return nil
	}
	var left []string
	for _, at := range []int{app, owner} {
		label := podLabels[at]
		if _, ok := o.Columns[names[at]]; ok {
			continue
		}
		if s.varies[label] && !s.faas {
			return m.refuse(m.taken, "label %s differs within one function, beside labels of the scraped pod: say --columns %s=%s if it is the function's, or --columns %s= to add them up",
				label, names[at], label, names[at])
		}
		if m.foreign[at] = s.faas || !s.differ[at]; m.foreign[at] && s.value[at] != "" {
			left = append(left, label)
		}
	}
	if len(left) > 0 {
		m.note = append(m.note, "labels of the scraped pod that say nothing of the function: "+list(left))
	}
	return nil
}

// fits checks that increases do not overlap without notice.
func (m *meaning) fits(o Options) error {
	step := float64(m.step) / 1000
	switch {
	case m.step == math.MaxInt64 || m.step > longest:
	case o.Range == 0 && m.step < 59_999:
		return m.refuse(m.taken, "samples are %v s apart: the increases of increase(…[1m]) would count every invocation %.3g times; say of how long they are, as in --range 1m", step, 60/step)
	case o.Range == 0:
		m.note = append(m.note, "values are taken for increases since the sample before, as of increase(…[1m]) at step=60; --range says of another range")
	case o.Range.Milliseconds() < m.step-1:
		return m.refuse(m.taken, "samples are %v s apart and increases of %v: what lies between them is in none; query with a step of at most the range", step, o.Range)
	case o.Range.Milliseconds() > m.step+1:
		m.note = append(m.note, fmt.Sprintf("increases of %v at a step of %v s overlap: each counts for %.4g of its value", o.Range, step, step/o.Range.Seconds()))
	}
	return nil
}

// refuse says what is wrong with the series of a metric.
func (m *meaning) refuse(metric, format string, args ...any) error {
	e := m.metrics[metric].at
	e.Msg = fmt.Sprintf(format, args...)
	return &e
}

// takes reports whether a series counts.
func (m *meaning) takes(labels map[string]string) bool {
	return labels[metricLabel] == m.taken && (!m.bucket || isAll(labels[bucketLabel]))
}

// list quotes a few names.
func list(all []string) string {
	const most = 8
	var out []string
	for _, n := range all[:min(len(all), most)] {
		if n == "" {
			n = "one without a name"
		}
		out = append(out, fmt.Sprintf("%.60s", n))
	}
	if n := len(all) - most; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, ", ")
}

// labelsFor finds the labels that name a function: those of the options, or the first of
// [Labels] that a series has, of which exported_… are the function's own where the
// scraped target has the label too. Left out are foreign ones.
func labelsFor(o Options, labels map[string]string, foreign [len(names)]bool) (found [len(names)]string) {
	for at, name := range names {
		if label, ok := o.Columns[name]; ok {
			found[at] = label
			continue
		}
		for _, label := range Labels[name] {
			if has(labels, exported+label) {
				found[at] = exported + label
				break
			}
			if has(labels, label) && !(foreign[at] && label == podLabels[at]) {
				found[at] = label
				break
			}
		}
	}
	return found
}

// key names the function of a series by its labels.
func (l *layout) key(labels map[string]string, chosen [len(names)]string) (row [cells][]byte) {
	for at, label := range chosen {
		if v, ok := labels[label]; ok {
			row[at] = []byte(v)
		}
	}
	if _, named := l.opts.Columns[names[owner]]; named || chosen[function] != "function_name" || !openFaaS(labels) {
		return row
	}
	if name, namespace, ok := cutLast(labels["function_name"]); ok {
		row[function], row[owner], row[app] = []byte(name), []byte(namespace), nil
		if _, named := l.opts.Columns[names[app]]; named {
			row[app] = []byte(labels[chosen[app]])
		}
	} else if labels["namespace"] == "openfaas" {
		row[owner] = nil // of the gateway
	}
	return row
}

// cutLast cuts name.namespace.
func cutLast(text string) (name, namespace string, ok bool) {
	at := strings.LastIndexByte(text, '.')
	if at <= 0 || at == len(text)-1 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}
