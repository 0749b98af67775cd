package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

// fatal is what testing and rapid have in common.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func encode(t fatal, d *report.Data) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Encode(&b, d); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Bytes()
}

func render(t fatal, d *report.Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Render(&b, d); err != nil {
		t.Fatalf("render: %v", err)
	}
	return b.String()
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("testdata/%s differs (go test -update rewrites it); got:\n%s", name, got)
	}
}

var figures = []string{"latency-cdf", "cold-wasted", "decomposition", "forecast", "importance", "agent-return", "agent-loss"}

func TestSampleIsStored(t *testing.T) {
	golden(t, "sample.json", encode(t, sample()))
}

func TestRoundTrip(t *testing.T) {
	for _, d := range []*report.Data{sample(), short(), {}} {
		b := encode(t, d)
		back, err := report.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if again := encode(t, back); !bytes.Equal(b, again) {
			t.Errorf("%s: encoding is not stable", d.Run)
		}
		if render(t, d) != render(t, back) {
			t.Errorf("%s: the page made from report.json is another", d.Run)
		}
		if report.Summary(d) != report.Summary(back) {
			t.Errorf("%s: the summary made from report.json is another", d.Run)
		}
	}
}

func TestDecodeNamesThePlace(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"{\n \"title\": 7\n}", "line 2"},
		{"{\n\n \"tilte\": \"x\"\n}", `line 3: json: unknown field "tilte"`},
		{"{\"title\": \"x\"}\n{}", "line 1: text after the object"},
		{"{\n\"title\": \"x\",\n]", "line 3"},
		{"", "EOF"},
	} {
		_, err := report.Decode(strings.NewReader(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.in, err, c.want)
		}
	}
}

func TestRenderIsDeterministic(t *testing.T) {
	want := render(t, sample())
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if render(t, sample()) != want {
				t.Error("another page from equal data")
			}
		})
	}
	wait.Wait()
}

// TestOutline keeps what a reader meets, in order: headings, captions and figures.
func TestOutline(t *testing.T) {
	for _, c := range []struct {
		name string
		data *report.Data
	}{{"sample", sample()}, {"short", short()}, {"empty", &report.Data{}}} {
		golden(t, c.name+".outline", []byte(outline(t, render(t, c.data))))
		golden(t, c.name+".summary", []byte(report.Summary(c.data)))
	}
}

var (
	elements = regexp.MustCompile(`(?s)<(h1|h2|figure|figcaption|caption|p|dt|li|title|th scope="col")\b([^>]*)>(.*?)(?:</|<div)`)
	idOf     = regexp.MustCompile(` id="([^"]+)"`)
	spaces   = regexp.MustCompile(`\s+`)
	tags     = regexp.MustCompile(`<[^>]*>`)
)

func outline(t *testing.T, page string) string {
	t.Helper()
	var out strings.Builder
	for _, m := range elements.FindAllStringSubmatch(page, -1) {
		name, _, _ := strings.Cut(m[1], " ")
		id := ""
		if f := idOf.FindStringSubmatch(m[2]); f != nil {
			id = " #" + f[1]
		}
		fmt.Fprintf(&out, "%s%s: %s\n", name, id, strings.TrimSpace(spaces.ReplaceAllString(tags.ReplaceAllString(m[3], " "), " ")))
	}
	return out.String()
}

func TestFigures(t *testing.T) {
	page := render(t, sample())
	at := 0
	for _, id := range figures {
		i := strings.Index(page, `<figure id="`+id+`">`)
		if i < at {
			t.Errorf("figure %s is missing or out of order", id)
		}
		at = max(at, i)
	}
	checkPage(t, page)
}

// TestPolicyNamesInFigures makes sure that every policy can be told in both figures.
func TestPolicyNamesInFigures(t *testing.T) {
	d := sample()
	page := render(t, d)
	for _, id := range []string{"latency-cdf", "cold-wasted"} {
		svg := svgOf(t, page, id)
		for _, p := range d.Policies.Policies {
			if p.Kind != report.Bound && !regexp.MustCompile(`>`+p.Name+`( \(clairvoyant\))?</text>`).MatchString(svg) {
				t.Errorf("%s does not name %s", id, p.Name)
			}
		}
	}
}

func svgOf(t *testing.T, page, id string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `<figure id="`+id+`">`)
	svg, _, ok2 := strings.Cut(rest, "</svg>")
	if !ok || !ok2 {
		t.Fatalf("no figure %s", id)
	}
	return svg
}

func TestNothingToShow(t *testing.T) {
	d := &report.Data{Absent: map[string]string{"agents": "the trace is too short & sparse", "policies": "no bundle was made"}}
	page := render(t, d)
	checkPage(t, page)
	for _, want := range []string{"Left out: the trace is too short &amp; sparse", "Left out: no bundle was made", "Left out: this run did not make it"} {
		if !strings.Contains(page, want) {
			t.Errorf("no line %q", want)
		}
	}
	if strings.Contains(page, "<figure") {
		t.Error("a figure of nothing")
	}
}

// TestFindings checks captions against answers known by hand.
func TestFindings(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	times := []time.Time{start, start.Add(time.Minute), start.Add(2 * time.Minute), start.Add(3 * time.Minute)}
	d := &report.Data{
		Forecast: &report.Forecast{Function: "f", Times: times, Level: 0.9,
			Actual: report.Values{10, 20, 30, 40}, Mean: report.Values{12, 20, 27, 35}, // WAPE (2+0+3+5)/100
			Lower: report.Values{9, 15, 31, 35}, Upper: report.Values{13, 21, 33, 41}}, // 3 of 4 inside
		Decomposition: &report.Decomposition{Function: "g", Times: times, Observed: report.Values{1, 2, 3, 4}, Trend: report.Values{5, 4, 3, 2},
			Components: []report.Component{{Name: "weekly", Values: report.Values{1, -2.5, 0, 1}}, {Name: "holiday", Values: report.Values{0, 0, -7, 0}}}},
		Importance: &report.Importance{Features: []report.Feature{{Feature: "a", Gain: 1}, {Feature: "b", Gain: 7}, {Feature: "c", Gain: 2}, {Feature: "d"}}},
		Policies: &report.Policies{Policies: []report.Policy{
			{Name: "native", Summary: sim.Summary{Warm: 50, Cold: 50, WastedGBS: 10, Latency: sim.Latency{Mean: 1500, P99: 9}}},
			{Name: "incendio", Summary: sim.Summary{Warm: 90, Cold: 10, WastedGBS: 20, Latency: sim.Latency{Mean: 40, P99: 80}}},
			{Name: "worse", Summary: sim.Summary{Warm: 80, Cold: 20, WastedGBS: 30, Latency: sim.Latency{Mean: 50, P99: 90}}},
			{Name: "oracle", Kind: report.Oracle, Summary: sim.Summary{Warm: 99, Cold: 1, WastedGBS: 1, Latency: sim.Latency{Mean: 1, P99: 1}}},
		}},
	}
	for i := range d.Policies.Policies {
		d.Policies.Policies[i].CDF = []report.CDFPoint{{LatencyMS: 1, Share: 0.1}, {LatencyMS: 100, Share: 1}}
	}
	page := strings.ReplaceAll(render(t, d), "\u00a0", " ")
	for _, want := range []string{
		"Function f: the 90 % interval holds 75.0 % of what happened; the absolute error of the mean is 10.0 % of the volume (WAPE).",
		"Function g: the trend falls from 5.00 to 2.00 invocations/min, the weekly term reaches ±2.50 and the holiday effect is −7.00 at its largest.",
		"b carries 70.0 % of the total gain; 1 feature is never used.",
		"incendio has the lowest mean latency, 40.0 ms, against 1.50 s of native; native has the lowest 99th percentile, 9.00 ms.",
		"native and incendio are beaten by no other policy in both cold starts and wasted memory",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no caption %q", want)
		}
	}
}

func TestNamesAreEscaped(t *testing.T) {
	d := sample()
	evil := "<script>alert('x')</script>\x00\x1b[31m\xff\"&"
	d.Title, d.Run, d.Forecast.Function, d.Decomposition.Function, d.Decomposition.Components[0].Name = evil, evil, evil, evil, evil
	d.Importance.Features[0].Feature, d.Policies.Policies[3].Name, d.Agents.Clusters[0].Cluster, d.Notes[0], d.Absent = evil, evil, evil, evil, map[string]string{"x": evil}
	checkPage(t, render(t, d))
	if s := report.Summary(d); strings.ContainsAny(s, "\x00\x1b") {
		t.Error("the summary lets control characters through")
	}
}

// checkPage asks of every page what must always hold.
func checkPage(t fatal, page string) {
	t.Helper()
	lower := strings.ToLower(page)
	for _, bad := range []string{"<script", "<iframe", "<object", " src=", "url(", "@import", "javascript:", "zgotmplz"} {
		if strings.Contains(lower, bad) {
			t.Fatalf("the page has %q", bad)
		}
	}
	for _, m := range regexp.MustCompile(`https?://[^"<\s]*`).FindAllString(page, -1) {
		if m != "http://www.w3.org/2000/svg" {
			t.Fatalf("the page names %s", m)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Fatalf("two elements have the id %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(` (?:href="#|aria-labelledby=")([^"]+)"`).FindAllStringSubmatch(page, -1) {
		for _, id := range strings.Fields(m[1]) {
			if !ids[id] {
				t.Fatalf("nothing has the id %s", id)
			}
		}
	}
	for rest := page; ; {
		_, after, ok := strings.Cut(rest, "<svg")
		if !ok {
			break
		}
		svg, end, _ := strings.Cut(after, "</svg>")
		checkSVG(t, "<svg"+svg+"</svg>")
		rest = end
	}
	if n, m := strings.Count(page, "<table>"), strings.Count(page, "<caption>"); n != m {
		t.Fatalf("%d tables with %d captions", n, m)
	}
}

func checkSVG(t fatal, svg string) {
	t.Helper()
	if regexp.MustCompile(`NaN|Inf`).MatchString(tags.ReplaceAllStringFunc(svg, func(s string) string { return s })) {
		t.Fatalf("NaN or Inf in the SVG %.300s", svg)
	}
	if m := regexp.MustCompile(`(fill|stroke):#[0-9A-Fa-f]+|Liberation Sans;`).FindString(svg); m != "" {
		t.Fatalf("%q does not follow the theme", m)
	}
	dec := xml.NewDecoder(strings.NewReader(svg))
	var width, height float64
	seen := map[string]bool{}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("malformed SVG: %v in %.300s", err, svg)
		}
		el, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		seen[el.Name.Local] = true
		at := map[string]string{}
		for _, a := range el.Attr {
			at[a.Name.Local] = a.Value
		}
		switch el.Name.Local {
		case "svg":
			if _, err := fmt.Sscanf(at["viewBox"], "0 0 %g %g", &width, &height); err != nil {
				t.Fatalf("viewBox %q: %v", at["viewBox"], err)
			}
		case "text":
			x, errX := strconv.ParseFloat(at["x"], 64)
			y, errY := strconv.ParseFloat(at["y"], 64)
			if errX != nil || errY != nil || x < -1 || x > width || -y < -height || y > 1 || y < -height {
				t.Fatalf("text at (%s, %s) is outside of %g x %g", at["x"], at["y"], width, height)
			}
		}
	}
	if !seen["title"] || !seen["desc"] {
		t.Fatalf("an SVG without title or desc")
	}
}

// TestAnything renders data made of extreme values and slices of unequal length.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anything(t)
		checkPage(t, render(t, d))
		checkSummary(t, report.Summary(d))
		if _, err := report.Decode(bytes.NewReader(encode(t, d))); err != nil {
			t.Fatalf("decode: %v", err)
		}
	})
}

func anything(t *rapid.T) *report.Data {
	floats := rapid.OneOf(rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1, -1, 1e-320, 1e308, -1e308, 1e100, 1e-99, math.MaxFloat64}),
		rapid.Float64Range(-1000, 1000), rapid.Float64())
	real := rapid.Map(floats, func(x float64) null.Float { return null.Float(x) })
	figure := floats.Filter(func(x float64) bool { return x-x == 0 }) // a simulation has finite figures
	values := rapid.Map(rapid.SliceOfN(floats, 0, 6), func(v []float64) report.Values { return v })
	names := rapid.OneOf(rapid.SampledFrom([]string{"", "incendio", "native", "holiday", "daily"}), rapid.String())
	whole := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64}), rapid.Int64Range(0, 1000))
	times := rapid.Map(rapid.SliceOfN(rapid.Int64Range(-62135596800, 253402300799), 0, 6), func(s []int64) []time.Time {
		slices.Sort(s)
		out := make([]time.Time, len(s))
		for i, x := range s {
			out[i] = time.Unix(x, 0).UTC()
		}
		return out
	})
	n := rapid.IntRange(0, 4)
	d := &report.Data{Title: names.Draw(t, "title"), Trace: &report.Trace{Invocations: whole.Draw(t, "invocations"), Days: real.Draw(t, "days"), Quarantined: whole.Draw(t, "quarantined")},
		Verdict: &report.Verdict{Verdict: names.Draw(t, "verdict"), Reason: names.Draw(t, "reason")}, Notes: rapid.SliceOfN(names, 0, 3).Draw(t, "notes"),
		Decomposition: &report.Decomposition{Function: names.Draw(t, "function"), Times: times.Draw(t, "times"), Observed: values.Draw(t, "observed"), Trend: values.Draw(t, "trend")},
		Forecast:      &report.Forecast{Times: times.Draw(t, "times"), Actual: values.Draw(t, "actual"), Mean: values.Draw(t, "mean"), Lower: values.Draw(t, "lower"), Upper: values.Draw(t, "upper"), Level: real.Draw(t, "level")},
		Importance:    &report.Importance{}, Agents: &report.Agents{}, Policies: &report.Policies{}, ForecastScores: &report.ForecastScores{}, Priority: &report.Priority{}}
	for range n.Draw(t, "n") {
		name := names.Draw(t, "name")
		d.Verdict.Rules = append(d.Verdict.Rules, report.Rule{Rule: name, Value: real.Draw(t, "x"), Bound: real.Draw(t, "x"), Champion: real.Draw(t, "x")})
		d.Decomposition.Components = append(d.Decomposition.Components, report.Component{Name: name, Values: values.Draw(t, "values"), MaxAbs: real.Draw(t, "x")})
		d.Importance.Features = append(d.Importance.Features, report.Feature{Feature: name, Gain: real.Draw(t, "x")})
		d.Agents.Clusters = append(d.Agents.Clusters, report.Cluster{Cluster: name, Agent: real.Draw(t, "x"), BestRule: real.Draw(t, "x"), Runs: []report.Run{
			{Seed: uint64(n.Draw(t, "seed")), Episode: values.Draw(t, "values"), Return: values.Draw(t, "values"), Loss: values.Draw(t, "values")}}})
		d.ForecastScores.Models = append(d.ForecastScores.Models, report.ForecastScore{Name: name, Scope: names.Draw(t, "scope"), Scores: metric.Scores{WAPE: real.Draw(t, "x"), Pinball: map[string]null.Float{name: real.Draw(t, "x")}}})
		d.Priority.Features = append(d.Priority.Features, report.Screened{Feature: name, Spearman: real.Draw(t, "x"), Kept: true, Weight: real.Draw(t, "x")})
		d.Stages = append(d.Stages, report.Stage{Name: name, Rows: whole.Draw(t, "rows"), Outputs: name})
		p := report.Policy{Name: name, Kind: rapid.SampledFrom([]string{"", "bound", "oracle"}).Draw(t, "kind"), Summary: sim.Summary{Warm: whole.Draw(t, "n"), Cold: whole.Draw(t, "n"), WastedGBS: figure.Draw(t, "x"), Latency: sim.Latency{Mean: figure.Draw(t, "x"), P99: figure.Draw(t, "x")}}}
		for range n.Draw(t, "points") {
			p.CDF = append(p.CDF, report.CDFPoint{LatencyMS: real.Draw(t, "x"), Share: null.Float(rapid.Float64Range(0, 1).Draw(t, "share"))})
		}
		d.Policies.Policies = append(d.Policies.Policies, p)
	}
	return d
}

// checkSummary asks for one screen: only paths and digests may be longer than a line.
func checkSummary(t fatal, s string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	if len(lines) > 25 {
		t.Fatalf("the summary has %d lines", len(lines))
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) > 80 && !strings.Contains(l, "/") && !strings.Contains(l, "sha256:") {
			t.Fatalf("a line of %d columns: %s", utf8.RuneCountInString(l), l)
		}
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("a control character in %q", l)
		}
	}
}

func TestSummary(t *testing.T) {
	for _, d := range []*report.Data{sample(), short(), {}} {
		checkSummary(t, report.Summary(d))
	}
	s := report.Summary(sample())
	for _, want := range []string{"240 functions", "1,284,310 invocations", "ACCEPTED", "/bundle\n", "/report.html\n", "sha256:0d5c1f9e"} {
		if !strings.Contains(s, want) {
			t.Errorf("the summary does not say %q", want)
		}
	}
}

// TestLongSeries makes sure that a fortnight of minutes does not make a page of
// megabytes, and that the thinning keeps the extremes.
func TestLongSeries(t *testing.T) {
	d := &report.Data{Decomposition: &report.Decomposition{Function: "f"}}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 14 * 1440 {
		d.Decomposition.Times = append(d.Decomposition.Times, start.Add(time.Duration(i)*time.Minute))
		y := float64(i % 7)
		if i == 9999 {
			y = 100 // the only value above 6
		}
		d.Decomposition.Observed = append(d.Decomposition.Observed, y)
		d.Decomposition.Trend = append(d.Decomposition.Trend, 3)
	}
	page := render(t, d)
	if len(page) > 120_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	top := 0.0
	for _, m := range regexp.MustCompile(`[ML]([0-9.]+),([0-9.]+)`).FindAllStringSubmatch(svgOf(t, page, "decomposition"), -1) {
		y, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		top = max(top, y)
	}
	_, box, _ := strings.Cut(page, `viewBox="0 0 800 `)
	height, err := strconv.ParseFloat(box[:strings.Index(box, `"`)], 64)
	if err != nil {
		t.Fatal(err)
	}
	if top < height-50 { // the first panel ends 28 below the top, and leaves 6 % of its range
		t.Errorf("the peak is at %g of %g: it was thinned away", top, height)
	}
}

var variable = regexp.MustCompile(`(--[a-z0-9-]+): (#[0-9a-f]{6}|#[0-9a-f]{3});`)

// TestContrast asks of both themes what WCAG 2.1 asks: 4.5 for text, 3 for lines.
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "* {")
	for name, block := range map[string]string{"light": light, "dark": dark} {
		vars := map[string]string{}
		for _, m := range variable.FindAllStringSubmatch(block, -1) {
			vars[m[1]] = m[2]
		}
		for _, c := range []struct {
			front, back string
			least       float64
		}{
			{"--ink", "--paper", 7}, {"--muted", "--paper", 4.5}, {"--muted", "--card", 4.5}, {"--link", "--paper", 4.5}, {"--ink", "--note-bg", 7},
			{"--good", "--good-bg", 4.5}, {"--bad", "--bad-bg", 4.5}, {"--good", "--paper", 4.5}, {"--bad", "--paper", 4.5},
			{"--c-ink", "--card", 7}, {"--c-muted", "--card", 4.5},
			{"--c-1", "--card", 3}, {"--c-2", "--card", 3}, {"--c-3", "--card", 3}, {"--c-4", "--card", 3},
			{"--c-5", "--card", 3}, {"--c-6", "--card", 3}, {"--c-7", "--card", 3}, {"--c-8", "--card", 3},
		} {
			a, b := luminance(t, vars[c.front]), luminance(t, vars[c.back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < c.least {
				t.Errorf("%s: contrast of %s on %s is %.2f, want at least %g", name, c.front, c.back, ratio, c.least)
			}
		}
		if name == "light" { // the fallbacks in the SVG are the light theme
			for _, m := range regexp.MustCompile(`var\((--[a-z0-9-]+),(#[0-9a-f]{6})\)`).FindAllStringSubmatch(render(t, sample()), -1) {
				if vars[m[1]] != m[2] {
					t.Fatalf("the fallback of %s is %s, the style sheet says %s", m[1], m[2], vars[m[1]])
				}
			}
		}
	}
}

// luminance is the relative luminance of WCAG 2.1.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var c [3]uint8
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &c[0], &c[1], &c[2]); err != nil {
		t.Fatalf("colour %q: %v", hex, err)
	}
	sum := 0.0
	for i, w := range []float64{0.2126, 0.7152, 0.0722} {
		x := float64(c[i]) / 255
		if x <= 0.04045 {
			x /= 12.92
		} else {
			x = math.Pow((x+0.055)/1.055, 2.4)
		}
		sum += w * x
	}
	return sum
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"forecast":{"times":["2026-01-01T00:00:00Z","2026-01-01T00:01:00Z"],"mean":[1,null],"level":0.9}}`))
	f.Add([]byte(`{"policies":{"policies":[{"name":"incendio","warm":1,"cold":1,"wasted_gb_s":2,"cdf":[{"latency_ms":1,"share":0},{"latency_ms":2,"share":1}]}]}}`))
	f.Add([]byte(`{"agents":{"clusters":[{"cluster":"a","runs":[{"return":[1,2],"loss":[0,1e-3]}]}]},"importance":{"features":[{"feature":"x","gain":1}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := report.Decode(bytes.NewReader(b))
		if err != nil {
			return
		}
		checkPage(t, render(t, d))
		checkSummary(t, report.Summary(d))
	})
}
