package prometheus_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/prometheus"
)

// A collector is a Sink that keeps counts as text and what was rejected.
type collector struct {
	got      []string // function number, minute of the trace, count
	total    int64
	rows     int64
	rejected []string
}

func (c *collector) Day(d *datasets.Counts) error {
	for f := range len(d.Offset) - 1 {
		for i := d.Offset[f]; i < d.Offset[f+1]; i++ {
			c.got = append(c.got, fmt.Sprintf("%d %d %d", f, d.Day*1440+int(d.Minute[i]), d.Count[i]))
			c.total += d.Count[i]
		}
	}
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("not as invocations")
}

func (c *collector) Rows(_ string, n int64) error {
	c.rows += n
	return nil
}

func (c *collector) Reject(reason string, e *datasets.SyntaxError) error {
	c.rejected = append(c.rejected, fmt.Sprintf("%s:%d: %s: %s", filepath.Base(e.File), e.Line, reason, e.Msg))
	return nil
}

func read(t testing.TB, path string, o prometheus.Options) (*prometheus.Input, []datasets.Function, *collector) {
	t.Helper()
	in, err := prometheus.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	c := new(collector)
	functions, err := in.Read(t.Context(), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return in, functions, c
}

func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// By hand: pay counts 2, 0, a new start at 3, and 1 with code 200; with code 500 it counts 1, and
// then nothing, which a missing sample does not hide. list grows by 3 in a gap of 4 minutes.
func TestCounter(t *testing.T) {
	in, functions, got := read(t, filepath.Join("testdata", "openfaas.json"), prometheus.DefaultOptions())
	if want := []string{"0 0 3", "0 2 3", "0 3 1", "1 0 1", "1 5 1"}; !slices.Equal(got.got, want) {
		t.Errorf("%q, expected %q", got.got, want)
	}
	if len(functions) != 2 || functions[0].Name != "pay" || functions[0].Owner != "shop" || functions[1].Name != "list" ||
		functions[0].Assumed != datasets.AssumedCPU|datasets.AssumedMemory|datasets.AssumedExecution|datasets.AssumedStartCost {
		t.Errorf("%+v", functions)
	}
	if want := []string{`openfaas.json:4: gap: [1609459500,"9"]: no sample for 240 s before this one, in which the counter grew by 3`}; !slices.Equal(got.rejected, want) {
		t.Errorf("rejected %q", got.rejected)
	}
	p := in.Provenance()
	if got.rows != 14 || p.Start.Format(time.DateOnly) != "2021-01-01" || p.Span != (datasets.Window{From: 0, To: 6}) {
		t.Errorf("%d rows, %v, %v", got.rows, p.Start, p.Span)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "2 of 3") {
		t.Errorf("notes %s", notes)
	}
}

func series(labels string, samples ...string) string {
	return fmt.Sprintf(`{"metric":{%s},"values":[%s]}`, labels, strings.Join(samples, ","))
}

// The increase is rounded so that its sum is right.
func TestIncrease(t *testing.T) {
	o := prometheus.DefaultOptions()
	o.Values, o.Columns = prometheus.Increase, map[string]string{"function": "svc", "app": "", "owner": "team"}
	path := filepath.Join(write(t, map[string]string{"f.json": "[" + series(`"svc":"a","team":"t","app":"x"`,
		`[60,"1.4"]`, `[120,"1.4"]`, `[180,"0"]`, `[240,"0.2"]`, `[600,"2.0"]`) + "]"}), "f.json")
	_, functions, got := read(t, path, o)
	if want := []string{"0 0 1", "0 1 2", "0 9 2"}; !slices.Equal(got.got, want) || got.rejected != nil {
		t.Errorf("%q, rejected %q; expected %q", got.got, got.rejected, want)
	}
	if f := functions[0]; f.Owner != "t" || f.App != "" || f.Name != "a" {
		t.Errorf("%+v", f)
	}
}

// Files go on where the one before ended, also with a sample that both have.
func TestFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"1.json": "[" + series(`"function":"f"`, `[0,"0"]`, `[30,"1"]`, `[60,"2"]`) + "]",
		"2.json": `{"status":"success","data":{"resultType":"matrix","result":[` + series(`"function":"f"`, `[60,"2"]`, `[90,"5"]`, `[120,"5"]`) + "]}}",
		"3.json": "[" + series(`"function":"f"`, `[90,"5"]`, `[180,"7"]`) + "]",
	})
	_, _, got := read(t, dir, prometheus.DefaultOptions())
	if want := []string{"0 0 2", "0 1 3", "0 2 2"}; !slices.Equal(got.got, want) {
		t.Errorf("%q, expected %q", got.got, want)
	}
	if want := []string{`3.json:1: duplicate key: [90,"5"]: a later sample of the series, of 120, came before: files go on where the one before it by name ended`}; !slices.Equal(got.rejected, want) {
		t.Errorf("rejected %q", got.rejected)
	}
}

func TestRejected(t *testing.T) {
	for sample, want := range map[string]string{
		`[60]`:                `[60]: expected [time, "value"]`,
		`[60,"1","2"]`:        `[60,"1","2"]: expected [time, "value"]`,
		`7`:                   `7: expected [time, "value"]`,
		`["x","1"]`:           `["x","1"]: expected seconds since 1970`,
		`[-60,"1"]`:           `[-60,"1"]: expected seconds since 1970`,
		`[60,1]`:              "[60,1]: the value must be a string",
		`[60,"+Inf"]`:         `[60,"+Inf"]: the value must be a finite number`,
		`[60,"many"]`:         `[60,"many"]: the value must be a finite number`,
		`[60,"-1"]`:           `[60,"-1"]: must not be negative`,
		`[60,"1.5"]`:          `[60,"1.5"]: the value of a counter of invocations must be a whole number: results of rate() are none, and of increase() are read by --values increase`,
		`[1700000040000,"1"]`: `[1700000040000,"1"]: expected seconds since 1970; it looks like milliseconds since 1970, 2023-11-14`,
		`[60,"1e12"]`:         `[60,"1e12"]: increase "1000000000000": must be at most 999999999`,
		`[0,"7"]`:             `[0,"7"]: a later sample of the series, of 0, came before: files go on where the one before it by name ended`,
	} {
		text := "[" + series(`"function":"f"`, `[0,"0"]`, sample) + ",\n" + series(`"function":"g"`, `[0,"0"]`, `[60,"3"]`) + "]"
		_, _, got := read(t, write(t, map[string]string{"f.json": text}), prometheus.DefaultOptions())
		if len(got.rejected) != 1 || !strings.HasPrefix(got.rejected[0], "f.json:1: ") || !strings.HasSuffix(got.rejected[0], want) || got.total != 3 {
			t.Errorf("%s: rejected %q, %d invocations; expected %q", sample, got.rejected, got.total, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	good := series(`"function":"f"`, `[0,"0"]`, `[60,"1"]`)
	for text, want := range map[string]string{
		`{"status":"error","errorType":"bad_data","error":"parse error"}`:                                     `:1: Prometheus answered with an error: "bad_data": "parse error"`,
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`:                                     ":1: no series: the query found nothing, or this is no result of a range query (status, data, result)",
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"2"]}]}}`: ":1: the result of an instant query: expected that of a range query (resultType matrix), with values",
		`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`:                                ":1: '1': expected an object",
		`[{"metric":{"function":"f"},"histograms":[]}]`:                                                       ":1: a series without values: expected those of a counter (native histograms are none)",
		"[" + good + ",\n" + series(`"app":"f"`, `[0,"0"]`) + "]":                                             ":2: a series without the label function that the first one has: name the function's by --columns function=LABEL",
		"[" + series(`"pod":"p","job":"j"`, `[0,"0"]`) + "]":                                                  ":1: the series has the labels {job, pod}: expected one of function, function_name, action, kn_configuration_name, kn_service_name, kn_revision_name, configuration_name, destination_configuration, revision_name, destination_revision; name the function's by --columns function=LABEL",
		"[" + series(`"function":"f"`, `[0,"0"]`, `[300,"1"]`, `[600,"1"]`) + "]":                             ":1: samples are 300 s apart: expected at most 60, so that they say in which minute invocations were; query with step=60",
		`[{"metric":[],"values":[]}]`:                                                                         ":1: metric: expected an object of labels, which are strings",
		`[{"metric":{"function":7},"values":[]}]`:                                                             ":1: metric: expected an object of labels, which are strings",
		`[{"metric":{"function":"f"},"values":{}}]`:                                                           ":1: values: expected a list of samples",
		`{"activationId":"a"}`:         ":1: an object without metric: expected the series of a range query, with metric and values",
		"[" + good:                     ":1: the document ends in the middle",
		"function,minute,count\nf,1,1": ": holds CSV: expected JSON, the result of a range query",
	} {
		path := filepath.Join(write(t, map[string]string{"f": text}), "f")
		_, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
		if err == nil || err.Error() != "open prometheus: "+path+want {
			t.Errorf("%s: error %v, expected %q", text, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]prometheus.Options{
		`columns: "minute": must be one of function, app, owner`: {Values: "counter", Columns: map[string]string{"minute": "x"}},
		"columns: function: must name a label":                   {Values: "counter", Columns: map[string]string{"function": ""}},
		`values must be counter or increase, got "gauge"`:        {Values: "gauge"},
		"range is of values increase: a counter has none":        {Values: "counter", Range: time.Minute},
		"range must be whole seconds up to 1h0m0s, got 1.5s":     {Values: "increase", Range: 1500 * time.Millisecond},
	} {
		if err := o.Validate(); err == nil || err.Error() != want {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}

// Of counters that were made of known invocations, with starts in between and any step up
// to a minute, exactly those come back that lie between the first and the last sample.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom([]int{5, 15, 20, 30, 60}).Draw(t, "step")
		minutes := rapid.IntRange(1, 20).Draw(t, "minutes")
		origin := 1_609_459_200 + 60*rapid.IntRange(0, 3000).Draw(t, "origin")
		want := map[int]int64{}
		var text []string
		for i := range rapid.IntRange(1, 3).Draw(t, "series") {
			counter := int64(rapid.IntRange(0, 50).Draw(t, "begin"))
			samples := []string{fmt.Sprintf(`[%d,"%d"]`, origin, counter)}
			lived := 0 // changes since the counter began: one that falls more often is a gauge
			for at := step; at <= 60*minutes; at += step {
				n := int64(rapid.IntRange(0, 5).Draw(t, "n"))
				if rapid.IntRange(0, 9).Draw(t, "again") == 0 && n < counter && lived > 8 {
					counter, lived = 0, 0
				}
				if counter += n; n > 0 {
					lived++
				}
				if n > 0 {
					want[(at-1)/60] += n
				}
				samples = append(samples, fmt.Sprintf(`[%d,"%d"]`, origin+at, counter))
			}
			text = append(text, series(fmt.Sprintf(`"function":"f","pod":"%d"`, i), samples...))
		}
		dir, err := os.MkdirTemp("", "prometheus")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "f.json")
		if err := os.WriteFile(path, []byte("["+strings.Join(text, ",")+"]"), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		if _, err := in.Read(t.Context(), nil, c); err != nil {
			t.Fatal(err)
		}
		first := (origin / 60) % 1440
		var all []string
		for m := range minutes {
			if want[m] > 0 {
				all = append(all, fmt.Sprintf("0 %d %d", first+m, want[m]))
			}
		}
		if !slices.Equal(c.got, all) || c.rejected != nil {
			t.Fatalf("%q, rejected %q; expected %q", c.got, c.rejected, all)
		}
	})
}

// rising are samples of a counter, a minute apart, that grows by n each time.
func rising(n int) []string {
	var samples []string
	for i := range 6 {
		samples = append(samples, fmt.Sprintf(`[%d,"%d"]`, 1_609_459_200+60*i, i*n))
	}
	return samples
}

func answer(all ...string) string { return "[" + strings.Join(all, ",\n") + "]" }

// Of series that overlap, those that count each invocation once.
func TestOverlap(t *testing.T) {
	bucket := func(name, le string, n int) string {
		return series(`"__name__":"`+name+`","function":"f","le":"`+le+`"`, rising(n)...)
	}
	plain := func(name string, n int) string { return series(`"__name__":"`+name+`","function":"f"`, rising(n)...) }
	unnamed := func(le string, n int) string { return series(`"function":"f","le":"`+le+`"`, rising(n)...) }
	for name, c := range map[string]struct {
		text  string
		total int64
		note  string
	}{
		"buckets":            {answer(bucket("d_bucket", "0.1", 1), bucket("d_bucket", "+Inf", 3)), 15, `le="+Inf" was counted`},
		"buckets by query":   {answer(unnamed("0.5", 2), unnamed("Inf", 4)), 20, `le="+Inf" was counted`},
		"histogram":          {answer(bucket("d_bucket", "0.1", 1), plain("d_sum", 9), bucket("d_bucket", "+Inf", 3), plain("d_count", 3)), 15, "series of d_count were counted, and not those of d_bucket, d_sum"},
		"without its count":  {answer(plain("d_sum", 9), bucket("d_bucket", "1", 1), bucket("d_bucket", "+Inf", 2)), 10, "series of d_bucket were counted, and not those of d_sum"},
		"summary":            {answer(series(`"__name__":"d","function":"f","quantile":"0.9"`, rising(7)...), plain("d_sum", 9), plain("d_count", 2)), 10, "series of d_count were counted"},
		"counter and begin":  {answer(plain("i_created", 9), plain("i_total", 2)), 10, "series of i_total were counted, and not those of i_created"},
		"VictoriaMetrics":    {answer(series(`"__name__":"d_bucket","function":"f","vmrange":"1...2"`, rising(1)...), series(`"__name__":"d_bucket","function":"f","vmrange":"2...3"`, rising(2)...)), 15, "added up over the labels vmrange"},
		"status and replica": {answer(series(`"function":"f","code":"200","pod":"a"`, rising(1)...), series(`"function":"f","code":"500","pod":"b"`, rising(2)...)), 15, "series of one function were added up over the labels code, pod"},
	} {
		in, functions, got := read(t, write(t, map[string]string{"a.json": c.text}), prometheus.DefaultOptions())
		if got.total != c.total || got.rejected != nil || len(functions) != 1 {
			t.Errorf("%s: %d invocations of %d functions, rejected %q; expected %d", name, got.total, len(functions), got.rejected, c.total)
		}
		if notes := strings.Join(in.Provenance().Notes, "\n"); !strings.Contains(notes, c.note) {
			t.Errorf("%s: notes %s; expected %s", name, notes, c.note)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"no bucket of all":  {answer(unnamed("0.5", 2), unnamed("1", 4)), `:1: label le: the buckets of a histogram overlap, and for some there is no le="+Inf"`},
		"one without it":    {answer(bucket("d_bucket", "+Inf", 4), series(`"__name__":"d_bucket","function":"g","le":"5"`, rising(1)...)), `:1: label le: the buckets`},
		"buckets and not":   {answer(unnamed("+Inf", 4), series(`"function":"f"`, rising(4)...)), ":1: some series have the label le"},
		"buckets added up":  {answer(plain("d_bucket", 4)), ":1: d_bucket: the buckets of a histogram, which overlap, without the label le"},
		"quantiles":         {answer(series(`"function":"f","quantile":"0.5"`, rising(1)...)), ":1: label quantile: the quantiles of a summary are times and no counts; query its _count"},
		"quantiles and sum": {answer(series(`"__name__":"d","function":"f","quantile":"0.5"`, rising(1)...), plain("d_sum", 1)), ":2: series of 2 metrics (d, d_sum)"},
		"a sum":             {answer(plain("d_sum", 4)), ":1: d_sum: the sum of what a histogram or summary has seen"},
		"a begin":           {answer(plain("d_created", 4)), ":1: d_created: the time at which a series began"},
		"seconds":           {answer(plain("busy_seconds_total", 4)), ":1: busy_seconds_total: by its name not a number of invocations (_seconds)"},
		"a size":            {answer(plain("response_size_bytes", 4)), ":1: response_size_bytes: by its name not a number of invocations (_bytes)"},
		"two servers":       {answer(series(`"function":"f","prometheus_replica":"a"`, rising(1)...), series(`"function":"f","prometheus_replica":"b"`, rising(1)...)), ":1: label prometheus_replica: several servers have recorded the same counters"},
		"two metrics":       {answer(plain("started_total", 4), plain("ended_total", 4)), ":1: series of 2 metrics (ended_total, started_total): each would count the same invocations; query one of them"},
		"two of one":        {answer(plain("i_total", 4), plain("i", 4)), "series of 2 metrics (i, i_total)"},
	} {
		_, err := prometheus.Open(t.Context(), write(t, map[string]string{"a.json": c.text}), prometheus.DefaultOptions())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %s", name, err, c.want)
		}
	}
}

// A gauge is no counter, and a few new starts are noted.
func TestFalls(t *testing.T) {
	var gauge, again []string
	for i, v := range []int{3, 5, 2, 7, 4, 1, 6, 3, 5, 2, 4, 6, 1, 3} {
		gauge = append(gauge, fmt.Sprintf(`[%d,"%d"]`, 60*i, v))
	}
	for i, v := range []int{0, 4, 8, 12, 3, 5, 7, 9, 11, 0, 2} {
		again = append(again, fmt.Sprintf(`[%d,"%d"]`, 60*i, v))
	}
	dir := write(t, map[string]string{"gauge.json": answer(series(`"function":"f"`, gauge...)), "again.json": answer(series(`"function":"f"`, again...))})
	_, err := prometheus.Open(t.Context(), filepath.Join(dir, "gauge.json"), prometheus.DefaultOptions())
	if err == nil || !strings.HasSuffix(err.Error(), `gauge.json:1: [120,"2"] after 5; 6 of 13 changes are falls: a counter only grows until its process starts again, so this is a gauge or a rate; query the counter itself, or its increase() with --values increase`) {
		t.Errorf("error %v", err)
	}
	in, _, got := read(t, filepath.Join(dir, "again.json"), prometheus.DefaultOptions())
	if notes := strings.Join(in.Provenance().Notes, "\n"); got.total != 25 || !strings.Contains(notes, "values that fell, taken for counters that began again at 0: 2 of 10 changes, with 3 invocations since then") {
		t.Errorf("%d invocations, notes %s", got.total, notes)
	}
	// The same as increases: their sum.
	o := prometheus.DefaultOptions()
	o.Values = prometheus.Increase
	in, _, got = read(t, filepath.Join(dir, "gauge.json"), o)
	if notes := strings.Join(in.Provenance().Notes, "\n"); got.total != 52 || !strings.Contains(notes, "as of increase(…[1m]) at step=60") {
		t.Errorf("%d invocations, notes %s", got.total, notes)
	}
}

// Increases of a minute every 15 s count a quarter each, and nobody is left to guess that.
func TestRange(t *testing.T) {
	var samples []string
	for i := range 41 { // of 4 invocations a minute
		samples = append(samples, fmt.Sprintf(`[%d,"4"]`, 1_609_459_200+15*i))
	}
	path := filepath.Join(write(t, map[string]string{"a.json": answer(series(`"function":"f"`, samples...))}), "a.json")
	o := prometheus.DefaultOptions()
	o.Values = prometheus.Increase
	_, err := prometheus.Open(t.Context(), path, o)
	if err == nil || !strings.Contains(err.Error(), "samples are 15 s apart: the increases of increase(…[1m]) would count every invocation 4 times; say of how long they are, as in --range 1m") {
		t.Errorf("error %v", err)
	}
	o.Range = 5 * time.Second
	if _, err = prometheus.Open(t.Context(), path, o); err == nil || !strings.Contains(err.Error(), "samples are 15 s apart and increases of 5s: what lies between them is in none") {
		t.Errorf("error %v", err)
	}
	for span, want := range map[time.Duration]int64{15 * time.Second: 164, time.Minute: 41, 2 * time.Minute: 21} {
		o.Range = span
		in, _, got := read(t, path, o)
		if got.total != want || got.rejected != nil || !strings.Contains(in.Provenance().Parameters, "values=increase range="+span.String()+" seed=1") {
			t.Errorf("range %v: %d invocations, expected %d; rejected %q, %s", span, got.total, want, got.rejected, in.Provenance().Parameters)
		}
	}
}

// Labels of the scraped pod say nothing of a function.
func TestLabels(t *testing.T) {
	for name, c := range map[string]struct {
		labels []string
		want   []string // owner/app/function
		note   string
	}{
		"OpenFaaS": {[]string{
			`"__name__":"gateway_function_invocation_total","app":"gateway","function_name":"pay.shop","instance":"10.0.0.1:8082","job":"kubernetes-pods","namespace":"openfaas"`,
			`"__name__":"gateway_function_invocation_total","app":"gateway","function_name":"mail.crm","instance":"10.0.0.1:8082","job":"kubernetes-pods","namespace":"openfaas"`,
		}, []string{"shop//pay", "crm//mail"}, "labels of the scraped pod that say nothing of the function: app, namespace"},
		"OpenFaaS, added up":       {[]string{`"function_name":"pay.shop","namespace":"openfaas"`, `"function_name":"pay.crm","namespace":"openfaas"`}, []string{"shop//pay", "crm//pay"}, ""},
		"OpenFaaS, one namespace":  {[]string{`"__name__":"gateway_function_invocation_total","function_name":"pay","namespace":"openfaas","app":"gateway","pod":"p"`}, []string{"//pay"}, "labels of the scraped pod"},
		"no gateway":               {[]string{`"function_name":"orders.create"`}, []string{"//orders.create"}, ""},
		"a pod":                    {[]string{`"function":"a","namespace":"monitoring","app":"exporter","pod":"x"`, `"function":"b","namespace":"monitoring","app":"exporter","pod":"x"`}, []string{"//a", "//b"}, "say nothing of the function: app, namespace"},
		"a query by namespace":     {[]string{`"function":"a","namespace":"shop","app":"x"`, `"function":"b","namespace":"shop","app":"x"`}, []string{"shop/x/a", "shop/x/b"}, ""},
		"pods of functions":        {[]string{`"function":"a","namespace":"shop","app":"x","pod":"1"`, `"function":"b","namespace":"crm","app":"y","pod":"2"`}, []string{"shop/x/a", "crm/y/b"}, ""},
		"exported":                 {[]string{`"function":"a","namespace":"monitoring","exported_namespace":"shop","pod":"1"`, `"function":"a","namespace":"monitoring","exported_namespace":"crm","pod":"1"`}, []string{"shop//a", "crm//a"}, ""},
		"Knative":                  {[]string{`"kn_configuration_name":"pay","kn_revision_name":"pay-00001","kn_service_name":"pay","k8s_namespace_name":"shop","namespace":"knative","app":"activator","pod":"activator-1","job":"activator"`}, []string{"shop//pay"}, ""},
		"Knative, before":          {[]string{`"configuration_name":"pay","revision_name":"pay-1","service_name":"pay","namespace_name":"shop","namespace":"knative-serving","app":"activator","instance":"i"`}, []string{"shop//pay"}, ""},
		"Knative, revisions alone": {[]string{`"revision_name":"pay-1","namespace_name":"shop"`}, []string{"shop//pay-1"}, ""},
		"Knative, by Istio":        {[]string{`"destination_configuration":"pay","destination_revision":"pay-1","destination_namespace":"shop","namespace":"istio-system","pod":"m"`}, []string{"shop//pay"}, ""},
		"Fission":                  {[]string{`"function_name":"pay","function_namespace":"shop","namespace":"fission","pod":"r"`}, []string{"shop//pay"}, ""},
	} {
		var all []string
		for _, l := range c.labels {
			all = append(all, series(l, rising(1)...))
		}
		in, functions, _ := read(t, write(t, map[string]string{"a.json": answer(all...)}), prometheus.DefaultOptions())
		var got []string
		for _, f := range functions {
			got = append(got, f.Owner+"/"+f.App+"/"+f.Name)
		}
		if notes := strings.Join(in.Provenance().Notes, "\n"); !slices.Equal(got, c.want) || !strings.Contains(notes, c.note) {
			t.Errorf("%s: %q, expected %q; notes %s", name, got, c.want, notes)
		}
	}
	// One name in two namespaces, beside labels of a pod: nobody knows whose they are.
	text := answer(series(`"function":"a","namespace":"shop","pod":"1"`, rising(1)...), series(`"function":"a","namespace":"crm","pod":"2"`, rising(2)...))
	path := write(t, map[string]string{"a.json": text})
	_, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
	if err == nil || !strings.Contains(err.Error(), "label namespace differs within one function, beside labels of the scraped pod: say --columns owner=namespace if it is the function's, or --columns owner= to add them up") {
		t.Errorf("error %v", err)
	}
	for label, want := range map[string]int{"namespace": 2, "": 1} {
		o := prometheus.DefaultOptions()
		o.Columns = map[string]string{"owner": label}
		if _, functions, got := read(t, path, o); len(functions) != want || got.total != 15 {
			t.Errorf("owner=%s: %d functions with %d invocations", label, len(functions), got.total)
		}
	}
}

func week(w io.Writer, functions, samples int) error {
	io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[`)
	for f := range functions {
		if f > 0 {
			io.WriteString(w, ",")
		}
		fmt.Fprintf(w, `{"metric":{"__name__":"invocations_total","function":"f%d","namespace":"n"},"values":[`, f)
		for i := range samples {
			if i > 0 {
				io.WriteString(w, ",")
			}
			fmt.Fprintf(w, `[%d,"%d"]`, 1_609_459_200+60*i, i*(f%7))
		}
		io.WriteString(w, "]}")
	}
	_, err := io.WriteString(w, "]}}")
	return err
}

// Memory is that of a series, and of the counts that wait for their day.
func TestMemory(t *testing.T) {
	peak := func(functions int) uint64 {
		path := filepath.Join(t.TempDir(), "f.json")
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(week(out, functions, 1441), out.Close()); err != nil {
			t.Fatal(err)
		}
		in, err := prometheus.Open(t.Context(), path, prometheus.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := &peakSink{}
		if _, err := in.Read(t.Context(), nil, c); err != nil {
			t.Fatal(err)
		}
		return c.most
	}
	small, large := peak(10), peak(200)
	if large > small+190*1440*(16+16)*2 {
		t.Errorf("%d bytes for 10 functions, %d for 200", small, large)
	}
}

type peakSink struct {
	collector
	most uint64
}

func (p *peakSink) Day(*datasets.Counts) error {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	p.most = max(p.most, m.HeapAlloc)
	return nil
}

// Whatever the bytes, there are counts or an error.
func FuzzRead(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "openfaas.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, false)
	f.Add([]byte("["+series(`"function":"f"`, `[60,"1.4"]`, `[120,"1e300"]`, `[180,"NaN"]`)+"]"), true)
	f.Fuzz(func(t *testing.T, b []byte, increase bool) {
		o := prometheus.DefaultOptions()
		if increase {
			o.Values = prometheus.Increase
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := prometheus.Open(t.Context(), path, o)
		if err != nil {
			return
		}
		c := new(collector)
		if _, err := in.Read(t.Context(), nil, c); err == nil && (c.total < 0 || c.total > math.MaxInt32*c.rows) {
			t.Errorf("%d invocations", c.total)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f.json")
	var text strings.Builder
	if err := week(&text, 50, 10_000); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		in, err := prometheus.Open(b.Context(), path, prometheus.DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := in.Read(b.Context(), nil, &peakless{}); err != nil {
			b.Fatal(err)
		}
	}
}

type peakless struct{ collector }

func (*peakless) Day(*datasets.Counts) error { return nil }
