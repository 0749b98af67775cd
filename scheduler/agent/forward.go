package agent

import "fmt"

// An Evaluator computes the Q-values of a Network. It reuses its buffers, so each
// goroutine needs its own, and what it knows of a candidate: within an event most
// candidates are the same from one pick to the next, and their share of the work, which
// is most of it, is not done again.
type Evaluator struct {
	net *Network
	now seen
	old seen

	pooled, context, shared, hidden, tmp []float32
}

// seen holds what was computed of the candidates of one observation.
type seen struct {
	n    int
	rows []float32 // (K, Features)
	phi  []float32 // (K, H)
	own  []float32 // (K, H)
}

// NewEvaluator returns an evaluator of n. Where n changes, Reset must follow.
func NewEvaluator(n *Network) *Evaluator {
	k, h := n.Candidates, n.Hidden
	make2 := func() seen {
		return seen{rows: make([]float32, k*Features), phi: make([]float32, k*h), own: make([]float32, k*h)}
	}
	return &Evaluator{
		net: n, now: make2(), old: make2(),
		pooled: make([]float32, h+Globals), context: make([]float32, h), shared: make([]float32, h),
		hidden: make([]float32, h), tmp: make([]float32, h),
	}
}

// Reset forgets what is known of candidates.
func (e *Evaluator) Reset() { e.now.n, e.old.n = 0, 0 }

// Forward writes the 2K+1 Q-values of o to q. Those of empty rows are zero. It panics if
// o or q have other sizes than the network. It allocates nothing.
func (e *Evaluator) Forward(o *Observation, q []float32) {
	n := e.net
	k, h := n.Candidates, n.Hidden
	if o.K != k || len(q) != 2*k+1 {
		panic(fmt.Sprintf("agent: network of %d candidates, observation of %d, %d values", k, o.K, len(q)))
	}
	e.now, e.old = e.old, e.now
	e.now.n = o.N
	rows := o.Candidates[:o.N*Features]
	copy(e.now.rows, rows)
	pooled := e.pooled[:h]
	clear(pooled)
	for i := range o.N {
		row := rows[i*Features : (i+1)*Features]
		phi, own := e.now.phi[i*h:(i+1)*h], e.now.own[i*h:(i+1)*h]
		if j := e.old.find(row); j >= 0 {
			copy(phi, e.old.phi[j*h:(j+1)*h])
			copy(own, e.old.own[j*h:(j+1)*h])
		} else {
			n.Dense1.apply(row, e.tmp)
			relu(e.tmp)
			n.Dense2.apply(e.tmp, phi)
			relu(phi)
			n.Own.apply(phi, own)
		}
		m := o.Mask[i]
		for j, v := range phi {
			pooled[j] += m * v
		}
	}
	copy(e.pooled[h:], o.Global)
	n.Dense3.apply(e.pooled, e.context)
	relu(e.context)
	n.Shared.apply(e.context, e.shared)
	clear(q)
	for i := range o.N {
		own := e.now.own[i*h : (i+1)*h]
		for j, v := range e.shared {
			e.hidden[j] = own[j] + v
		}
		relu(e.hidden)
		n.Start.apply(e.hidden, q[2*i:2*i+2])
	}
	n.Defer.apply(e.context, q[2*k:])
}

// find returns the row equal to row, or -1.
func (s *seen) find(row []float32) int {
next:
	for i := range s.n {
		for j, v := range s.rows[i*Features : (i+1)*Features] {
			if v != row[j] {
				continue next
			}
		}
		return i
	}
	return -1
}

func relu(x []float32) {
	for i, v := range x {
		x[i] = max(v, 0)
	}
}

// apply sets y = x W + b. Four inputs are taken at once, so that y is loaded and stored
// a quarter as often; inputs that are zero, about half after a ReLU, are skipped.
func (l *Layer) apply(x, y []float32) {
	y = y[:l.Out]
	if len(l.Bias) > 0 {
		copy(y, l.Bias)
	} else {
		clear(y)
	}
	var value [4]float32
	var row [4][]float32
	n := 0
	for i, v := range x {
		if v == 0 {
			continue
		}
		value[n], row[n] = v, l.Weight[i*l.Out:(i+1)*l.Out]
		if n++; n < 4 {
			continue
		}
		n = 0
		a, b, c, d := value[0], value[1], value[2], value[3]
		ra, rb, rc, rd := row[0][:len(y)], row[1][:len(y)], row[2][:len(y)], row[3][:len(y)]
		for j := range y {
			y[j] += a*ra[j] + b*rb[j] + (c*rc[j] + d*rd[j])
		}
	}
	for i := range n {
		a, r := value[i], row[i][:len(y)]
		for j := range y {
			y[j] += a * r[j]
		}
	}
}

// Greedy chooses the legal action with the largest Q-value, of equals the first.
type Greedy struct {
	evaluator *Evaluator
	q         []float32
}

// NewGreedy returns the greedy chooser of n.
func NewGreedy(n *Network) *Greedy {
	return &Greedy{NewEvaluator(n), make([]float32, 2*n.Candidates+1)}
}

// Choose implements Chooser.
func (g *Greedy) Choose(o *Observation) int {
	g.evaluator.Forward(o, g.q)
	return o.Best(g.q)
}

// Best is the legal action with the largest value in q, of equals the first.
func (o *Observation) Best(q []float32) int {
	best := -1
	for a, legal := range o.Legal {
		if legal && (best < 0 || q[a] > q[best]) {
			best = a
		}
	}
	return best
}
