package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/chains"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// chaining is what the flags of simulate say about chains of functions.
type chaining struct {
	file string
	plan chains.Plan
	cold float64
}

func (c *chaining) flags(f *pflag.FlagSet) {
	f.StringVar(&c.file, "chains", "", "`file` of chains, functions of which each invokes the next, as JSON")
	f.BoolVar(&c.plan.Fuse, "fuse", false, "make one function of adjacent stages of a chain (after WISEFUSE)")
	f.BoolVar(&c.plan.Bundle, "bundle-stages", false, "run the parallel invocations of a stage in one container (after WISEFUSE)")
	f.Float64Var(&c.cold, "chain-cold", 0, "probability of a cold start in the model of the latency of chains")
}

func (c *chaining) validate() error {
	if !(c.cold >= 0 && c.cold <= 1) {
		return fmt.Errorf("--chain-cold must be in [0, 1], got %g", c.cold)
	}
	return nil
}

// A chainRow is what `simulate --chains` says of a chain.
type chainRow struct {
	Name     string        `json:"name"`
	Stages   int           `json:"stages"`
	Requests int64         `json:"requests"` // found in the whole trace
	Plain    chainLatency  `json:"plain"`
	Planned  *chainLatency `json:"planned,omitempty"` // with --fuse, --bundle-stages or both
}

// chainLatency is by the model of package chains, in which nobody waits.
type chainLatency struct {
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
}

// apply returns the trace with its chains as planned, and a row for each.
func (c *chaining) apply(ctx context.Context, t *datasets.Trace) (*datasets.Trace, []chainRow, error) {
	if c.file == "" {
		return t, nil, nil
	}
	file, err := os.Open(c.file)
	if err != nil {
		return nil, nil, usage(err)
	}
	defer file.Close()
	all, err := chains.Read(file, t)
	if err != nil {
		return nil, nil, usage(fmt.Errorf("%s: %w", c.file, err))
	}
	found, err := chains.Requests(ctx, t, all)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]chainRow, len(all))
	for i := range all {
		latency := func(p chains.Plan) chainLatency {
			d := all[i].Latency(t.Functions, p, c.cold)
			at := func(u float64) float64 { return 1000 * d.Quantile(u).Seconds() }
			return chainLatency{1000 * d.Mean().Seconds(), at(0.5), at(0.95), at(0.99)}
		}
		rows[i] = chainRow{Name: all[i].Name, Stages: len(all[i].Stages), Requests: found[i], Plain: latency(chains.Plan{})}
		if c.plan != (chains.Plan{}) {
			planned := latency(c.plan)
			rows[i].Planned = &planned
		}
	}
	if c.plan == (chains.Plan{}) {
		return t, rows, nil
	}
	return chains.Apply(t, all, c.plan), rows, nil
}

// printChains prints a report with the rows of the chains, where there are any.
func (a *app) printChains(rep *sim.Report, rows []chainRow) error {
	if a.json {
		if rows == nil {
			return a.print(rep)
		}
		return a.print(struct {
			*sim.Report
			Chains []chainRow `json:"chains"`
		}{rep, rows})
	}
	err := a.printPolicies(rep)
	if rows == nil {
		return err
	}
	fmt.Fprintln(a.out, "\nchains, by the model of their latency:")
	w := tabwriter.NewWriter(a.out, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "chain\tstages\trequests\tmean ms\tp95\tplanned\tp95\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t", r.Name, r.Stages, r.Requests, ms(r.Plain.Mean), ms(r.Plain.P95))
		if r.Planned != nil {
			fmt.Fprintf(w, "%s\t%s", ms(r.Planned.Mean), ms(r.Planned.P95))
		} else {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprintln(w, "\t")
	}
	return errors.Join(err, w.Flush())
}
