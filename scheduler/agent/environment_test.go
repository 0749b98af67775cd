package agent_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

func TestTrackerByHand(t *testing.T) {
	state, _ := platform(t, 3, 4)
	o := agent.TrackerOptions{Window: decide.Minute, Origin: 6*60*decide.Minute - decide.Minute}
	tracker, err := agent.NewTracker(o)
	if err != nil {
		t.Fatal(err)
	}
	observe := func(ev decide.Event) { tracker.Observe(state.Snapshot(), ev) }
	observe(decide.Event{Kind: decide.Tick})
	r := decide.RequestID(0)
	arrive := func(at decide.Time, f decide.FunctionID) {
		state.Advance(at)
		state.Arrive(r, f)
		observe(decide.Event{At: at, Kind: decide.Arrival, Function: f, Request: r})
		state.Dequeue(r)
	}
	for range 3 { // all in the first of six bins
		arrive(decide.Second, 0)
	}
	arrive(2*decide.Second, 1)
	if v, n := tracker.Vector(); v != nil || n != 0 {
		t.Fatalf("%d windows after two seconds of the first", n)
	}
	state.Advance(decide.Minute)
	observe(decide.Event{Kind: decide.Tick})
	v, n := tracker.Vector()
	if n != 1 {
		t.Fatalf("%d windows after one minute, want 1", n)
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"rate":      {v[agent.EnvRate], math.Log(5)},
		"load":      {v[agent.EnvLoad], math.Log1p((3*1 + 2) / 240.0)}, // of 4 cores for 60 s
		"entropy":   {v[agent.EnvEntropy], (0.75*math.Log(4/3.0) + 0.25*math.Log(4)) / math.Log(2)},
		"gini":      {v[agent.EnvGini], 0.25},
		"mix":       {v[agent.EnvMix+1], 0.75}, // 128 MB, 1 s
		"mix long":  {v[agent.EnvMix+2], 0.25}, // 128 MB, 2 s
		"fano":      {v[agent.EnvFano], math.Log1p((16/6.0 - 4/9.0) / (2 / 3.0))},
		"functions": {v[agent.EnvFunctions], math.Log(3)},
		"memory":    {v[agent.EnvMeanMemory], math.Log(129)},
		"hour sin":  {v[agent.EnvHourSin], 1},
		"hour cos":  {v[agent.EnvHourCos], 0},
	} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, c.got, c.want)
		}
	}
	// Empty windows are passed over.
	state.Advance(10 * decide.Minute)
	observe(decide.Event{Kind: decide.Tick})
	if _, n := tracker.Vector(); n != 1 {
		t.Errorf("%d windows after nothing arrived, want 1", n)
	}
}

func TestColumnsHaveNames(t *testing.T) {
	if n := len(agent.EnvColumns()); n != agent.EnvSize || agent.EnvSize != 24 {
		t.Errorf("%d names for %d environment columns, want 24", n, agent.EnvSize)
	}
	if n := len(agent.CandidateColumns()); n != agent.Features {
		t.Errorf("%d names for %d candidate columns", n, agent.Features)
	}
	if n := len(agent.GlobalColumns()); n != agent.Globals {
		t.Errorf("%d names for %d global columns", n, agent.Globals)
	}
}

// line returns clusters on the first axis at 0, 10, …, of radius 4.
func line(n int) *agent.Clusters {
	c := &agent.Clusters{
		Columns: agent.EnvColumns(), Window: decide.Minute, Mean: make([]float64, agent.EnvSize), Std: make([]float64, agent.EnvSize),
		Global: agent.Choice{Rule: "fcfs"}, Encoder: agent.DefaultOptions(),
	}
	for i := range c.Std {
		c.Std[i] = 1
	}
	for i := range n {
		centroid := make([]float64, agent.EnvSize)
		centroid[0] = 10 * float64(i)
		c.Centroids = append(c.Centroids, centroid)
		c.Radius = append(c.Radius, 6)
		c.Choices = append(c.Choices, agent.Choice{Rule: "density"})
	}
	return c
}

func TestSelectorHasHysteresis(t *testing.T) {
	s := agent.NewSelector(line(2))
	at := func(x float64) []float64 {
		v := make([]float64, agent.EnvSize)
		v[0] = x
		return v
	}
	for i, step := range []struct {
		x    float64
		want int
	}{
		{1, decide.None}, {1, decide.None}, {1, 0}, // three windows
		{9, 0}, {9, 0}, {1, 0}, {9, 0}, {9, 0}, // not in a row
		{5.2, 0}, {9, 0}, {9, 0}, // 4.8 is not nearer than 5.2 by a tenth
		{9, 1},
		{1, 1}, {1, 1}, {1, 0},
		{17, decide.None}, // unlike training: at once
		{1, decide.None}, {1, decide.None}, {1, 0},
		{math.NaN(), decide.None},
	} {
		if got := s.Update(at(step.x)); got != step.want {
			t.Fatalf("step %d: at %v in cluster %d, want %d", i, step.x, got, step.want)
		}
	}
}

func TestClustersRoundTripAndValidation(t *testing.T) {
	b, err := json.Marshal(line(2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agent.ParseClusters(b); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*agent.Clusters){
		"columns":   func(c *agent.Clusters) { c.Columns = c.Columns[1:] },
		"window":    func(c *agent.Clusters) { c.Window = 0 },
		"mean":      func(c *agent.Clusters) { c.Mean = c.Mean[1:] },
		"std":       func(c *agent.Clusters) { c.Std[3] = 0 },
		"centroid":  func(c *agent.Clusters) { c.Centroids[1] = nil },
		"radius":    func(c *agent.Clusters) { c.Radius[0] = -1 },
		"choices":   func(c *agent.Clusters) { c.Choices = c.Choices[:1] },
		"both":      func(c *agent.Clusters) { c.Choices[0].Agent = "x.onnx" },
		"no global": func(c *agent.Clusters) { c.Global = agent.Choice{} },
		"encoder":   func(c *agent.Clusters) { c.Encoder.Candidates = 0 },
	} {
		c := line(2)
		change(c)
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := agent.ParseClusters(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// constant is a dispatcher that says which one it is.
type constant decide.RequestID

func (c constant) Next(decide.Snapshot, decide.Event) (decide.Start, bool) {
	return decide.Start{Request: decide.RequestID(c)}, true
}

func TestClusteredDispatchesByEnvironment(t *testing.T) {
	state, _ := platform(t, 3, 4)
	c := line(1)
	c.Radius[0] = 1e6
	d, err := agent.NewClustered(c, agent.DefaultTrackerOptions(), func(choice agent.Choice) (decide.Dispatcher, error) {
		if choice.Rule == "fcfs" {
			return constant(1), nil
		}
		return constant(2), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for minute := range decide.Time(5) {
		state.Advance(minute * decide.Minute)
		state.Arrive(0, 0)
		ev := decide.Event{At: minute * decide.Minute, Kind: decide.Arrival}
		d.Observe(state.Snapshot(), ev)
		want := decide.RequestID(1)
		if minute >= 3 { // three windows are complete
			want = 2
		}
		if st, _ := d.Next(state.Snapshot(), ev); st.Request != want {
			t.Errorf("minute %d: dispatcher %d, want %d", minute, st.Request, want)
		}
		state.Dequeue(0)
	}
}

func FuzzParseClusters(f *testing.F) {
	b, err := json.Marshal(line(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"columns":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := agent.ParseClusters(b)
		if err != nil {
			return
		}
		s := agent.NewSelector(c)
		if got := s.Update(make([]float64, agent.EnvSize)); got != decide.None {
			t.Errorf("cluster %d after one window", got)
		}
	})
}
