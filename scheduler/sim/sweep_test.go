package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestSweepAndSeeds: the same bytes with any number of workers, a point is what a
// comparison of its own says, and the mean over seeds is that of their reports.
func TestSweepAndSeeds(t *testing.T) {
	ctx := context.Background()
	tr := mixed(8, 4, 300, 3)
	o := options(datasets.Window{From: 1, To: 4})
	policies := func(rnd uint64) ([]sim.Contender, error) {
		random, err := sim.Baseline("random", rnd)
		return []sim.Contender{baseline(t, "native"), random}, err
	}
	sweep, err := sim.ParseSweep("memory=512,2048")
	if err != nil {
		t.Fatal(err)
	}
	run := func(workers int) (*sim.SweepReport, []byte) {
		rep, err := sweep.Run(ctx, o, workers, func(ctx context.Context, o sim.Options, workers int) (*sim.Report, error) {
			return sim.CompareSeeds(ctx, tr, policies, o, 3, workers)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range rep.Points {
			p.Report.AddTables()
			encode(t, p.Report) // takes the times out
		}
		b, err := json.Marshal(rep)
		if err != nil {
			t.Fatal(err)
		}
		return rep, b
	}
	rep, want := run(1)
	if _, got := run(5); !bytes.Equal(got, want) {
		t.Errorf("5 workers: %s\n1 worker: %s", got, want)
	}
	if a, b := rep.Points[0].Report.Policies[0], rep.Points[1].Report.Policies[0]; a.Latency == b.Latency {
		t.Error("four times the memory changes nothing")
	}

	var sum, least, most float64
	for k := range 3 {
		o := o
		o.Seed += uint64(k)
		o.Cluster.MemoryMB = 512
		rows, err := policies(o.Seed)
		if err != nil {
			t.Fatal(err)
		}
		one, err := sim.Compare(ctx, tr, rows, o, 1)
		if err != nil {
			t.Fatal(err)
		}
		v := one.Policies[1].Latency.Mean
		sum += v
		if k == 0 || v < least {
			least = v
		}
		most = max(most, v)
	}
	e := rep.Points[0].Report.Policies[1].OverSeeds.Latency.Mean
	if e.Mean != sum/3 {
		t.Errorf("mean over seeds %+v, want %g", e, sum/3)
	}
	// With three values all of the same one are drawn once in 27 times: the interval is
	// that of the values.
	if e.CI95 != [2]float64{least, most} {
		t.Errorf("interval %v, want [%g, %g]", e.CI95, least, most)
	}

	tables := rep.Points[0].Report.Policies[0].Tables
	var n int64
	for _, f := range tables.Functions {
		n += f.Requests()
	}
	var apps, cold int64
	for _, a := range tables.Apps {
		apps += a.Requests()
	}
	for _, m := range tables.Minutes {
		cold += m.ColdStarts
	}
	row := rep.Points[0].Report.Policies[0]
	if n != rep.Points[0].Report.Requests || apps != n || cold != row.Cold || len(tables.Minutes) != 3 || len(tables.Apps) != 3 {
		t.Errorf("tables of %d and %d requests, %d cold starts; %d and %d", n, apps, cold, rep.Points[0].Report.Requests, row.Cold)
	}
	if !(row.Jain > 0 && row.Jain <= 1) {
		t.Errorf("Jain's index is %g", row.Jain)
	}
}

func TestParseSweep(t *testing.T) {
	for text, want := range map[string]string{
		"memory":         "must be PARAMETER=VALUE",
		"disk=1":         "cores, invokers, load, memory",
		"memory=":        "must have two values of memory or more, as in memory=1,2, got 0",
		"memory=512":     "must have two values of memory or more, as in memory=1,2, got 1",
		"memory=512,":    `"" is no number`,
		"memory=1,x":     `"x" is no number`,
		"memory=1.5":     "whole number",
		"memory=1,2,1":   "twice",
		"scale=NaN":      "no number",
		"invokers=99e99": "whole number",
	} {
		if _, err := sim.ParseSweep(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	s, err := sim.ParseSweep("cores=4,0")
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	_, err = s.Run(context.Background(), sim.DefaultOptions(), 1, func(context.Context, sim.Options, int) (*sim.Report, error) {
		ran = true
		return nil, nil
	})
	if ran || err == nil || !strings.Contains(err.Error(), "cores=0: sim: cores must be in") {
		t.Errorf("no cores: %v, ran %v", err, ran)
	}
}

// TestPaired: every seed's results are those of runs of their own, and their minutes add up to them.
func TestPaired(t *testing.T) {
	ctx := context.Background()
	tr := mixed(8, 4, 300, 3)
	o := options(datasets.Window{From: 1, To: 4})
	o.Cluster.MemoryMB = 512
	policies := func(rnd uint64) ([]sim.Contender, error) {
		random, err := sim.Baseline("random", rnd)
		return []sim.Contender{baseline(t, "native"), random}, err
	}
	got, err := sim.Paired(ctx, tr, policies, o, 3, 2)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d seeds, %v", len(got), err)
	}
	for k, results := range got {
		o := o
		o.Seed += uint64(k)
		rows, err := policies(o.Seed)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := sim.Compare(ctx, tr, rows, o, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			want := rep.Results[i]
			if r.Name != want.Name || r.LatencySum != want.LatencySum || r.Cold != want.Cold || r.WastedGBS != want.WastedGBS {
				t.Errorf("seed %d: %s has latency %v and %d cold starts, a run of its own %v and %d", o.Seed, r.Name, r.LatencySum, r.Cold, want.LatencySum, want.Cold)
			}
			var sum sim.MinuteSums
			cost := 0.0
			for _, m := range r.Minutes {
				sum.Requests += m.Requests
				sum.Dropped += m.Dropped
				sum.Latency += m.Latency
				sum.WastedGBS += m.WastedGBS
				cost += m.CostS()
			}
			if len(r.Minutes) != 3 || sum.Requests != r.Requests || sum.Dropped != r.Dropped || sum.Latency != r.LatencySum || sum.WastedGBS > r.WastedGBS*(1+1e-12) || cost > r.CostS()*(1+1e-12) || cost < r.LatencySum.Seconds() {
				t.Errorf("seed %d: the minutes of %s add up to %+v at %v s, want %d requests, %d dropped, %v, %v GB s at %v s", o.Seed, r.Name, sum, cost, r.Requests, r.Dropped, r.LatencySum, r.WastedGBS, r.CostS())
			}
		}
	}
	if a, b := got[0][0].LatencySum, got[1][0].LatencySum; a == b {
		t.Error("two seeds draw the same requests")
	}
}
