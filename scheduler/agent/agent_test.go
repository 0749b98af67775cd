package agent_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// signals has fixed priorities and forecasts.
type signals struct{ priority, expected []float64 }

func (s signals) Priority(_ decide.Snapshot, f decide.FunctionID) float64 { return s.priority[f] }
func (s signals) Expected(f decide.FunctionID) float64                    { return s.expected[f] }

// platform returns n functions of 128 MB, the i-th with i+1 seconds of execution and one
// of initialisation, on one invoker with room for slots containers.
func platform(t testing.TB, n, slots int) (*decide.State, signals) {
	t.Helper()
	functions := make([]decide.Profile, n)
	s := signals{make([]float64, n), make([]float64, n)}
	for i := range functions {
		functions[i] = decide.Profile{
			Memory: 128 << 20, CPU: 1, Execution: decide.Time(i+1) * decide.Second,
			Initialise: decide.Second, Termination: decide.Second,
		}
		s.priority[i] = 0.5
	}
	state, err := decide.NewState(functions, []decide.InvokerSpec{{Memory: int64(slots) * 128 << 20, Cores: 4}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return state, s
}

func encoder(t testing.TB, s decide.Signals, k int) (*agent.Encoder, *agent.Observation) {
	t.Helper()
	o := agent.DefaultOptions()
	o.Candidates = k
	e, err := agent.NewEncoder(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return e, agent.NewObservation(k)
}

// started puts a container of f in the hands of its first request, which then executes.
func started(state *decide.State, f decide.FunctionID, r decide.RequestID) decide.ContainerID {
	state.Dequeue(r)
	c := state.NewContainer(f, 0, r)
	state.Admit(0)
	if r := state.Initialised(c, decide.Second); r != decide.None {
		state.Execute(r, c)
	}
	return c
}

func TestObservationByHand(t *testing.T) {
	state, s := platform(t, 3, 2)
	s.priority = []float64{0.25, 0.5, 1}
	s.expected = []float64{0, 6, 60}
	state.Arrive(0, 0)
	busy := started(state, 0, 0)
	state.Advance(100 * decide.Millisecond)
	state.Arrive(1, 0)
	state.Arrive(2, 1)
	state.Arrive(3, 1)
	state.Advance(350 * decide.Millisecond)

	e, o := encoder(t, s, 4)
	// The busy container is the only one of function 0; there is room for one more.
	if legal := e.Encode(state.Snapshot(), o); legal != 2 || o.N != 2 {
		t.Fatalf("%d legal starts of %d candidates, want 2 of 2", legal, o.N)
	}
	i := slices.Index(o.Functions, 1)
	row := o.Candidates[i*agent.Features:]
	for name, c := range map[string]struct {
		got  float32
		want float64
	}{
		"priority":       {row[agent.Priority], 0.5},
		"queue length":   {row[agent.QueueLength], math.Log(3) / 8},
		"lateness":       {row[agent.Lateness], 0.5 / 1.5},
		"slack":          {row[agent.Slack], 0.5},
		"warm":           {row[agent.Warm], 0},
		"next free":      {row[agent.NextFree], 1},
		"initialisation": {row[agent.Initialisation], math.Log(1001) / 12},
		"execution":      {row[agent.Execution], math.Log(2001) / 12},
		"memory share":   {row[agent.MemoryShare], 1},
		"cpu share":      {row[agent.CPUShare], 0.25},
		"expected":       {row[agent.Expected], math.Log(7) / 8},
		"offered":        {row[agent.Offered], 0.2 / 1.2},
		"batch weight":   {row[agent.BatchWeight], math.Log(2501) / 12},
		"worth":          {row[agent.Worth], math.Log1p(1e6*0.5/2500) / 14},
		"density":        {row[agent.Density], 0.4}, // 0.5 / (1/2 + 1/4) = 2/3
		"free memory":    {o.Global[agent.FreeMemory], 0.5},
		"cpu load":       {o.Global[agent.CPULoad], 0.2},
		"waiting":        {o.Global[agent.Waiting], math.Log(4) / 8},
		"urgent":         {o.Global[agent.Urgent], 0},
		"mean priority":  {o.Global[agent.MeanPriority], 1.25 / 3},
		"mask":           {o.Mask[i], 0.5},
	} {
		if math.Abs(float64(c.got)-c.want) > 1e-6 {
			t.Errorf("%s is %v, want %v", name, c.got, c.want)
		}
	}
	if row := o.Candidates[slices.Index(o.Functions, 0)*agent.Features:]; row[agent.NextFree] != 0.5 {
		t.Errorf("next free is %v, want 0.5: one container executes 1 s, another takes 1 s to start", row[agent.NextFree])
	}
	if o.Legal[o.Defer()] {
		t.Error("deferring is legal although function 1 has no container to wait for")
	}
	state.Dequeue(2)
	state.Dequeue(3)
	if legal := e.Encode(state.Snapshot(), o); legal != 1 || !o.Legal[o.Defer()] {
		t.Errorf("%d legal starts, defer %v, want 1 and true: function 0 can wait for the container that executes", legal, o.Legal[o.Defer()])
	}

	state.Completed(state.Snapshot().FirstExecuting(busy), busy, decide.Second)
	e.Encode(state.Snapshot(), o)
	i = slices.Index(o.Functions, 0)
	if !o.Legal[2*i] || o.Legal[2*i+1] {
		t.Error("a function with an idle container can start warm and not cold")
	}
	if o.Legal[o.Defer()] {
		t.Error("deferring is legal although function 0 can start warm")
	}
	if st, ok := o.Start(state.Snapshot(), 2*i); !ok || st.Container != busy || st.Request != 1 {
		t.Errorf("warm start of function 0 is %+v, want request 1 in container %d", st, busy)
	}
}

func TestNothingThatCannotStartIsACandidate(t *testing.T) {
	state, s := platform(t, 3, 1)
	state.Arrive(0, 0)
	started(state, 0, 0)
	state.Arrive(1, 1)
	state.Arrive(2, 2)
	e, o := encoder(t, s, 4)
	if legal := e.Encode(state.Snapshot(), o); legal != 0 || o.N != 0 || !o.Legal[o.Defer()] {
		t.Errorf("%d legal starts, %d candidates, defer %v on a full invoker, want 0, 0, true", legal, o.N, o.Legal[o.Defer()])
	}
}

func TestCandidatesDoNotDependOnTheOrderOfTheBacklog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 30
		order := rapid.Permutation(func() []int {
			v := make([]int, n)
			for i := range v {
				v[i] = i
			}
			return v
		}()).Draw(t, "order")
		priority := rapid.SliceOfN(rapid.Float64Range(0, 1), n, n).Draw(t, "priority")
		var want []decide.FunctionID
		for _, shuffled := range []bool{false, true} {
			functions := make([]decide.Profile, n)
			for i := range functions {
				functions[i] = decide.Profile{Memory: 1 << 20, CPU: 1, Execution: decide.Time(1+i%4) * decide.Second, Initialise: decide.Second}
			}
			state, err := decide.NewState(functions, []decide.InvokerSpec{{Memory: 1 << 30, Cores: 4}}, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				f := i
				if shuffled {
					f = order[i]
				}
				state.Arrive(decide.RequestID(i), decide.FunctionID(f))
			}
			o := agent.DefaultOptions()
			o.Candidates = 8
			e, err := agent.NewEncoder(signals{priority, make([]float64, n)}, o)
			if err != nil {
				t.Fatal(err)
			}
			obs := agent.NewObservation(8)
			e.Encode(state.Snapshot(), obs)
			if obs.N != 8 {
				t.Fatalf("%d candidates of %d functions, want 8", obs.N, n)
			}
			if !shuffled {
				want = slices.Clone(obs.Functions)
			} else if !slices.Equal(obs.Functions, want) {
				t.Fatalf("candidates %v, in another order of arrival %v", want, obs.Functions)
			}
			for _, v := range append(slices.Clone(obs.Candidates), obs.Global...) {
				if !(v >= -1 && v <= 1) {
					t.Fatalf("feature %v outside [-1, 1]", v)
				}
			}
		}
	})
}

// random returns a network with weights that keep activations near one.
func random(t testing.TB, k, h int, rng *rand.Rand) *agent.Network {
	t.Helper()
	n, err := agent.NewNetwork(k, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range n.Layers() {
		for i := range l.Weight {
			l.Weight[i] = float32(rng.NormFloat64() / math.Sqrt(float64(l.In)))
		}
		for i := range l.Bias {
			l.Bias[i] = float32(rng.NormFloat64())
		}
	}
	return n
}

// observed fills o with n random candidates.
func observed(o *agent.Observation, n int, rng *rand.Rand) {
	clear(o.Candidates)
	clear(o.Mask)
	clear(o.Legal)
	o.N = n
	for i := range o.Candidates[:n*agent.Features] {
		o.Candidates[i] = rng.Float32()
	}
	for i := range o.Global {
		o.Global[i] = rng.Float32()
	}
	for i := range n {
		o.Mask[i] = 1 / float32(n)
		o.Legal[2*i] = true
	}
	o.Legal[o.Defer()] = true
}

// plain computes a layer in float64 and the definition's order.
func plain(l *agent.Layer, x []float64, rectify bool) []float64 {
	y := make([]float64, l.Out)
	for j := range y {
		if len(l.Bias) > 0 {
			y[j] = float64(l.Bias[j])
		}
		for i, v := range x {
			y[j] += v * float64(l.Weight[i*l.Out+j])
		}
		if rectify {
			y[j] = max(y[j], 0)
		}
	}
	return y
}

func TestForwardIsItsDefinition(t *testing.T) {
	rng := seed.Stream(1, "forward")
	n := random(t, 5, 11, rng)
	e := agent.NewEvaluator(n)
	o := agent.NewObservation(5)
	q := make([]float32, 11)
	for run := range 20 {
		if run%3 != 2 { // every third time the same candidates in another environment
			observed(o, run%6, rng)
		} else {
			o.Global[0] = rng.Float32()
		}
		e.Forward(o, q)
		pooled := make([]float64, n.Hidden)
		phi := make([][]float64, o.N)
		for i := range phi {
			x := make([]float64, agent.Features)
			for j := range x {
				x[j] = float64(o.Candidates[i*agent.Features+j])
			}
			phi[i] = plain(&n.Dense2, plain(&n.Dense1, x, true), true)
			for j, v := range phi[i] {
				pooled[j] += v / float64(o.N)
			}
		}
		for _, v := range o.Global {
			pooled = append(pooled, float64(v))
		}
		context := plain(&n.Dense3, pooled, true)
		shared := plain(&n.Shared, context, false)
		want := make([]float64, len(q))
		for i := range phi {
			own := plain(&n.Own, phi[i], false)
			for j := range own {
				own[j] = max(own[j]+shared[j], 0)
			}
			copy(want[2*i:], plain(&n.Start, own, false))
		}
		want[len(q)-1] = plain(&n.Defer, context, false)[0]
		for a := range q {
			if math.Abs(float64(q[a])-want[a]) > 1e-5*max(1, math.Abs(want[a])) {
				t.Fatalf("run %d: Q[%d] = %v, want %v", run, a, q[a], want[a])
			}
		}
	}
}

func TestForwardAndEncodeDoNotAllocate(t *testing.T) {
	state, s := platform(t, 40, 64)
	for i := range 40 {
		state.Arrive(decide.RequestID(i), decide.FunctionID(i))
	}
	o := agent.DefaultOptions()
	d, err := agent.Open(random(t, o.Candidates, 16, seed.Stream(1, "alloc")), s, o)
	if err != nil {
		t.Fatal(err)
	}
	v := state.Snapshot()
	if n := testing.AllocsPerRun(20, func() { d.Next(v, decide.Event{}) }); n != 0 {
		t.Errorf("a decision allocates %v times", n)
	}
}

func TestNetworkRoundTrip(t *testing.T) {
	n := random(t, 4, 7, seed.Stream(1, "round trip"))
	m, err := n.Graph()
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := onnx.Decode(onnx.Encode(m))
	if err != nil {
		t.Fatal(err)
	}
	got, err := agent.Load(decoded)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range got.Layers() {
		if w := n.Layers()[i]; !slices.Equal(l.Weight, w.Weight) || !slices.Equal(l.Bias, w.Bias) {
			t.Errorf("layer %d differs after a round trip", i)
		}
	}
}

func TestLoadRefusesOtherGraphs(t *testing.T) {
	for name, change := range map[string]func(*onnx.Graph){
		"another operator":  func(g *onnx.Graph) { g.Nodes[1].Op = "Mul" },
		"another wiring":    func(g *onnx.Graph) { g.Nodes[len(g.Nodes)-1].Inputs[1] = "dense3" },
		"a missing node":    func(g *onnx.Graph) { g.Nodes = g.Nodes[1:] },
		"a missing tensor":  func(g *onnx.Graph) { g.Initializers = g.Initializers[1:] },
		"a wrong shape":     func(g *onnx.Graph) { g.Initializers[0].Dims[0]++ },
		"a transposed one":  func(g *onnx.Graph) { d := g.Initializers[0].Dims; d[0], d[1] = d[1], d[0] },
		"a weight of NaN":   func(g *onnx.Graph) { g.Initializers[0].Floats[0] = float32(math.NaN()) },
		"too many rows":     func(g *onnx.Graph) { g.Inputs[0].Dims[0].Value = 1 << 40 },
		"no input":          func(g *onnx.Graph) { g.Inputs = nil },
		"no output":         func(g *onnx.Graph) { g.Outputs = nil },
		"another mask size": func(g *onnx.Graph) { g.Inputs[2].Dims[1].Value = 5 },
		"integer weights":   func(g *onnx.Graph) { g.Initializers[0].Type = onnx.Int64 },
	} {
		m, err := random(t, 4, 7, seed.Stream(1, "hostile")).Graph()
		if err != nil {
			t.Fatal(err)
		}
		change(&m.Graph)
		if _, err := agent.Load(m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	m, err := random(t, 4, 7, seed.Stream(1, "hostile")).Graph()
	if err != nil {
		t.Fatal(err)
	}
	m.Metadata[0].Value = strings.Replace(m.Metadata[0].Value, "priority queue_length", "queue_length priority", 1)
	if _, err := agent.Load(m); err == nil {
		t.Error("no error for a network of other columns")
	}
}

func TestGreedyIsEquivariant(t *testing.T) {
	rng := seed.Stream(1, "equivariant")
	n := random(t, 6, 9, rng)
	a, b := agent.NewObservation(6), agent.NewObservation(6)
	observed(a, 4, rng)
	observed(b, 4, rng)
	copy(b.Global, a.Global)
	perm := []int{2, 0, 3, 1}
	for i, p := range perm {
		copy(b.Candidates[p*agent.Features:(p+1)*agent.Features], a.Candidates[i*agent.Features:])
	}
	qa, qb := make([]float32, 13), make([]float32, 13)
	agent.NewEvaluator(n).Forward(a, qa)
	agent.NewEvaluator(n).Forward(b, qb)
	for i, p := range perm {
		for w := range 2 {
			if d := qa[2*i+w] - qb[2*p+w]; math.Abs(float64(d)) > 1e-5 {
				t.Errorf("Q of candidate %d changes by %v with its place", i, d)
			}
		}
	}
}

func BenchmarkDecision(b *testing.B) {
	for _, backlog := range []int{1, 16, 200} {
		b.Run("K=16/H=64/backlog="+string(rune('0'+backlog/100))+string(rune('0'+backlog/10%10))+string(rune('0'+backlog%10)), func(b *testing.B) {
			state, s := platform(b, backlog, backlog)
			for i := range backlog {
				state.Arrive(decide.RequestID(i), decide.FunctionID(i))
			}
			o := agent.DefaultOptions()
			d, err := agent.Open(random(b, o.Candidates, 64, seed.Stream(1, "bench")), s, o)
			if err != nil {
				b.Fatal(err)
			}
			v := state.Snapshot()
			for b.Loop() {
				state.Advance(v.Now() + 1) // another time, so that nothing is known of the candidates
				d.Next(v, decide.Event{})
			}
		})
	}
}
