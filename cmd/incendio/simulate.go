package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// comparison is what the flags of simulate ask for beyond the configuration.
type comparison struct {
	policies []string
	preset   string
	seeds    int
	sweep    string
	tables   bool
	out      string

	timeout     string
	queueLimit  int
	concurrency int
	arrivals    string
	unit        string
	shape       sim.Shape
	samples     string // a file
	chaining    chaining
	load        float64
	faults      string
	retries     int
}

func (s *comparison) flags(f *pflag.FlagSet) {
	o := sim.DefaultOptions()
	s.shape = sim.DefaultShape()
	f.StringSliceVar(&s.policies, "policy", []string{allPolicies}, "policies to replay under, with parameters as in native:keep_alive_s=60; or all; or list, to say which there are")
	f.StringVar(&s.preset, "preset", presets[0].name, "`name` of a cluster, which other flags can change: "+presetHelp())
	f.IntVar(&s.seeds, "seeds", 1, "how many seeds to compare under, from --seed on; over_seeds then has means with 95 % intervals")
	f.StringVar(&s.sweep, "sweep", "", "compare at several `values` of a parameter, as in memory=1024,2048: "+strings.Join(sim.SweepParameters(), ", "))
	f.Float64Var(&s.load, "load", 0, "scale the arrivals to this `load`: the work that is asked for over what the cluster can do")
	f.BoolVar(&s.tables, "tables", false, "add figures by function, by application and by minute to the JSON")
	f.StringVar(&s.out, "out", "", "`folder` for the tables as CSV files, the figures as SVG and a page with both")
	f.StringVar(&s.timeout, "timeout", "", "`duration` after which a request that still waits is dropped (default 60s)")
	f.StringVar(&s.faults, "faults", "", "what fails: `RATES` as in crash=0.01,start=0.02,invoker=0.1, the probability that an execution crashes its container, that a container fails to start, and losses of an invoker per hour")
	f.IntVar(&s.retries, "retries", 2, "of --faults: how often a request whose container failed is tried again, at most 255")
	f.IntVar(&s.queueLimit, "queue-limit", o.Scheduler.QueueLimit, "requests of a function that may wait; 0: no limit")
	f.IntVar(&s.concurrency, "concurrency", o.Scheduler.Concurrency, "requests that a container executes at once; they share its CPU")
	f.StringVar(&s.arrivals, "arrivals", o.Arrivals, "inside a minute of counts: uniform, poisson, equidistant or start")
	f.StringVar(&s.unit, "unit", o.Unit, "what a container belongs to: function or app")
	f.StringVar(&s.shape.Sizes, "sizes", s.shape.Sizes, "memory and CPU of functions: trace, or paper for those of Incendio at random")
	f.StringVar(&s.shape.StartCost, "start-cost", s.shape.StartCost, "initialisation: trace, constant, per-mb, lognormal, empirical or memento")
	f.Float64Var(&s.shape.MementoSpeedup, "memento-speedup", s.shape.MementoSpeedup, "of memento: by what the start costs of the trace are divided; published for executions are 1.08 to 1.28")
	f.Float64Var(&s.shape.StartMS, "start-ms", s.shape.StartMS, "of constant, per-mb and lognormal, in ms")
	f.Float64Var(&s.shape.StartMSPerMB, "start-ms-per-mb", s.shape.StartMSPerMB, "of per-mb and lognormal, in ms per 2^20 bytes of memory")
	f.Float64Var(&s.shape.StartSigma, "start-sigma", s.shape.StartSigma, "of lognormal: standard deviation of the logarithm")
	s.chaining.flags(f)
	f.StringVar(&s.samples, "start-file", "", "of empirical: `file` with a measured time in ms per line")
	f.Float64Var(&s.shape.TerminationShare, "termination-share", s.shape.TerminationShare, "termination over initialisation, where --start-cost sets that")
}

// presets are the clusters that a study can begin with.
var presets = []struct {
	name, doc string
	cluster   func(c *sim.Cluster)
	sizes     string
}{
	{"trace", "that of the configuration", nil, sim.TraceSizes},
	{"paper", "15 invokers of 8 cores and 64 GB, half a core for every start, memory and CPU of functions at random (Incendio, Section VIII-A)", func(c *sim.Cluster) {
		c.Invokers, c.Cores, c.MemoryMB, c.StartCPU = 15, 8, 64<<10, 0.5
	}, sim.PaperSizes},
	{"edge", "3 invokers of 4 cores and 4 GB, an edge site as LaSS has in mind", func(c *sim.Cluster) {
		c.Invokers, c.Cores, c.MemoryMB = 3, 4, 4<<10
	}, sim.TraceSizes},
}

func presetHelp() string {
	var parts []string
	for _, p := range presets {
		parts = append(parts, p.name+" ("+p.doc+")")
	}
	return strings.Join(parts, ", ")
}

// apply sets what the flags say in the options of a comparison and in the shape.
func (s *comparison) apply(f *pflag.FlagSet, o *sim.Options) error {
	i := slices.IndexFunc(presets, func(p struct {
		name, doc string
		cluster   func(c *sim.Cluster)
		sizes     string
	}) bool {
		return p.name == s.preset
	})
	if i < 0 {
		return fmt.Errorf("--preset must be one of %s, got %q", presetHelp(), s.preset)
	}
	if p := presets[i]; p.cluster != nil {
		c := o.Cluster
		p.cluster(&c)
		for flag, keep := range map[string]func(){
			"invokers": func() { c.Invokers = o.Cluster.Invokers }, "cores": func() { c.Cores = o.Cluster.Cores }, "memory-mb": func() { c.MemoryMB = o.Cluster.MemoryMB },
			"start-cpu": func() { c.StartCPU = o.Cluster.StartCPU },
		} {
			if f.Changed(flag) {
				keep()
			}
		}
		o.Cluster = c
		if !f.Changed("sizes") {
			s.shape.Sizes = p.sizes
		}
	}
	if f.Changed("timeout") {
		d, err := decideDuration(s.timeout)
		if err != nil {
			return fmt.Errorf("--timeout %w", err)
		}
		o.Scheduler.Timeout = d
	}
	if f.Changed("queue-limit") {
		o.Scheduler.QueueLimit = s.queueLimit
	}
	if f.Changed("concurrency") {
		o.Scheduler.Concurrency = s.concurrency
	}
	o.Arrivals, o.Unit = s.arrivals, s.unit
	switch {
	case s.samples != "" && s.shape.StartCost != sim.EmpiricalCost:
		return fmt.Errorf("--start-file is for --start-cost %s", sim.EmpiricalCost)
	case s.samples == "" && s.shape.StartCost == sim.EmpiricalCost:
		return fmt.Errorf("--start-cost %s needs --start-file", sim.EmpiricalCost)
	case f.Changed("load") && !(s.load > 0 && s.load <= 1000):
		return fmt.Errorf("--load must be in (0, 1000], got %g", s.load)
	case f.Changed("load") && f.Changed("scale-arrivals"):
		return errors.New("--load and --scale-arrivals both scale the arrivals")
	case s.seeds < 1:
		return fmt.Errorf("--seeds must be at least 1, got %d", s.seeds)
	}
	if s.samples != "" {
		var err error
		if s.shape.StartSamplesMS, err = readSamples(s.samples); err != nil {
			return err
		}
	}
	if s.faults != "" {
		var err error
		if o.Faults, err = sim.ParseFaults(s.faults); err != nil {
			return err
		}
		o.Scheduler.Retries = s.retries
	} else if f.Changed("retries") {
		return errors.New("--retries needs --faults")
	}
	return errors.Join(s.chaining.validate(), o.Validate(), s.shape.Validate())
}

// decideDuration reads a duration like 90s.
func decideDuration(text string) (decide.Time, error) {
	v, err := parse(durationType, "", text) // "" is the key, which the caller names
	if err != nil {
		return 0, errors.New(strings.TrimSpace(err.Error()))
	}
	return decide.FromDuration(v.(time.Duration)), nil
}

// readSamples reads a number per line; empty lines and those that begin with # are left out.
func readSamples(name string) ([]float64, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var out []float64
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: must be a time in ms, got %q", name, n, text)
		}
		out = append(out, v)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return out, nil
}

func (a *app) simulateCommand() *cobra.Command {
	var s comparison
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Replay a trace under policies",
		Long:  "Replay a trace under policies.\n\n" + policyHelp(),
		Args:  args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.simulate(cmd.Context(), cmd.Flags(), &s) },
	}
	commonFlags(c.Flags(), "store", "registry", "trace", "seed", "workers", "cluster")
	windowFlags(c.Flags(), false)
	s.flags(c.Flags())
	return c
}

func (a *app) simulate(ctx context.Context, f *pflag.FlagSet, s *comparison) error {
	if err := distinct(s.policies); err != nil {
		return usage(err)
	}
	if s.policies[0] == listPolicies {
		return a.listOfPolicies()
	}
	sc, err := a.scene(ctx, f, datasets.AllWindow)
	if err != nil {
		return err
	}
	o := sc.cfg.Simulation.Options(sc.window, sc.cfg.Seed)
	if err := s.apply(f, &o); err != nil {
		return usage(err)
	}
	if s.unit == sim.PerApp && sc.subject != nil {
		return usage(fmt.Errorf("--unit %s: the models of a bundle know functions, not applications", sim.PerApp))
	}
	if sc.subject != nil {
		o.Slices = sc.subject.Models.Slices
	}
	policies := func(rnd uint64) ([]sim.Contender, error) {
		out, err := replay.Policies(ctx, s.policies, sc.cfg.Simulation.Options(sc.window, rnd), sc.subject)
		if o.Scheduler.Concurrency > 1 && slices.Contains(s.policies, allPolicies) {
			// Requests that share a container share its CPU: no other discipline is for them.
			out = slices.DeleteFunc(out, func(p sim.Contender) bool { return p.Sharing != "" && p.Sharing != sim.PS })
		}
		return out, err
	}
	if _, err := policies(o.Seed); err != nil {
		return usage(err)
	}
	trace, err := s.shape.Apply(sc.trace, o.Seed)
	if err != nil {
		return err
	}
	trace, chainRows, err := s.chaining.apply(ctx, trace)
	if err != nil {
		return err
	}
	compare := func(ctx context.Context, o sim.Options, workers int) (*sim.Report, error) {
		rep, err := sim.CompareSeeds(ctx, trace, policies, o, s.seeds, workers)
		if err == nil && sc.flattered != "" {
			rep.Notes = []string{sc.flattered}
		}
		if err == nil && (s.tables || s.out != "") {
			rep.AddTables()
		}
		return rep, err
	}
	var sweep sim.Sweep
	if s.sweep != "" {
		if sweep, err = sim.ParseSweep(s.sweep); err == nil {
			sweep.Base = 1 // a load is checked as a scale would be
			err = sweep.Validate(o)
		}
		if err == nil && f.Changed("load") && (sweep.Parameter == sim.LoadParameter || sweep.Parameter == "scale") {
			err = fmt.Errorf("--load and --sweep %s both scale the arrivals", sweep.Parameter)
		}
		if err != nil {
			return usage(err)
		}
	}
	if f.Changed("load") || sweep.Parameter == sim.LoadParameter {
		one := o
		one.ScaleArrivals = 1
		if sweep.Base, err = sim.OfferedLoad(ctx, trace, one); err != nil {
			return err
		}
		if f.Changed("load") {
			o.ScaleArrivals = s.load / sweep.Base
		}
	}
	bar := sc.env.Progress.Begin("simulate", 0)
	defer bar.End()
	if s.sweep != "" {
		rep, err := sweep.Run(ctx, o, sc.env.Workers, compare)
		if err != nil {
			return err
		}
		return a.printSweep(rep, s, sc.windowName)
	}
	rep, err := compare(ctx, o, sc.env.Workers)
	if err != nil {
		return err
	}
	if err := s.write(&sim.SweepReport{Points: []sim.Point{{Report: rep}}}, sc.windowName); err != nil {
		return err
	}
	return a.printChains(rep, chainRows)
}

func (a *app) printSweep(rep *sim.SweepReport, s *comparison, window string) error {
	if err := s.write(rep, window); err != nil {
		return err
	}
	if a.json {
		return a.print(rep)
	}
	for i, p := range rep.Points {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s %g: ", rep.Parameter, p.Value)
		if err := a.printPolicies(p.Report); err != nil {
			return err
		}
	}
	if len(rep.Pareto) == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "\nover all values of %s nothing beats, in cold starts with drops and in idle memory:\n", rep.Parameter)
	w := tabwriter.NewWriter(a.out, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "policy\t%s\tcold\tdrop\tidle GBh\t\n", rep.Parameter)
	for _, p := range rep.Pareto {
		fmt.Fprintf(w, "%s\t%g\t%d\t%d\t%.4g\t\n", printable(p.Policy), p.Value, p.Cold, p.Dropped, p.WastedGBS/3600)
	}
	return w.Flush()
}

// write writes the CSV files of a study into its folder, and takes the tables that
// nobody asked for out of the report.
func (s *comparison) write(rep *sim.SweepReport, window string) error {
	if s.out == "" {
		return nil
	}
	if err := os.MkdirAll(s.out, 0o777); err != nil {
		return err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	whole := func(v ...int64) (out []string) {
		for _, x := range v {
			out = append(out, strconv.FormatInt(x, 10))
		}
		return out
	}
	outcome := func(f *sim.FunctionResult) []string {
		return whole(f.Warm, f.Cold, f.DelayedWarm, f.Dropped, int64(f.Latency), int64(f.Wait), int64(f.Work))
	}
	lead := []string{"policy"}
	if rep.Parameter != "" {
		lead = []string{rep.Parameter, "policy"}
	}
	sums := []string{"warm", "cold", "delayed_warm", "dropped", "latency_us", "wait_us", "work_us"}
	figures := [][]string{slices.Concat(lead, []string{"warm", "cold", "delayed_warm", "dropped", "mean_ms", "p25_ms", "p50_ms", "p75_ms", "p95_ms", "p99_ms",
		"speedup_vs_native", "latency_benefit_s", "wasted_gb_s", "rum", "jain"})}
	functions := [][]string{slices.Concat(lead, []string{"owner", "app", "name"}, sums)}
	apps := [][]string{slices.Concat(lead, []string{"owner", "app", "functions"}, sums)}
	minutes := [][]string{slices.Concat(lead, []string{"minute", "live_gb", "wasted_gb", "waiting", "cold_starts"})}
	for _, point := range rep.Points {
		for i := range point.Report.Policies {
			p := &point.Report.Policies[i]
			lead := []string{p.Name}
			if rep.Parameter != "" {
				lead = []string{number(point.Value), p.Name}
			}
			l := p.Latency
			figures = append(figures, slices.Concat(lead, whole(p.Warm, p.Cold, p.DelayedWarm, p.Dropped), []string{number(l.Mean), number(l.P25), number(l.P50),
				number(l.P75), number(l.P95), number(l.P99), number(p.SpeedupVsNative), number(p.LatencyBenefitS), number(p.WastedGBS), number(p.RUM), number(p.Jain)}))
			t := p.Tables
			if t == nil {
				continue
			}
			for k := range t.Functions {
				f := &t.Functions[k]
				functions = append(functions, slices.Concat(lead, []string{f.Owner, f.App, f.Name}, outcome(&f.FunctionResult)))
			}
			for k := range t.Apps {
				f := &t.Apps[k]
				apps = append(apps, slices.Concat(lead, []string{f.Owner, f.App, strconv.Itoa(f.Functions)}, outcome(&f.FunctionResult)))
			}
			for _, m := range t.Minutes {
				minutes = append(minutes, slices.Concat(lead, []string{strconv.Itoa(m.Minute), number(m.LiveGB), number(m.WastedGB), number(m.Waiting), strconv.FormatInt(m.ColdStarts, 10)}))
			}
			if !s.tables {
				p.Tables = nil
			}
		}
	}
	if err := s.draw(rep, window); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		rows [][]string
	}{{"policies.csv", figures}, {"functions.csv", functions}, {"apps.csv", apps}, {"minutes.csv", minutes}} {
		if err := writeCSV(filepath.Join(s.out, f.name), f.rows); err != nil {
			return err
		}
	}
	return nil
}

func writeCSV(name string, rows [][]string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	if err = w.WriteAll(rows); err != nil {
		err = fmt.Errorf("write %s: %w", name, err)
	}
	return errors.Join(err, file.Close())
}

func (a *app) printPolicies(r *sim.Report) error {
	fmt.Fprintf(a.out, "%s in minutes %v of %s,\non %s x %g cores x %d MB, load %.2f\n", count(r.Requests, "request"), r.Window, printable(labelled(r.Trace, r.Label)),
		count(r.Cluster.Invokers, "invoker"), r.Cluster.Cores, r.Cluster.MemoryMB, r.Load)
	w := tabwriter.NewWriter(a.out, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "policy\twarm\tcold\tdelayed\tdrop\tmean ms\tp50\tp99\tspeed\tidle GBh\tRUM\tfront\t")
	for _, p := range r.Policies {
		if p.Kind == sim.KindBound {
			fmt.Fprintf(w, "%s\t\t\t\t\t%s\t\t\t%.3f\t\t\t\t\n", printable(p.Name), ms(p.Latency.Mean), p.SpeedupVsNative)
			continue
		}
		front := ""
		if slices.Contains(r.Pareto, p.Name) {
			front = "*"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%.3f\t%.4g\t%.0f\t%s\t\n", printable(p.Name), p.Warm, p.Cold, p.DelayedWarm, p.Dropped,
			ms(p.Latency.Mean), ms(p.Latency.P50), ms(p.Latency.P99), p.SpeedupVsNative, p.WastedGBS/3600, p.RUM, front)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(a.out, "- %s\n", n)
	}
	return nil
}

// ms is a latency with as many digits as say something.
func ms(x float64) string {
	if x >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// distinct refuses a list of policies that is empty or names one twice.
func distinct(policies []string) error {
	if len(policies) == 0 {
		return errors.New("--policy names no policy")
	}
	for i, p := range policies {
		switch {
		case (p == allPolicies || p == listPolicies) && len(policies) > 1:
			return fmt.Errorf("--policy %s: %s stands alone", strings.Join(policies, ","), p)
		case slices.Contains(policies[:i], p):
			return fmt.Errorf("--policy %s: %s stands there twice", strings.Join(policies, ","), p)
		}
	}
	return nil
}
