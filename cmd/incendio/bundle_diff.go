package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/compare"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A diffReport is what `bundle diff --json` prints.
type diffReport struct {
	*compare.Difference

	On *validate.Comparison `json:"on,omitempty"`
}

func (a *app) bundleDiff(cmd *cobra.Command, r *shelf, arg []string) error {
	p, err := a.policy(r)
	if err != nil {
		return err
	}
	var two [2]*replay.Subject
	for i := range two {
		if two[i], err = replay.OpenReference(r.Registry, arg[i], p); err != nil {
			return err
		}
	}
	side := func(s *replay.Subject) compare.Side { return compare.Side{Bundle: s.Bundle, Models: s.Models} }
	var d diffReport
	if d.Difference, err = compare.Bundles(side(two[0]), side(two[1])); err != nil {
		return err
	}
	if cmd.Flags().Changed("on") {
		if d.On, err = a.beside(cmd, r, two); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(d)
	}
	return d.write(a.out)
}

// beside evaluates both bundles on the test part of the trace that was asked for.
func (a *app) beside(cmd *cobra.Command, r *shelf, two [2]*replay.Subject) (*validate.Comparison, error) {
	env, err := a.env(r.cfg)
	if err != nil {
		return nil, err
	}
	trace, err := pipelines.Trace(cmd.Context(), r.cfg)
	if err != nil {
		return nil, err
	}
	splits, err := r.cfg.Windows.Cut(trace, time.Time{})
	if err != nil {
		return nil, err
	}
	judge := validate.Validator{
		Trace: trace, Splits: splits, Window: splits.Test, Forecast: r.cfg.Forecast, Simulation: r.cfg.Simulation,
		Seed: r.cfg.Seed, Workers: env.Workers, Progress: env.Progress,
	}
	return judge.Beside(cmd.Context(), two[0], two[1])
}

// shown is how many functions a line of the table names; JSON has all.
const shown = 5

func (d *diffReport) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tA\tB")
	row := func(name, x, y string) { fmt.Fprintf(w, "%s\t%s\t%s\n", name, printable(x), printable(y)) }
	row("bundle", d.A.Digest[:12], d.B.Digest[:12])
	row("version", d.A.BundleVersion, d.B.BundleVersion)
	row("program", d.A.ProgramVersion, d.B.ProgramVersion)
	row("seed", fmt.Sprint(d.A.Seed), fmt.Sprint(d.B.Seed))
	row("trace", tracesOf(d.A), tracesOf(d.B))
	row("learned from", windowOf(d.A.Window), windowOf(d.B.Window))
	row("what decides", d.A.Decides, d.B.Decides)
	row("sharing of CPU", d.A.Sharing, d.B.Sharing)
	if d.On != nil {
		d.writeFigures(w)
	}
	if d.Equal {
		fmt.Fprintln(w, "\nnothing differs")
		return w.Flush()
	}
	where := "on the same validation part"
	if !d.SamePart {
		where = "each on the validation part of its own: not to be compared"
	}
	fmt.Fprintf(w, "\nin the manifests, %s\tA\tB\tchange\n", where)
	for _, f := range d.Figures {
		change := ""
		if d.SamePart && f.A != nil && f.B != nil {
			change = relative(*f.A, *f.B)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(f.Name), optional(f.A), optional(f.B), change)
	}
	d.writeFunctions(w)
	d.writeEnvironments(w)
	writeChanges(w, "weights", d.Weights)
	fmt.Fprintln(w, "\nsizes in bytes (files)\tA\tB\tchange")
	for _, s := range d.Sizes {
		fmt.Fprintf(w, "%s\t%s (%d)\t%s (%d)\t%s\n", printable(s.Part), grouped(s.ABytes), s.AFiles, grouped(s.BBytes), s.BFiles, relative(float64(s.ABytes), float64(s.BBytes)))
	}
	writeChanges(w, "configuration", d.Configuration)
	return w.Flush()
}

func tracesOf(o compare.Origin) string {
	var names []string
	for _, t := range o.Traces {
		names = append(names, fmt.Sprintf("%s (%.12s)", t.Name, strings.TrimPrefix(t.Digest, "sha256:")))
	}
	return orDash(strings.Join(names, ", "))
}

func windowOf(w bundle.Window) string {
	return strings.TrimSpace(fmt.Sprintf("minutes %d to %d %s", w.From, w.To, strings.TrimSuffix("after "+w.Start, "after ")))
}

// writeFigures prints what both did on the same minutes.
func (d *diffReport) writeFigures(w io.Writer) {
	c := d.On
	fmt.Fprintf(w, "\ntest part of %s, minutes %v\tA\tB\tchange\n", printable(c.Trace), c.Window)
	row := func(name string, x, y float64) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, figure(x), figure(y), relative(x, y))
	}
	x, y := c.Forecasts()
	row("pinball loss, normalised", x.Pinball, y.Pinball)
	row("decision cost of forecasts", x.DecisionCost, y.DecisionCost)
	row("WAPE of forecasts", x.WAPE, y.WAPE)
	row("cost, s per request", c.PlayedA.CostSPerRequest, c.PlayedB.CostSPerRequest)
	row("mean latency, ms", c.PlayedA.MeanLatencyMS, c.PlayedB.MeanLatencyMS)
	row("dropped share", c.PlayedA.DroppedShare, c.PlayedB.DroppedShare)
	var p, q sim.Row
	for _, r := range c.Simulation.Policies {
		switch r.Name {
		case validate.RowA:
			p = r
		case validate.RowB:
			q = r
		}
	}
	row("99th percentile, ms", p.Latency.P99, q.Latency.P99)
	row("cold starts", float64(p.Cold), float64(q.Cold))
	row("idle memory, GBh", p.WastedGBS/3600, q.WastedGBS/3600)
	for _, s := range []struct {
		name    string
		minutes int
	}{{"A", c.SeenA}, {"B", c.SeenB}} {
		if s.minutes > 0 {
			fmt.Fprintf(w, "%s has learned from %s of this part: its figures flatter it\n", s.name, count(s.minutes, "minute"))
		}
	}
}

func (d *diffReport) writeFunctions(w io.Writer) {
	f := d.Functions
	fmt.Fprintf(w, "\nfunctions: %d added, %d gone, %d in both\n", len(f.Added), len(f.Gone), f.Kept)
	for _, part := range []struct {
		word string
		keys []forecast.Key
	}{{"added", f.Added}, {"gone", f.Gone}} {
		if len(part.keys) > 0 {
			fmt.Fprintf(w, "%s\t%s\n", part.word, named(part.keys))
		}
	}
	fmt.Fprintln(w, "\nmodels by the functions they serve\tA\tB\tarrivals/min\twhich")
	same, rate := 0, 0.0
	for _, m := range d.Models {
		if m.Same {
			same, rate = same+len(m.Functions), rate+m.PerMinute
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3g\t%s\n", count(len(m.Functions), "function"), modelOf(m.A), modelOf(m.B), m.PerMinute, named(m.Functions))
	}
	if same > 0 {
		fmt.Fprintf(w, "%s\tthe same\tthe same\t%.3g\n", count(same, "function"), rate)
	}
}

// named lists some functions.
func named(keys []forecast.Key) string {
	var names []string
	for _, k := range keys[:min(len(keys), shown)] {
		names = append(names, printable(shortened(k.String())))
	}
	if rest := len(keys) - shown; rest > 0 {
		names = append(names, fmt.Sprintf("… and %d more", rest))
	}
	return strings.Join(names, ", ")
}

// shortened cuts the parts of a long name: those of public traces are digests.
func shortened(name string) string {
	const long, part = 40, 8
	if utf8.RuneCountInString(name) <= long {
		return name
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if r := []rune(p); len(r) > part+1 {
			parts[i] = string(r[:part]) + "…"
		}
	}
	return strings.Join(parts, "/")
}

func modelOf(m *compare.Model) string {
	if m == nil {
		return "-"
	}
	text := string(m.Class)
	if m.Bytes > 0 {
		text += fmt.Sprintf(", %s bytes", grouped(int64(m.Bytes)))
	}
	for _, head := range []string{"mean", "median"} {
		if v, ok := m.Scores[head]; ok {
			text += fmt.Sprintf(", %s %s", head, figure(v))
		}
	}
	return printable(text)
}

// writeEnvironments says where something else dispatches.
func (d *diffReport) writeEnvironments(w io.Writer) {
	if len(d.Environments) == 0 {
		return
	}
	idle := ""
	if d.A.Decides == d.B.Decides && d.A.Decides == "index" {
		idle = ", which the index in force does not ask"
	}
	fmt.Fprintf(w, "\ndispatching%s\tA\tB\n", idle)
	for _, e := range d.Environments {
		fmt.Fprintf(w, "rate %.3g, load %.3g, memory %.3g, cold %.3g\t%s\t%s\n", e.Values["rate"], e.Values["load"], e.Values["memory"], e.Values["cold"], printable(e.A), printable(e.B))
	}
}

func writeChanges(w io.Writer, title string, changes []bundle.Change) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\tA\tB\tchange\n", title)
	for _, c := range changes {
		change := ""
		var x, y float64
		if json.Unmarshal(c.Old, &x) == nil && json.Unmarshal(c.New, &y) == nil {
			change = relative(x, y)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(c.Key), printable(absent(c.Old)), printable(absent(c.New)), change)
	}
}

// absent shows a value, numbers with as many digits as say something.
func absent(v json.RawMessage) string {
	if len(v) == 0 {
		return "-"
	}
	var x float64
	if json.Unmarshal(v, &x) == nil && v[0] != 'n' {
		return figure(x)
	}
	return string(v)
}

func figure(x float64) string { return fmt.Sprintf("%.5g", x) }

func optional(x *float64) string {
	if x == nil {
		return "-"
	}
	return figure(*x)
}

// relative is the change from x to y in percent of x, empty where that says nothing.
func relative(x, y float64) string {
	if c := 100 * (y - x) / math.Abs(x); x != y && !math.IsNaN(c) && !math.IsInf(c, 0) {
		return fmt.Sprintf("%+.1f %%", c)
	}
	return ""
}
