package report

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/internal/null"
)

//go:embed page.html page.css
var files embed.FS

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{"bind": binder.Replace}).ParseFS(files, "page.html"))

// binder keeps a unit on the line of its number.
var binder = strings.NewReplacer(" %", "\u00a0%", " ms", "\u00a0ms", " GB·s", "\u00a0GB·s", " MB", "\u00a0MB")

// Render writes the page of d. It fails only where w does.
func Render(w io.Writer, d *Data) error {
	css, err := files.ReadFile("page.css")
	if err != nil {
		return fmt.Errorf("read style: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, newView(d, template.CSS(css))); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// A view is the page in the order in which it is read; the template only walks it.
type view struct {
	CSS       template.CSS
	Title     string
	Over      string // the line above the title
	Verdict   string // the word on the badge
	Mood      string // good, bad or neutral
	Reason    string
	Facts     []fact
	Notes     []string
	Sections  []section
	Footer    []string
	HasFigure bool
}

// A fact is a figure in the head of the page.
type fact struct{ Name, Value, Unit, Note string }

type section struct {
	ID, Heading string
	Absent      string   // why there is nothing to show
	Text        []string // paragraphs
	Figures     []Figure
	Tables      []table
}

// A Figure is an SVG with the sentence that says what it shows.
type Figure struct {
	ID      string
	SVG     template.HTML
	Caption string
}

type table struct {
	Caption string
	Columns []column
	Rows    []row
}

type column struct {
	Head    string
	Title   string // the heading in full
	Numeric bool
}

type row struct {
	Class string
	Cells []cell
}

type cell struct {
	Text    string
	Class   string
	Numeric bool
}

// add appends a row of texts; numeric columns are those of the heading.
func (t *table) add(class string, texts ...string) {
	cells := make([]cell, len(texts))
	for i, s := range texts {
		cells[i] = cell{Text: s, Numeric: t.Columns[i].Numeric}
	}
	t.Rows = append(t.Rows, row{Class: class, Cells: cells})
}

// mark gives a class to the cell of each row that is best in a column: the one with
// the smallest value, or the largest one if sign is -1. Rows may be left out by NaN.
func (t *table) mark(col int, sign float64, values []float64) {
	best := -1
	for i, v := range values {
		if finite(v) && (best < 0 || sign*v < sign*values[best]) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	known := 0
	for i, v := range values {
		if finite(v) {
			known++
			if v == values[best] {
				t.Rows[i].Cells[col].Class = "best"
			}
		}
	}
	if known < 2 { // being best of one says nothing
		t.Rows[best].Cells[col].Class = ""
	}
}

// columns reads headings: a leading # marks a numeric column, text behind | is the
// heading in full.
func columns(heads ...string) []column {
	cols := make([]column, len(heads))
	for i, h := range heads {
		h, cols[i].Numeric = strings.CutPrefix(h, "#")
		cols[i].Head, cols[i].Title, _ = strings.Cut(h, "|")
	}
	return cols
}

func newView(d *Data, css template.CSS) *view {
	v := &view{CSS: css, Title: cmp.Or(d.Title, "Incendio run"), Notes: d.Notes, Mood: "neutral"}
	over := []string{"Incendio"}
	if d.Run != "" {
		over = append(over, "run "+d.Run)
	}
	if !d.AsOf.IsZero() {
		over = append(over, moment(d.AsOf))
	}
	v.Over = strings.Join(over, " · ")
	if d.Verdict != nil {
		v.Verdict, v.Reason = words(d.Verdict.Verdict), d.Verdict.Reason
		switch d.Verdict.Verdict {
		case Accepted:
			v.Mood = "good"
		case Refused:
			v.Mood = "bad"
		}
	}
	v.Facts = facts(d)
	for _, s := range sections {
		if d.Sections != nil && !slices.Contains(d.Sections, s.key) {
			continue
		}
		sec := section{ID: "section-" + strings.ReplaceAll(s.key, "_", "-"), Heading: s.heading}
		if d.has(s.key) {
			builders[s.key](d, &sec)
		} else {
			sec.Absent = d.absent(s.key)
		}
		v.HasFigure = v.HasFigure || len(sec.Figures) > 0
		v.Sections = append(v.Sections, sec)
	}
	v.Footer = footer(d)
	return v
}

// has reports whether the section of the key is there.
func (d *Data) has(key string) bool {
	switch key {
	case "verdict":
		return d.Verdict != nil
	case "trace":
		return d.Trace != nil
	case "stages":
		return len(d.Stages) > 0
	case "bundle":
		return d.Bundle != nil
	case "policies":
		return d.Policies != nil
	case "decomposition":
		return d.Decomposition != nil
	case "forecast":
		return d.Forecast != nil
	case "forecast_scores":
		return d.ForecastScores != nil
	case "importance":
		return d.Importance != nil
	case "priority":
		return d.Priority != nil
	case "agents":
		return d.Agents != nil
	}
	return false
}

// builders fill the section of a key, which is there.
var builders = map[string]func(*Data, *section){
	"verdict":         verdictSection,
	"trace":           traceSection,
	"stages":          stagesSection,
	"bundle":          bundleSection,
	"policies":        policiesSection,
	"decomposition":   decompositionSection,
	"forecast":        forecastSection,
	"forecast_scores": scoresSection,
	"importance":      importanceSection,
	"priority":        prioritySection,
	"agents":          agentsSection,
}

// facts are the few figures that a reader wants before anything else.
func facts(d *Data) []fact {
	var out []fact
	if t := d.Trace; t != nil {
		out = append(out, fact{"Trace", cmp.Or(t.Name, dash), "", fmt.Sprintf("%s, %s, %s", count(int64(t.Functions), "function"),
			count(t.Invocations, "invocation"), span(float64(t.Days)))})
	}
	if p := d.Policies.policy("incendio"); p != nil {
		native := d.Policies.policy("native")
		note := func(theirs func(*Policy) string) string {
			if native == nil {
				return "on the test window"
			}
			return "native: " + theirs(native)
		}
		mean := func(p *Policy) string { return milliseconds(p.Latency.Mean) }
		cold := func(p *Policy) string { return percent(p.coldShare()) }
		wasted := func(p *Policy) string { return number(p.WastedGBS) + " GB·s" }
		out = append(out,
			fact{"Mean latency", mean(p), "", note(mean)},
			fact{"Cold starts", cold(p), "", note(cold)},
			fact{"Wasted memory", number(p.WastedGBS), "GB·s", note(wasted)})
	}
	if f := d.ForecastScores.best("incendio"); f != nil {
		note := words(f.Scope)
		if naive := d.ForecastScores.row("seasonal_naive", f.Scope); naive != nil && naive.WAPE.Known() {
			note += ", seasonal naive: " + number(float64(naive.WAPE))
		}
		out = append(out, fact{"Forecast WAPE", number(float64(f.WAPE)), "", note})
	}
	return out
}

// row is the scores of a model in a scope, nil if there are none.
func (f *ForecastScores) row(name, scope string) *ForecastScore {
	for i := range f.Models {
		if m := &f.Models[i]; m.Name == name && m.Scope == scope {
			return m
		}
	}
	return nil
}

func footer(d *Data) []string {
	out := []string{cmp.Or(d.Program, "incendio") + ", seed " + strconv.FormatUint(d.Seed, 10)}
	if t := d.Timing; t != nil {
		line := ""
		if !t.Started.IsZero() {
			line = "started " + moment(t.Started)
		}
		if t.TotalS > 0 && t.TotalS.Known() {
			line = strings.TrimPrefix(line+", took "+seconds(float64(t.TotalS)), ", ")
		}
		if t.Workers > 0 {
			line = strings.TrimPrefix(line+" with "+count(int64(t.Workers), "worker"), " ")
		}
		if line != "" {
			out = append(out, line)
		}
	}
	if d.Sections != nil { // a part, which has no file of its own
		return out
	}
	return append(out, "the page is made from "+File+" by incendio report")
}

// text has a change with its bounds, and what it comes to.
func (c *Change) text() string {
	if c == nil || !c.Value.Known() {
		return dash
	}
	unit := func(v null.Float) string { return fmt.Sprintf("%+.2f %%", 100*float64(v)) }
	return fmt.Sprintf("%s (%s to %s): %s", unit(c.Value), unit(c.Bounds[0]), unit(c.Bounds[1]), c.Result)
}

func verdictSection(d *Data, s *section) {
	v := d.Verdict
	champion := "There is no champion yet"
	if v.Champion != "" {
		champion = "Beside the champion " + digest(v.Champion)
	}
	failed := 0
	for _, r := range v.Rules {
		if !r.OK {
			failed++
		}
	}
	switch n := len(v.Rules); {
	case n == 0:
		s.Text = []string{champion + ", and no rule was asked."}
		return
	case failed == 0:
		s.Text = []string{fmt.Sprintf("%s, the candidate passed all %s.", champion, count(int64(n), "rule"))}
	default:
		s.Text = []string{fmt.Sprintf("%s, the candidate failed %d of %s.", champion, failed, count(int64(n), "rule"))}
	}
	t := table{Caption: "Rules of promotion", Columns: columns("Rule", "#Candidate", "#Bound", "#Champion", "#Beside the champion|with bounds of 95 % each", "Result")}
	for _, r := range v.Rules {
		result, class := "passed", "ok"
		if !r.OK {
			result, class = "failed", "fail"
		}
		name := words(r.Rule)
		if r.Text != "" {
			name += ": " + r.Text
		}
		t.add(class, name, number(float64(r.Value)), number(float64(r.Bound)), number(float64(r.Champion)), r.Change.text(), result)
		cells := t.Rows[len(t.Rows)-1].Cells
		cells[len(cells)-1].Class = class
	}
	s.Tables = append(s.Tables, t)
}

func traceSection(d *Data, s *section) {
	tr := d.Trace
	text := fmt.Sprintf("%s is a trace of format %s with %s and %s over %s, from %s.", cmp.Or(tr.Name, "It"), cmp.Or(tr.Format, "unknown"),
		count(int64(tr.Functions), "function"), count(tr.Invocations, "invocation"), span(float64(tr.Days)), moment(tr.Start))
	if tr.Quarantined == 0 {
		text += " No row was quarantined."
	} else {
		text += " " + count(tr.Quarantined, "row") + " quarantined"
		var why []string
		for _, r := range slices.Sorted(maps.Keys(tr.Reasons)) {
			why = append(why, r+" "+integer(tr.Reasons[r]))
		}
		if len(why) > 0 {
			text += ": " + list(why)
		}
		text += "."
	}
	s.Text = append(s.Text, text)
	s.Text = append(s.Text, tr.Notes...)
	if tr.Digest != "" {
		s.Text = append(s.Text, "Content: "+tr.Digest)
	}
	if len(tr.Windows) == 0 {
		return
	}
	t := table{Caption: "Split by time: nothing is judged on what it was trained on", Columns: columns("Window", "From", "To", "#Length", "#Invocations")}
	for _, w := range tr.Windows {
		n := dash
		if w.Invocations > 0 {
			n = integer(w.Invocations)
		}
		t.add("", w.Name, moment(w.From), moment(w.To), length(w.To.Sub(w.From)), n)
	}
	s.Tables = append(s.Tables, t)
}

// length writes the length of a window in the unit that reads best.
func length(d time.Duration) string {
	if h := d.Hours(); h < 48 {
		return seconds(d.Seconds())
	}
	return span(d.Hours() / 24)
}

func stagesSection(d *Data, s *section) {
	timed := d.Timing != nil && len(d.Timing.StagesS) > 0
	heads := []string{"Stage", "#Rows", "Made"}
	if timed {
		heads = append(heads, "#Time")
	}
	t := table{Caption: "What each stage made", Columns: columns(heads...)}
	cached := 0
	for _, st := range d.Stages {
		rows := dash
		if st.Rows > 0 {
			rows = integer(st.Rows)
		}
		made := st.Outputs
		if st.Cached {
			cached++
			made = strings.TrimPrefix(made+", up to date", ", ")
		}
		texts := []string{st.Name, rows, made}
		if timed {
			took := dash
			if x, ok := d.Timing.StagesS[st.Name]; ok {
				took = seconds(float64(x))
			}
			texts = append(texts, took)
		}
		t.add("", texts...)
	}
	if cached > 0 {
		s.Text = append(s.Text, fmt.Sprintf("%d of %s were up to date and did not run again.", cached, count(int64(len(d.Stages)), "stage")))
	}
	s.Tables = append(s.Tables, t)
}

func bundleSection(d *Data, s *section) {
	b := d.Bundle
	t := table{Caption: "The bundle of this run", Columns: columns("", "")}
	t.add("", "Path", b.Path)
	t.add("", "Digest", b.Digest)
	if b.Files > 0 {
		t.add("", "Files", integer(int64(b.Files)))
	}
	if b.Bytes > 0 {
		t.add("", "Size", size(b.Bytes))
	}
	for i := range t.Rows {
		t.Rows[i].Cells[1].Class = "path"
	}
	s.Tables = append(s.Tables, t)
}

func policiesSection(d *Data, s *section) {
	p := d.Policies
	text := fmt.Sprintf("Every policy replays the same %s with the same draws", count(p.Requests, "request"))
	if m := p.Machine; m != nil {
		text += fmt.Sprintf(" on %s of %s and %s MB", count(int64(m.Invokers), "invoker"), count(int64(m.Cores), "core"), integer(int64(m.MemoryMB)))
	}
	if p.Window != "" {
		text += ", window " + p.Window
	}
	if p.Load > 0 && p.Load.Known() {
		text += ", load " + level(float64(p.Load))
	}
	s.Text = append(s.Text, text+".")
	s.addFigures(PolicyFigures(p)...)

	t := table{Caption: "Latency from arrival to completion, ms; the best simulated value of a column is bold",
		Columns: columns("Policy", "#Mean", "#p25", "#p50", "#p75", "#p95", "#p99", "#Speed-up|against native, sum over the same requests")}
	u := table{Caption: "Starts and memory", Columns: columns("Policy", "#Warm", "#Cold", "#Delayed warm", "#Dropped", "#Cold share",
		"#App p75|cold share of the application at the 75th percentile of the applications", "#Wasted, GB·s", "#RUM|resource use in seconds of cold start")}
	v := table{Caption: "Share of the requests that are dispatched, and that execute, within a wait from their arrival; executing counts the cold start too",
		Columns: columns("Policy", "#Dispatched ≤ 100 ms", "#≤ 500 ms", "#≤ 1 s", "#Executing ≤ 100 ms", "#≤ 500 ms", "#≤ 1 s")}
	cols := make([][]float64, 7)
	ucols := make([][]float64, 3)
	for i := range p.Policies {
		q := &p.Policies[i]
		class := rowClass(q)
		l := q.Latency
		lat := []float64{l.Mean, l.P25, l.P50, l.P75, l.P95, l.P99, q.SpeedupVsNative}
		texts := []string{policyName(q)}
		for j, x := range lat {
			if q.Kind == Bound && x == 0 {
				x = math.NaN() // what a bound does not bound
			}
			texts = append(texts, number(x))
			if q.Kind != Simulated {
				x = math.NaN() // not marked as the best
			}
			cols[j] = append(cols[j], x)
		}
		t.add(class, texts...)
		if q.Kind == Bound {
			continue
		}
		u.add(class, policyName(q), integer(q.Warm), integer(q.Cold), integer(q.DelayedWarm), integer(q.Dropped), percent(q.coldShare()),
			number(q.AppColdPct.P75)+" %", number(q.WastedGBS), number(q.RUM))
		v.add(class, policyName(q), percent(q.SLODispatch.Within100), percent(q.SLODispatch.Within500), percent(q.SLODispatch.Within1000),
			percent(q.SLOStart.Within100), percent(q.SLOStart.Within500), percent(q.SLOStart.Within1000))
		for j, x := range []float64{q.coldShare(), q.WastedGBS, q.RUM} {
			if q.Kind != Simulated {
				x = float64(null.Missing)
			}
			ucols[j] = append(ucols[j], x)
		}
	}
	for j, vs := range cols {
		sign := 1.0
		if j == 6 {
			sign = -1
		}
		t.mark(1+j, sign, vs)
	}
	for j, vs := range ucols {
		u.mark([]int{5, 7, 8}[j], 1, vs)
	}
	s.Tables = append(s.Tables, t, u, v)

	if d.Timing == nil || len(d.Timing.Decision) == 0 {
		return
	}
	w := table{Caption: "Time of one decision, µs (this machine)", Columns: columns("Policy", "#p50", "#p99")}
	for _, name := range slices.Sorted(maps.Keys(d.Timing.Decision)) {
		x := d.Timing.Decision[name]
		w.add("", name, number(float64(x.P50)), number(float64(x.P99)))
	}
	s.Tables = append(s.Tables, w)
}

func policyName(p *Policy) string {
	switch p.Kind {
	case Simulated:
		return p.Name
	case Bound:
		return p.Name + " (proved)"
	case Oracle:
		return p.Name + " (clairvoyant)"
	}
	return p.Name + " (" + p.Kind + ")"
}

func rowClass(p *Policy) string {
	switch {
	case p.Kind != Simulated:
		return "reference"
	case p.Name == "incendio":
		return "ours"
	}
	return ""
}

func decompositionSection(d *Data, s *section) {
	if d.Decomposition.Missing != "" {
		s.Text = append(s.Text, d.Decomposition.Missing)
	}
	s.addFigures(decomposition(d.Decomposition))
}

func forecastSection(d *Data, s *section) { s.addFigures(forecast(d.Forecast)) }

func scoresSection(d *Data, s *section) {
	f := d.ForecastScores
	text := "Rolling-origin evaluation"
	if f.Cutoffs > 0 {
		text += " with " + count(int64(f.Cutoffs), "cutoff")
	}
	if f.HorizonMin > 0 {
		text += ", " + count(int64(f.HorizonMin), "minute") + " ahead"
	}
	s.Text = append(s.Text, text+". WAPE, MAE, RMSE, MASE and pinball losses are better when smaller; coverage is best at 90 %.")
	var scopes []string
	for _, m := range f.Models {
		if !slices.Contains(scopes, m.Scope) {
			scopes = append(scopes, m.Scope)
		}
	}
	quantiles := map[string]bool{}
	for _, m := range f.Models {
		for q := range m.Pinball {
			quantiles[q] = true
		}
	}
	qs := slices.Sorted(maps.Keys(quantiles))
	captions := map[string]string{
		"total":           "The sum over all functions",
		"pooled":          "All functions pooled: errors summed over functions and minutes",
		"median_function": "The median function",
	}
	for _, scope := range scopes {
		heads := []string{"Model", "#WAPE|weighted absolute percentage error", "#MAE", "#RMSE", "#MASE|mean absolute scaled error"}
		for _, q := range qs {
			heads = append(heads, "#Pinball "+q)
		}
		heads = append(heads, "#Coverage|share inside the 90 % interval")
		t := table{Caption: cmp.Or(captions[scope], words(scope)), Columns: columns(heads...)}
		var models []ForecastScore
		for _, m := range f.Models {
			if m.Scope == scope {
				models = append(models, m)
			}
		}
		slices.SortStableFunc(models, func(a, b ForecastScore) int { return byNumber(float64(a.WAPE), float64(b.WAPE)) })
		cols := make([][]float64, len(heads)-2)
		for _, m := range models {
			vs := []float64{float64(m.WAPE), float64(m.MAE), float64(m.RMSE), float64(m.MASE)}
			for _, q := range qs {
				x, ok := m.Pinball[q]
				if !ok {
					x = null.Missing
				}
				vs = append(vs, float64(x))
			}
			texts := []string{words(m.Name)}
			for j, x := range vs {
				texts = append(texts, number(x))
				cols[j] = append(cols[j], x)
			}
			class := ""
			if m.Name == "incendio" {
				class = "ours"
			}
			t.add(class, append(texts, percent(float64(m.Coverage90)))...)
		}
		for j, vs := range cols {
			t.mark(1+j, 1, vs)
		}
		s.Tables = append(s.Tables, t)
	}
}

// byNumber orders numbers from the smallest, missing ones last.
func byNumber(a, b float64) int {
	switch fa, fb := finite(a), finite(b); {
	case fa && fb:
		return cmp.Compare(a, b)
	case fa:
		return -1
	case fb:
		return 1
	}
	return 0
}

func importanceSection(d *Data, s *section) { s.addFigures(importance(d.Importance)) }

func prioritySection(d *Data, s *section) {
	p := d.Priority
	text := fmt.Sprintf("Mode %s", words(cmp.Or(p.Mode, "unknown")))
	if p.Trials > 0 {
		text += ", weights found in " + count(int64(p.Trials), "trial")
	}
	s.Text = append(s.Text, text+".")
	if p.Note != "" {
		s.Text = append(s.Text, p.Note)
	}
	if len(p.Features) == 0 {
		return
	}
	t := table{Caption: "Features with their rank correlation with the latency (Spearman) and their weight", Columns: columns("Feature", "#Spearman ρ", "Screening", "#Weight")}
	for _, f := range p.Features {
		kept := "kept"
		if !f.Kept {
			kept, f.Weight = "screened out", null.Missing
		}
		t.add("", words(f.Feature), number(float64(f.Spearman)), kept, number(float64(f.Weight)))
	}
	s.Tables = append(s.Tables, t)
}

func agentsSection(d *Data, s *section) {
	a := d.Agents
	won, judged := a.won()
	text := fmt.Sprintf("%d of %s judged went to an agent, which is in the bundle; in the others a rule dispatches.", won, count(int64(judged), "environment"))
	if len(a.Clusters) == 0 {
		text = "No agent was trained."
	}
	s.Text = append(s.Text, strings.TrimSpace(text+" "+a.Rule))
	if a.Reward != "" {
		s.Text = append(s.Text, "The return: "+a.Reward)
	}
	s.addFigures(agentReturn(a), agentLoss(a))
	if len(a.Clusters) == 0 {
		return
	}
	t := table{Caption: "Mean return on the validation windows, higher is better", Columns: columns("Cluster", "#Agent", "#Best rule", "Which rule", "#Random", "#Seeds", "Result")}
	for i, c := range a.Clusters {
		result, class := "rule stays", ""
		if c.Won {
			result, class = "agent won", "ok"
		}
		t.add("", c.Cluster, number(float64(c.Agent)), number(float64(c.BestRule)), cmp.Or(c.BestRuleName, dash), number(float64(c.Random)), integer(int64(len(c.Runs))), result)
		t.Rows[i].Cells[6].Class = class
		best := 1
		if c.BestRule > c.Agent {
			best = 2
		}
		if c.Agent.Known() && c.BestRule.Known() {
			t.Rows[i].Cells[best].Class = "best"
		}
	}
	s.Tables = append(s.Tables, t)
}

// addFigures adds the figures that there was something to draw in.
func (s *section) addFigures(figures ...Figure) {
	for _, f := range figures {
		if f.SVG != "" {
			s.Figures = append(s.Figures, f)
		} else if f.Caption != "" {
			s.Text = append(s.Text, f.Caption)
		}
	}
}
