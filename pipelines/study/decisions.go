package study

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/whole"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/baseline"
)

// A decisionCell is a platform to decide on: a load, as a share of the cores, a factor of the
// memory of the configuration, and what a start takes of the CPU.
type decisionCell struct{ load, memory, startCPU float64 }

var decisionCells = []decisionCell{
	{0.5, 1, 0}, {0.8, 1, 0}, {0.95, 1, 0}, {1.075, 1, 0}, {0.8, 0.5, 0}, {1.075, 0.5, 0}, {0.8, 2, 0},
	{0.8, 1, 0.5}, {1.075, 1, 0.5},
}

func (c decisionCell) String() string {
	s := fmt.Sprintf("load %g, memory x %g", c.load, c.memory)
	if c.startCPU > 0 {
		s += fmt.Sprintf(", %g cores a start", c.startCPU)
	}
	return s
}

// Rows of the matrix: rivals are there as published and, where they have parameters, tuned on
// the training part for the memory of the cell; the rest are references and ours.
var (
	tunedRivals  = []string{"native", "nightcore", "rainbowcake", "spes", "alps"}
	decisionRows = []string{"native", "native-pick", "faascache", "nightcore", "rainbowcake", "spes", "esff", "alps", "srpt", policy.IndexName}
	decisionRuns = []string{"incendio", "incendio-wo-s", "incendio-wo-p"} // of a bundle
)

// decided are the figures of a row over the seeds.
type decided struct {
	Name    string    `json:"name"`
	Mean    []float64 `json:"mean_ms"`
	P99     []float64 `json:"p99_ms"`
	Dropped []float64 `json:"dropped"` // shares
	SLO     []float64 `json:"slo"`     // shares dispatched within 500 ms
}

// decisions is the matrix of what decides: loads, memory and CPU of starts, with rivals that are
// tuned. What was computed is kept in Input.Keep, so that it goes on where it was stopped.
func decisions(ctx context.Context, l *lab) error {
	t, o, err := l.platform()
	if err != nil {
		return err
	}
	one := o
	one.ScaleArrivals = 1
	base, err := sim.OfferedLoad(ctx, t, one)
	if err != nil {
		return err
	}
	splits := datasets.Split(t.Span)
	names := l.known(append(append([]string{}, decisionRows...), decisionRuns...)...)
	matrix := Table{Columns: []Column{{"policy", "mean, as a share of native's", ""}}}
	shares := map[string][]any{}
	var order []string
	for k, c := range decisionCells {
		oc := o
		oc.Cluster.MemoryMB = max(int(c.memory*float64(o.Cluster.MemoryMB)), largestMB(t))
		oc.Cluster.StartCPU = c.startCPU
		oc.ScaleArrivals = c.load / base
		rows, err := l.decide(ctx, t, oc, splits, names)
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		l.say("Cell %d is %v: --scale-arrivals %.4f --memory-mb %d --start-cpu %g.", k+1, c, oc.ScaleArrivals, oc.Cluster.MemoryMB, c.startCPU)
		table := Table{Columns: []Column{
			{"policy", c.String(), ""}, {"mean_ms", "mean ms", "%.0f"}, {"mean_half", "±", "%.0f"}, {"over_native", "native's mean over it", "%.2f"}, {"over_half", "±", "%.2f"},
			{"p99_s", "p99 s", "%.1f"}, {"dropped", "dropped %", "%.4f"}, {"slo", "within 500 ms %", "%.2f"},
		}}
		native := rows[0].Mean
		for _, r := range rows {
			mean, half := interval(r.Mean)
			ratio, ratioHalf := ratioOfMeans(native, r.Mean)
			p99, _ := interval(r.P99)
			dropped, _ := interval(r.Dropped)
			slo, _ := interval(r.SLO)
			table.add(r.Name, mean, half, ratio, ratioHalf, p99/1000, 100*dropped, 100*slo)
			// Tuned rows are called by their name alone in the matrix: numbers differ by cell.
			name, _, tuned := strings.Cut(r.Name, ":")
			if tuned {
				name += " (tuned)"
			}
			if len(shares[name]) == 0 {
				order = append(order, name)
			}
			for len(shares[name]) < k {
				shares[name] = append(shares[name], nil)
			}
			shares[name] = append(shares[name], 1/ratio)
		}
		l.table(table)
		matrix.Columns = append(matrix.Columns, Column{fmt.Sprintf("cell_%d", k+1), fmt.Sprintf("%g, x%g, %g", c.load, c.memory, c.startCPU), "%.3f"})
	}
	for _, name := range order {
		cells := []any{name}
		for k := range decisionCells {
			if k < len(shares[name]) {
				cells = append(cells, shares[name][k])
			} else {
				cells = append(cells, nil)
			}
		}
		matrix.add(cells...)
	}
	l.out.Tables = append([]Table{matrix}, l.out.Tables...)
	return nil
}

// decide replays the rows of a cell, native first.
func (l *lab) decide(ctx context.Context, t *datasets.Trace, o sim.Options, splits datasets.Splits, names []string) ([]decided, error) {
	names = append([]string{}, names...)
	for _, name := range tunedRivals {
		var spec string
		plain := o
		plain.Window, plain.ScaleArrivals = datasets.Window{}, 1
		err := l.kept([]any{"tuned", t.Digest, name, plain, splits, l.Seed}, &spec, func() error {
			r, err := baseline.Tune(ctx, t, name, splits, plain, baseline.DefaultOptions(), train.Resources{Seed: l.Seed, Workers: l.Workers, Recorder: train.Discard})
			if err == nil {
				spec = r.Spec
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		names = append(names, spec)
	}
	digest := ""
	if l.Subject != nil {
		digest = l.Subject.Bundle.Digest()
	}
	rows := make([]decided, len(names))
	for i := range rows {
		rows[i].Name = names[i]
	}
	for k := range l.Seeds {
		o.Seed = l.Seed + uint64(k)
		var figures []decided
		err := l.kept([]any{"cell", t.Digest, digest, o, names}, &figures, func() error {
			policies, err := replay.Policies(ctx, names, o, l.Subject)
			if err != nil {
				return err
			}
			rep, err := sim.Compare(ctx, t, policies, o, l.Workers)
			if err != nil {
				return err
			}
			figures = nil
			for i := range names {
				r := &rep.Policies[i]
				figures = append(figures, decided{r.Name, []float64{r.Latency.Mean}, []float64{r.Latency.P99},
					[]float64{float64(r.Dropped) / float64(rep.Requests)}, []float64{r.SLODispatch.Within500}})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for i, f := range figures {
			rows[i].Mean, rows[i].P99 = append(rows[i].Mean, f.Mean...), append(rows[i].P99, f.P99...)
			rows[i].Dropped, rows[i].SLO = append(rows[i].Dropped, f.Dropped...), append(rows[i].SLO, f.SLO...)
		}
	}
	return rows, nil
}

// kept reads to from what was computed under key before, or computes it and keeps it.
func (l *lab) kept(key, to any, compute func() error) error {
	if l.Keep == "" {
		return compute()
	}
	data, err := json.Marshal(key)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	file := filepath.Join(l.Keep, hex.EncodeToString(sum[:12])+".json")
	switch data, err := os.ReadFile(file); {
	case err == nil:
		if err := json.Unmarshal(data, to); err != nil {
			return fmt.Errorf("%s: %w: remove it to compute it again", file, err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := compute(); err != nil {
		return err
	}
	if data, err = json.Marshal(to); err != nil {
		return err
	}
	if err := os.MkdirAll(l.Keep, 0o755); err != nil {
		return err
	}
	return whole.Write(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// largestMB is the memory that an invoker needs for any function.
func largestMB(t *datasets.Trace) int {
	var most int64
	for i := range t.Functions {
		most = max(most, t.Functions[i].Memory)
	}
	return int((most + 1<<20 - 1) >> 20)
}

// interval is the mean and half of its 95 % interval, 0 of a single value.
func interval(x []float64) (mean, half float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if len(x) < 2 {
		return mean, 0
	}
	square := 0.0
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	return mean, student(len(x)-1) * math.Sqrt(square/float64(len(x)-1)/float64(len(x)))
}

// ratioOfMeans is mean(a)/mean(b) of paired values, and half of its interval by the delta method.
func ratioOfMeans(a, b []float64) (ratio, half float64) {
	ma, _ := interval(a)
	mb, _ := interval(b)
	ratio = ma / mb
	residual := make([]float64, len(a))
	for i := range a {
		residual[i] = (a[i] - ratio*b[i]) / mb
	}
	_, half = interval(residual)
	return ratio, half
}

// student is the 97.5 % quantile of Student's distribution.
func student(degrees int) float64 {
	table := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}
	if degrees <= len(table) {
		return table[degrees-1]
	}
	return 1.96 + 2.4/float64(degrees) // within 0.3 % from 11 on
}
