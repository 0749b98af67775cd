package agent

import (
	"math"
	"math/rand/v2"

	"github.com/incendio-faas/incendio/scheduler/agent"
)

// A model is a network whose weights lie in one slice, so that the optimiser and the
// target network need not know its layers.
type model struct {
	net    *agent.Network
	params []float32
}

// newModel returns a model of zeros.
func newModel(k, h int) (model, error) {
	net, err := agent.NewNetwork(k, h)
	if err != nil {
		return model{}, err
	}
	n := 0
	for _, l := range net.Layers() {
		n += len(l.Weight) + len(l.Bias)
	}
	m := model{net, make([]float32, n)}
	rest := m.params
	for _, l := range net.Layers() {
		for _, v := range []*[]float32{&l.Weight, &l.Bias} {
			n := len(*v)
			*v, rest = rest[:n:n], rest[n:]
		}
	}
	return m, nil
}

// initialise draws the weights by He et al., "Delving Deep into Rectifiers" (ICCV 2015),
// Eq. 10; those of the outputs are a tenth of that, so that no action is preferred at first.
func (m model) initialise(rng *rand.Rand) {
	for _, l := range m.net.Layers() {
		scale := math.Sqrt(2 / float64(l.In))
		if l == &m.net.Start || l == &m.net.Defer {
			scale /= 10
		}
		for i := range l.Weight {
			l.Weight[i] = float32(scale * rng.NormFloat64())
		}
	}
}

// A batch is a number of observations put together: rows are the candidates of all of
// them, one after the other.
type batch struct {
	size, rows int
	first      []int     // (size+1): the first row of each observation
	x          []float32 // (rows, Features)
	g          []float32 // (size, Globals)
}

func (b *batch) reset() {
	b.size, b.rows = 0, 0
	b.first = append(b.first[:0], 0)
	b.x, b.g = b.x[:0], b.g[:0]
}

// add puts one observation at the end; candidates holds its rows alone.
func (b *batch) add(candidates, global []float32) {
	b.x = append(b.x, candidates...)
	b.g = append(b.g, global...)
	b.size++
	b.rows += len(candidates) / agent.Features
	b.first = append(b.first, b.rows)
}

// A pass computes Q-values of batches, and gradients. It reuses its memory.
type pass struct {
	gemm Gemm
	b    *batch

	a1, phi, own, hidden []float32 // (rows, H)
	joined               []float32 // (size, H+Globals)
	context, shared      []float32 // (size, H)

	q []float32 // (rows, 2)
	d []float32 // (size): of deferring

	dq, dd               []float32 // gradients of the loss by q and d, set before backward
	dHidden, dPhi, dRows []float32
	dContext, dShared    []float32
	dJoined              []float32
}

func newPass(gemm Gemm) *pass {
	if gemm == nil {
		gemm = gonumGemm
	}
	return &pass{gemm: gemm}
}

func sized(v *[]float32, n int) []float32 {
	if cap(*v) < n {
		*v = make([]float32, n, n+n/2)
	}
	*v = (*v)[:n]
	return *v
}

// dense computes y = x W + b for n rows.
func (p *pass) dense(l *agent.Layer, n int, x []float32, y *[]float32) []float32 {
	out := sized(y, n*l.Out)
	if len(l.Bias) == 0 {
		clear(out)
	}
	for i := 0; i < len(out) && len(l.Bias) > 0; i += l.Out {
		copy(out[i:i+l.Out], l.Bias)
	}
	p.gemm(false, false, n, l.Out, l.In, x, l.Weight, 1, out)
	return out
}

func rectify(x []float32) []float32 {
	for i, v := range x {
		x[i] = max(v, 0)
	}
	return x
}

// forward fills p.q and p.d with the Q-values of b under n.
func (p *pass) forward(n *agent.Network, b *batch) {
	p.b = b
	h := n.Hidden
	a1 := rectify(p.dense(&n.Dense1, b.rows, b.x, &p.a1))
	phi := rectify(p.dense(&n.Dense2, b.rows, a1, &p.phi))
	joined := sized(&p.joined, b.size*(h+agent.Globals))
	for i := range b.size {
		row := joined[i*(h+agent.Globals) : (i+1)*(h+agent.Globals)]
		clear(row[:h])
		from, to := b.first[i], b.first[i+1]
		mask := 1 / float32(max(to-from, 1))
		for r := from; r < to; r++ {
			for j, v := range phi[r*h : (r+1)*h] {
				row[j] += mask * v
			}
		}
		copy(row[h:], b.g[i*agent.Globals:(i+1)*agent.Globals])
	}
	context := rectify(p.dense(&n.Dense3, b.size, joined, &p.context))
	shared := p.dense(&n.Shared, b.size, context, &p.shared)
	own := p.dense(&n.Own, b.rows, phi, &p.own)
	hidden := sized(&p.hidden, len(own))
	for i := range b.size {
		s := shared[i*h : (i+1)*h]
		for r := b.first[i]; r < b.first[i+1]; r++ {
			for j, v := range s {
				hidden[r*h+j] = max(own[r*h+j]+v, 0)
			}
		}
	}
	p.dense(&n.Start, b.rows, hidden, &p.q)
	p.dense(&n.Defer, b.size, context, &p.d)
}

// clearGradients makes room for the gradients of the last forward pass.
func (p *pass) clearGradients() {
	clear(sized(&p.dq, p.b.rows*2))
	clear(sized(&p.dd, p.b.size))
}

// backward adds to grad, a network of n's sizes, the gradients of the loss whose
// derivatives by the Q-values are p.dq and p.dd.
func (p *pass) backward(n, grad *agent.Network) {
	b, h := p.b, n.Hidden
	dHidden := p.layer(&n.Start, &grad.Start, b.rows, p.hidden, p.dq, &p.dHidden)
	gate(dHidden, p.hidden)
	dContext := p.layer(&n.Defer, &grad.Defer, b.size, p.context, p.dd, &p.dContext)

	dShared := sized(&p.dShared, b.size*h)
	clear(dShared)
	for i := range b.size {
		s := dShared[i*h : (i+1)*h]
		for r := b.first[i]; r < b.first[i+1]; r++ {
			for j, v := range dHidden[r*h : (r+1)*h] {
				s[j] += v
			}
		}
	}
	p.weights(&grad.Shared, b.size, p.context, dShared)
	p.gemm(false, true, b.size, h, h, dShared, n.Shared.Weight, 1, dContext)
	gate(dContext, p.context)
	dJoined := p.layer(&n.Dense3, &grad.Dense3, b.size, p.joined, dContext, &p.dJoined)

	dPhi := p.layer(&n.Own, &grad.Own, b.rows, p.phi, dHidden, &p.dPhi)
	for i := range b.size {
		from, to := b.first[i], b.first[i+1]
		mask := 1 / float32(max(to-from, 1))
		for r := from; r < to; r++ {
			for j, v := range dJoined[i*(h+agent.Globals) : i*(h+agent.Globals)+h] {
				dPhi[r*h+j] += mask * v
			}
		}
	}
	gate(dPhi, p.phi)
	d1 := p.layer(&n.Dense2, &grad.Dense2, b.rows, p.a1, dPhi, &p.dRows)
	gate(d1, p.a1)
	p.weights(&grad.Dense1, b.rows, b.x, d1)
}

// layer adds the gradients of l, of which dy are those by its outputs, and returns
// those by its inputs x.
func (p *pass) layer(l, grad *agent.Layer, n int, x, dy []float32, dx *[]float32) []float32 {
	p.weights(grad, n, x, dy)
	out := sized(dx, n*l.In)
	p.gemm(false, true, n, l.In, l.Out, dy, l.Weight, 0, out)
	return out
}

func (p *pass) weights(grad *agent.Layer, n int, x, dy []float32) {
	p.gemm(true, false, grad.In, grad.Out, n, x, dy, 1, grad.Weight)
	for i := 0; i < len(dy) && len(grad.Bias) > 0; i += grad.Out {
		for j, v := range dy[i : i+grad.Out] {
			grad.Bias[j] += v
		}
	}
}

// gate stops the gradients where the ReLU was closed; y are its outputs.
func gate(dy, y []float32) {
	for i, v := range y {
		if v <= 0 {
			dy[i] = 0
		}
	}
}

// adam is the optimiser of Kingma and Ba, "Adam" (ICLR 2015), Algorithm 1.
type adam struct {
	m, v []float32
	t    int
}

const (
	adamBeta1 = 0.9
	adamBeta2 = 0.999
	adamEps   = 1e-8
)

func (a *adam) step(params, grad []float32, rate float64) {
	if a.m == nil {
		a.m, a.v = make([]float32, len(params)), make([]float32, len(params))
	}
	a.t++
	correct1 := 1 - math.Pow(adamBeta1, float64(a.t))
	correct2 := 1 - math.Pow(adamBeta2, float64(a.t))
	scale, root := float32(rate/correct1), float32(1/math.Sqrt(correct2))
	for i, g := range grad {
		a.m[i] += (1 - adamBeta1) * (g - a.m[i])
		a.v[i] += (1 - adamBeta2) * (g*g - a.v[i])
		params[i] -= scale * a.m[i] / (float32(math.Sqrt(float64(a.v[i])))*root + adamEps)
	}
}

// clip scales grad down to a Euclidean norm of at most limit and returns the norm before.
func clip(grad []float32, limit float64) float64 {
	var sum float64
	for _, g := range grad {
		sum += float64(g) * float64(g)
	}
	norm := math.Sqrt(sum)
	if norm > limit {
		scale := float32(limit / norm)
		for i := range grad {
			grad[i] *= scale
		}
	}
	return norm
}

// huber is the loss of a temporal-difference error and its derivative, with delta 1.
func huber(e float64) (loss, derivative float64) {
	if a := math.Abs(e); a > 1 {
		return a - 0.5, math.Copysign(1, e)
	}
	return e * e / 2, e
}
