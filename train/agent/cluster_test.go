package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/train/agent"
)

// mixed has three functions that no rule orders well: by priority per second of
// execution the second goes first, then the first, then the third.
var mixed = []kind{
	{3 * time.Second, 200 * time.Millisecond, 128, 6, 1},
	{300 * time.Millisecond, 200 * time.Millisecond, 128, 60, 0.3},
	{time.Second, 200 * time.Millisecond, 128, 25, 0.1},
}

// recorder counts what is recorded.
type recorder struct {
	sync.Mutex
	metrics map[string]int
}

func (r *recorder) Record(metric string, _ int, _ float64) {
	r.Lock()
	defer r.Unlock()
	r.metrics[metric]++
}

func TestClustersAreTrainedJudgedAndReproducible(t *testing.T) {
	trace, p := toy(mixed, 100)
	e := episode(trace, p, 6, 1)
	w := windows(20, 5)
	var want []byte
	for _, workers := range []int{1, 3} {
		o := small()
		o.TotalTimesteps, o.FineTuneTimesteps, o.Evaluations = 800, 300, 2
		o.Demonstrations, o.PretrainSteps, o.LearningStarts = 200, 50, 100
		o.Cluster.MinClusters, o.Cluster.MaxClusters = 2, 3
		o.JudgeWindows, o.Workers = 2, workers
		rec := &recorder{metrics: map[string]int{}}
		a, err := agent.TrainClusters(context.Background(), e, w[:14], 0, o, rec)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := a.Judge(context.Background(), e, w[14:], 0, o)
		if err != nil {
			t.Fatal(err)
		}
		if k := len(a.Clusters.Centroids); len(rows) != k+1 || len(a.Cluster) != k || k < 2 {
			t.Fatalf("%d rows and %d agents for %d clusters", len(rows), len(a.Cluster), k)
		}
		for i, r := range rows {
			if r.Cluster != i-1 {
				t.Errorf("row %d is of cluster %d", i, r.Cluster)
			}
			if won := r.Choice.Agent != ""; r.Windows > 0 && (won != r.Won || r.Won != (r.GainMS > r.HalfWidthMS)) {
				t.Errorf("row %d: choice %+v, won %v with a gain of %v, half width %v", i, r.Choice, r.Won, r.GainMS, r.HalfWidthMS)
			}
		}
		if rec.metrics["global/"+agent.MetricReturn] == 0 || rec.metrics["cluster-00/"+agent.MetricEval] == 0 {
			t.Errorf("metrics recorded: %v", rec.metrics)
		}
		var got bytes.Buffer
		for _, v := range []any{a.Clusters, rows, a.Assignment, a.Curves} {
			if err := json.NewEncoder(&got).Encode(v); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range append(a.Cluster, a.Global) {
			m, err := c.Graph()
			if err != nil {
				t.Fatal(err)
			}
			got.Write(onnx.Encode(m))
		}
		if want == nil {
			want = got.Bytes()
		} else if !bytes.Equal(want, got.Bytes()) {
			t.Errorf("%d workers give other bytes", workers)
		}
	}
}

func TestOptionsNameTheKey(t *testing.T) {
	for key, change := range map[string]func(*agent.Options){
		"total_timesteps":      func(o *agent.Options) { o.TotalTimesteps = 0 },
		"learning_rate":        func(o *agent.Options) { o.LearningRate = 0 },
		"buffer_size":          func(o *agent.Options) { o.BufferSize = 10 },
		"gamma":                func(o *agent.Options) { o.Gamma = 1 },
		"tau":                  func(o *agent.Options) { o.Tau = 0 },
		"exploration_fraction": func(o *agent.Options) { o.ExplorationFraction = 0 },
		"hidden":               func(o *agent.Options) { o.Hidden = 0 },
		"n_step":               func(o *agent.Options) { o.NStep = 0 },
		"candidates":           func(o *agent.Options) { o.Observation.Candidates = 0 },
		"min_clusters":         func(o *agent.Options) { o.Cluster.MinClusters = 0 },
	} {
		o := agent.DefaultOptions()
		change(&o)
		if err := o.Validate(); err == nil || !bytes.Contains([]byte(err.Error()), []byte(key)) {
			t.Errorf("%s: error %v does not name it", key, err)
		}
	}
	if err := agent.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
}

func TestNoRequestsIsAnError(t *testing.T) {
	trace, p := toy(mixed, 20)
	e := episode(trace, p, 6, 1)
	empty := windows(8, 5)[6:]
	if _, _, err := agent.Train(context.Background(), e, empty, small(), nil); err == nil {
		t.Error("no error for windows without requests")
	}
	if _, err := agent.TrainClusters(context.Background(), e, empty, 0, small(), nil); err == nil {
		t.Error("no error for clusters of windows without requests")
	}
	if _, err := agent.Environments(context.Background(), e, []datasets.Window{{From: 0, To: 5}, {From: 5, To: 8}}, decide.Second, small()); err == nil {
		t.Error("no error for windows of two lengths")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := agent.Train(ctx, e, windows(4, 5), small(), nil); err == nil {
		t.Error("no error although cancelled")
	}
}
