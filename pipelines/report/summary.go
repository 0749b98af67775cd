package report

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

const (
	summaryWidth = 80
	summaryLines = 25
)

// Summary is what a terminal shows after a run, at most 25 lines of 80 columns: what
// went in, what came out, the verdict, and where the bundle and the page lie. Only a
// path that is longer than a line goes beyond the 80 columns, so that it can be copied.
func Summary(d *Data) string {
	var s summary
	title := d.Title
	if title == "" {
		title = "incendio run"
	}
	if d.Run != "" {
		title += " · " + d.Run
	}
	s.line(title)
	s.gap()

	if t := d.Trace; t != nil {
		what := []string{count(int64(t.Functions), "function"), count(t.Invocations, "invocation"), span(float64(t.Days))}
		s.paragraph("in", fmt.Sprintf("trace %s (%s): %s", t.Name, t.Format, strings.Join(what, ", ")), 2)
		if t.Quarantined > 0 {
			s.entry("", count(t.Quarantined, "row")+" quarantined")
		}
	} else {
		s.entry("in", "no trace: "+d.absent("trace"))
	}
	for i, st := range d.Stages[:min(len(d.Stages), 8)] {
		label := ""
		if i == 0 {
			label = "did"
		}
		s.entry(label, fmt.Sprintf("%-9s %s", st.Name, st.made()))
	}
	s.gap()

	if f := d.ForecastScores.best("incendio"); f != nil {
		s.entry("forecast", fmt.Sprintf("WAPE %s, MASE %s (%s)", number(float64(f.WAPE)), number(float64(f.MASE)), words(f.Scope)))
	}
	if d.Agents != nil {
		won, judged := d.Agents.won()
		s.entry("agents", fmt.Sprintf("%d of %s judged went to an agent, the others to a rule", won, count(int64(judged), "environment")))
	}
	shown := []string{"incendio", "faascache", "native"}
	for _, name := range shown {
		p := d.Policies.policy(name)
		if p == nil {
			continue
		}
		s.entry(name, fmt.Sprintf("mean %s, p99 %s, %s cold, %s GB·s wasted", milliseconds(p.Latency.Mean),
			milliseconds(p.Latency.P99), percent(p.coldShare()), number(p.WastedGBS)))
	}
	s.gap()

	if v := d.Verdict; v != nil {
		verdict := strings.ToUpper(v.Verdict)
		if v.Reason != "" {
			verdict += ": " + v.Reason
		}
		s.paragraph("verdict", verdict, 4)
	} else {
		s.entry("verdict", "none: "+d.absent("verdict"))
	}
	if n := len(d.Notes); n > 0 {
		s.entry("notes", count(int64(n), "note")+" in the report; the first: "+d.Notes[0])
	}
	if b := d.Bundle; b != nil {
		s.path("bundle", b.Path)
		if b.Digest != "" {
			s.path("", b.Digest)
		}
	} else {
		s.entry("bundle", "none: "+d.absent("bundle"))
	}
	if d.Page != "" {
		s.path("report", d.Page)
	}
	return s.String()
}

// made says in words what a stage made.
func (st *Stage) made() string {
	var parts []string
	if st.Rows > 0 {
		parts = append(parts, count(st.Rows, "row"))
	}
	if st.Outputs != "" {
		parts = append(parts, st.Outputs)
	}
	if st.Cached {
		parts = append(parts, "up to date")
	}
	if len(parts) == 0 {
		return "done"
	}
	return strings.Join(parts, ", ")
}

// best is the row of a model in the widest scope that it has a known WAPE for.
func (f *ForecastScores) best(name string) *ForecastScore {
	if f == nil {
		return nil
	}
	var best *ForecastScore
	rank := math.MaxInt
	for i := range f.Models {
		m := &f.Models[i]
		r, ok := map[string]int{"pooled": 0, "total": 1, "median_function": 2}[m.Scope]
		if !ok {
			r = 3
		}
		if m.Name == name && m.WAPE.Known() && r < rank {
			best, rank = m, r
		}
	}
	return best
}

type summary struct{ lines []string }

func (s *summary) line(text string) { s.lines = append(s.lines, cut(text, summaryWidth)) }

func (s *summary) gap() {
	if n := len(s.lines); n > 0 && s.lines[n-1] != "" {
		s.lines = append(s.lines, "")
	}
}

func label(name string) string { return fmt.Sprintf("  %-10s", cut(name, 10)) }

func (s *summary) entry(name, text string) { s.line(label(name) + " " + text) }

// path never cuts its text: it is there to be copied.
func (s *summary) path(name, text string) {
	s.lines = append(s.lines, label(name)+" "+oneLine(text))
}

// paragraph breaks text between words into at most most lines.
func (s *summary) paragraph(name, text string, most int) {
	width := summaryWidth - utf8.RuneCountInString(label("")) - 1
	for n := 1; n < most; n++ {
		head, rest := breakLine(text, width)
		s.entry(name, head)
		if name, text = "", rest; text == "" {
			return
		}
	}
	s.entry(name, text)
}

func (s *summary) String() string {
	lines := s.lines
	if len(lines) > summaryLines { // a gap is worth less than a line
		kept := lines[:0:0]
		for _, l := range lines {
			if l != "" {
				kept = append(kept, l)
			}
		}
		lines = kept
	}
	return strings.Join(lines[:min(len(lines), summaryLines)], "\n") + "\n"
}

// breakLine splits text at the last space within width runes.
func breakLine(text string, width int) (head, rest string) {
	text = oneLine(text)
	runes := []rune(text)
	if len(runes) <= width {
		return text, ""
	}
	at := strings.LastIndex(string(runes[:width+1]), " ")
	if at <= 0 {
		return string(runes[:width]), string(runes[width:])
	}
	return text[:at], strings.TrimSpace(text[at:])
}

// cut shortens text to width runes.
func cut(text string, width int) string {
	text = strings.TrimRight(strings.Map(printable, text), " ")
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// oneLine makes text safe to print on one line of a terminal.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(printable, text)), " ")
}
