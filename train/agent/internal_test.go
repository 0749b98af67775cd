package agent

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/train"
)

func filled(t testing.TB, k, h int, rng *rand.Rand) model {
	t.Helper()
	m, err := newModel(k, h)
	if err != nil {
		t.Fatal(err)
	}
	m.initialise(rng)
	for i := range m.params {
		m.params[i] += float32(0.1 * rng.NormFloat64()) // biases, too
	}
	return m
}

// drawn is an observation of n candidates.
func drawn(k, n int, rng *rand.Rand) *agent.Observation {
	o := agent.NewObservation(k)
	o.N = n
	for i := range n {
		o.Mask[i] = 1 / float32(n)
		o.Legal[2*i], o.Legal[2*i+1] = true, true
		for j := range agent.Features {
			o.Candidates[i*agent.Features+j] = rng.Float32()
		}
	}
	for j := range o.Global {
		o.Global[j] = rng.Float32()
	}
	o.Legal[o.Defer()] = true
	return o
}

func together(os []*agent.Observation) *batch {
	b := &batch{}
	b.reset()
	for _, o := range os {
		b.add(o.Candidates[:o.N*agent.Features], o.Global)
	}
	return b
}

func TestBatchedForwardIsTheSchedulers(t *testing.T) {
	rng := seed.Stream(1, "forward")
	m := filled(t, 5, 9, rng)
	var os []*agent.Observation
	for n := 1; n <= 5; n++ {
		os = append(os, drawn(5, n, rng))
	}
	p := newPass(nil)
	p.forward(m.net, together(os))
	e := agent.NewEvaluator(m.net)
	q := make([]float32, 11)
	for b, o := range os {
		e.Forward(o, q)
		for a := range 2*o.N + 1 {
			want := q[a]
			if a == 2*o.N {
				want = q[o.Defer()]
			}
			if got := *p.value(b, a); math.Abs(float64(got-want)) > 1e-5 {
				t.Errorf("observation %d, action %d: %v in the batch, %v by itself", b, a, got, want)
			}
		}
	}
}

// TestGradients compares backward with central differences of a loss that weighs every
// Q-value with a number of its own. The tolerance is that of float32 sums: differences
// of 1e-2 leave about four digits.
// oneWindow is for learners that never run an episode.
var oneWindow = []datasets.Window{{From: 0, To: 1}}

func TestGradients(t *testing.T) {
	rng := seed.Stream(2, "gradients")
	m, grad := filled(t, 4, 6, rng), filled(t, 4, 6, rng)
	var os []*agent.Observation
	for n := 1; n <= 4; n++ {
		os = append(os, drawn(4, n, rng))
	}
	b := together(os)
	p := newPass(nil)
	weight := make([]float64, 2*b.rows+b.size)
	for i := range weight {
		weight[i] = rng.NormFloat64()
	}
	loss := func() (sum float64) {
		p.forward(m.net, b)
		for i, v := range append(append([]float32(nil), p.q...), p.d...) {
			sum += weight[i] * float64(v)
		}
		return sum
	}
	loss()
	p.clearGradients()
	for i := range p.dq {
		p.dq[i] = float32(weight[i])
	}
	for i := range p.dd {
		p.dd[i] = float32(weight[len(p.dq)+i])
	}
	clear(grad.params)
	p.backward(m.net, grad.net)
	checked := 0
	for i := range m.params {
		central := func(h float32) float64 {
			old := m.params[i]
			m.params[i] = old + h
			up := loss()
			m.params[i] = old - h
			down := loss()
			m.params[i] = old
			return (up - down) / (2 * float64(h))
		}
		coarse, fine := central(1e-2), central(5e-3)
		if math.Abs(coarse-fine) > 2e-3*max(1, math.Abs(coarse)) {
			continue // a ReLU opens or closes in between: there is no derivative to compare
		}
		checked++
		if got := float64(grad.params[i]); math.Abs(got-fine) > 5e-3*max(1, math.Abs(fine)) {
			t.Errorf("parameter %d: gradient %v, difference %v", i, got, fine)
		}
	}
	if checked < len(m.params)*9/10 {
		t.Errorf("only %d of %d parameters were compared", checked, len(m.params))
	}
}

// TestTwoStateChain has Q by hand. In A, starting earns 0 and leads to B, deferring
// earns 1 and stays; in B, starting earns 5 and leads to A, deferring earns 0 and
// stays. With a discount of 1/2 a decision,
//
//	V(B) = 5 + V(A)/2,  V(A) = V(B)/2  =>  V(B) = 20/3, V(A) = 10/3
//	Q(A, start) = 10/3, Q(A, defer) = 1 + 5/3, Q(B, start) = 20/3, Q(B, defer) = 10/3
func TestTwoStateChain(t *testing.T) {
	o := DefaultOptions()
	o.Hidden, o.Observation.Candidates = 16, 1
	o.BatchSize, o.BufferSize, o.NStep, o.LearningRate, o.Tau = 32, 4096, 1, 3e-3, 0.02
	l := &learner{o: o, rec: train.Discard, rng: seed.Stream(1, "chain"), scale: 1}
	if err := l.prepare(t.Context(), oneWindow, nil); err != nil {
		t.Fatal(err)
	}
	state := func(b float32) *agent.Observation {
		v := agent.NewObservation(1)
		v.N, v.Mask[0], v.Candidates[0], v.Global[0] = 1, 1, 1, b
		v.Legal[0], v.Legal[2] = true, true
		return v
	}
	s := [2]*agent.Observation{state(0), state(1)}
	at := 0
	for range 4000 {
		action, reward := 2, [2]float64{1, 0}[at]
		next := at
		if l.rng.IntN(2) == 0 {
			action, reward, next = 0, [2]float64{0, 5}[at], 1-at
		}
		l.experience.push(s[at], action)
		l.experience.link(reward, 0.5)
		at = next
	}
	for i := range 3000 {
		l.step(1 - float64(i)/3000)
	}
	q := make([]float32, 3)
	for i, want := range [2][2]float64{{10. / 3, 8. / 3}, {20. / 3, 10. / 3}} {
		l.evaluator.Forward(s[i], q)
		if math.Abs(float64(q[0])-want[0]) > 0.1 || math.Abs(float64(q[2])-want[1]) > 0.1 {
			t.Errorf("state %d: Q(start) %.3f, Q(defer) %.3f, want %.3f and %.3f", i, q[0], q[2], want[0], want[1])
		}
	}
}

func TestNStepTarget(t *testing.T) {
	r := replay{limit: 8}
	o := drawn(1, 1, seed.Stream(1, "n-step"))
	for i := range 5 {
		r.push(o, 0)
		if i < 4 {
			r.link(float64(i+1), 0.5)
		}
	}
	for _, c := range []struct {
		i, n             int
		reward, discount float64
		at               int
	}{
		{0, 1, 1, 0.5, 1},
		{0, 3, 1 + 0.5*2 + 0.25*3, 0.125, 3},
		{2, 3, 3 + 0.5*4, 0.25, 4}, // the chain ends
	} {
		if reward, discount, at := r.target(c.i, c.n); reward != c.reward || discount != c.discount || at != c.at {
			t.Errorf("target(%d, %d) = %v, %v, %d, want %v, %v, %d", c.i, c.n, reward, discount, at, c.reward, c.discount, c.at)
		}
	}
	// Once the ring wraps, the newest step has no successor.
	for range 20 {
		r.push(o, 0)
		r.link(1, 1)
	}
	rng := seed.Stream(1, "sample")
	newest := (r.next + r.limit - 1) % r.limit
	for range 200 {
		if i := r.sample(rng); i == newest {
			t.Fatal("sampled the newest step, whose successor is the oldest")
		}
	}
}

func TestAdamFirstStepIsTheLearningRate(t *testing.T) {
	// With bias correction the first step is rate * g / |g| (Kingma and Ba, Section 2.1).
	params := []float32{1, 1}
	var a adam
	a.step(params, []float32{1e-3, -50}, 0.1)
	if math.Abs(float64(params[0])-0.9) > 1e-4 || math.Abs(float64(params[1])-1.1) > 1e-4 {
		t.Errorf("after one step %v, want [0.9 1.1]", params)
	}
}

func TestClipAndHuber(t *testing.T) {
	g := []float32{3, 4}
	if norm := clip(g, 1); norm != 5 || math.Abs(float64(g[0])-0.6) > 1e-6 {
		t.Errorf("norm %v, clipped %v, want 5 and [0.6 0.8]", norm, g)
	}
	for _, c := range [][3]float64{{0.5, 0.125, 0.5}, {-3, 2.5, -1}} {
		if l, d := huber(c[0]); l != c[1] || d != c[2] {
			t.Errorf("huber(%v) = %v, %v, want %v, %v", c[0], l, d, c[1], c[2])
		}
	}
}

func BenchmarkStep(b *testing.B) {
	o := DefaultOptions()
	l := &learner{o: o, rec: train.Discard, rng: seed.Stream(1, "bench"), scale: 1}
	if err := l.prepare(b.Context(), oneWindow, nil); err != nil {
		b.Fatal(err)
	}
	for range 2000 {
		l.experience.push(drawn(o.Observation.Candidates, 1+l.rng.IntN(8), l.rng), 0)
		l.experience.link(1, 0.9)
	}
	for b.Loop() {
		l.step(1)
	}
}
