package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
)

// Names of the metrics that training records.
const (
	MetricReturn   = "episode/return" // per episode: minus the undiscounted cost per unit of priority, in seconds
	MetricLoss     = "loss/td"        // mean Huber loss of the last lossEvery steps
	MetricGradNorm = "grad/norm"      // mean before clipping
	MetricQ        = "value/mean"     // mean Q-value of the actions taken, scaled
	MetricEpsilon  = "epsilon"
	MetricEval     = "eval/cost" // of the greedy network on the evaluation windows: as MetricReturn, without the minus
)

// lossEvery steps make one point of a curve.
const lossEvery = 50

// RandomRule is the rule that the others have to beat, and that no one imitates.
const RandomRule = "random"

// Curves are the course of training.
type Curves struct {
	Return []float64 // per episode, as MetricReturn
	QLoss  []float64 // per lossEvery steps, as MetricLoss
	Eval   []float64 // per evaluation, from before the first decision on, as MetricEval
	Expert string    // the rule that was imitated
}

// start is what training goes on from.
type start struct {
	network *agent.Network
	scale   float64
}

// Train learns to dispatch in the windows. It returns the network that did best on a few
// of them, under seeds of their own.
func Train(ctx context.Context, episode Episode, windows []datasets.Window, o Options, rec train.Recorder) (*agent.Network, Curves, error) {
	if err := o.Validate(); err != nil {
		return nil, Curves{}, err
	}
	l, err := learn(ctx, episode, windows, o, rec, nil)
	if err != nil {
		return nil, Curves{}, err
	}
	return l.best, l.curves, nil
}

// A learner is training under way.
type learner struct {
	o       Options
	episode Episode
	windows []datasets.Window
	rec     train.Recorder
	rng     *rand.Rand

	online, target, grad model
	optimiser            adam
	evaluator            *agent.Evaluator
	now, then, ahead     *pass // of the states, of their successors, and of those under the target
	states, successors   batch
	q                    []float32

	experience, demos replay
	scale, mean       float64 // of the returns that were demonstrated
	steps             int
	timestep          int
	sumLoss, sumNorm  float64
	sumQ              float64

	best     *agent.Network
	bestCost float64
	curves   Curves
}

// learn is the algorithm, in order.
func learn(ctx context.Context, episode Episode, windows []datasets.Window, o Options, rec train.Recorder, from *start) (*learner, error) {
	if rec == nil {
		rec = train.Discard
	}
	l := &learner{o: o, episode: episode, rec: rec, rng: seed.Stream(o.Seed, "agent/train"), bestCost: math.Inf(1)}
	if err := l.prepare(ctx, windows, from); err != nil {
		return nil, err
	}
	if err := l.demonstrate(ctx, from); err != nil {
		return nil, err
	}
	for range o.PretrainSteps {
		if from != nil || !l.demos.usable() {
			break
		}
		l.step(1)
	}
	if err := l.evaluate(ctx); err != nil {
		return nil, err
	}
	next := o.TotalTimesteps / o.Evaluations
	for round := 0; l.timestep < o.TotalTimesteps; round++ {
		before := l.timestep
		for _, i := range l.rng.Perm(len(l.windows)) {
			if l.timestep >= o.TotalTimesteps {
				break
			}
			a, err := run(ctx, episode, l.windows[i], l.rng.Uint64(), o, func(_ decide.Signals, a *actor) error {
				a.steps, a.choose = &l.experience, l.act
				return nil
			})
			if errors.Is(err, sim.ErrNoRequests) {
				continue
			}
			if err != nil {
				return nil, err
			}
			l.curves.Return = append(l.curves.Return, -a.meter.perWeight())
			rec.Record(MetricReturn, l.timestep, -a.meter.perWeight())
			if l.timestep >= next {
				next += o.TotalTimesteps / o.Evaluations
				if err := l.evaluate(ctx); err != nil {
					return nil, err
				}
			}
		}
		if l.timestep == before {
			return nil, errors.New("agent: the windows hold no decision to learn from")
		}
	}
	if err := l.evaluate(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// prepare makes the networks and drops windows without requests.
func (l *learner) prepare(ctx context.Context, windows []datasets.Window, from *start) (err error) {
	if len(windows) == 0 {
		return errors.New("agent: no windows to train on")
	}
	l.windows = windows
	k, h := l.o.Observation.Candidates, l.o.Hidden
	for _, m := range []*model{&l.online, &l.target, &l.grad} {
		if *m, err = newModel(k, h); err != nil {
			return err
		}
	}
	if from == nil {
		l.online.initialise(l.rng)
	} else {
		for i, to := range l.online.net.Layers() {
			source := from.network.Layers()[i]
			copy(to.Weight, source.Weight)
			copy(to.Bias, source.Bias)
		}
	}
	copy(l.target.params, l.online.params)
	l.evaluator = agent.NewEvaluator(l.online.net)
	l.now, l.then, l.ahead = newPass(l.o.Gemm), newPass(l.o.Gemm), newPass(l.o.Gemm)
	l.q = make([]float32, 2*k+1)
	l.experience.limit = l.o.BufferSize
	return ctx.Err()
}

// demonstrate records what the rules do and finds the best of them.
func (l *learner) demonstrate(ctx context.Context, from *start) error {
	names := policy.Rules()
	l.demos.limit = max(l.o.Demonstrations*len(names), 2)
	rng := seed.Stream(l.o.Seed, "agent/demonstrations")
	seeds := make([]uint64, len(l.windows))
	for i := range seeds {
		seeds[i] = rng.Uint64()
	}
	least := math.Inf(1)
	var expert [2]int // its steps in the buffer
	for _, name := range names {
		begin, total, runs := len(l.demos.steps), 0.0, 0
		for i, w := range l.windows {
			if i >= demonstrationWindows && (i >= 4*demonstrationWindows || len(l.demos.steps)-begin >= l.o.Demonstrations) {
				break
			}
			full := replay{limit: max(l.o.Demonstrations, 2)}
			a, err := run(ctx, l.episode, w, seeds[i], l.o, func(g decide.Signals, a *actor) (err error) {
				a.rule, err = policy.Rule(name, g, l.o.Seed)
				a.steps = &full
				return err
			})
			if errors.Is(err, sim.ErrNoRequests) {
				continue
			}
			if err != nil {
				return fmt.Errorf("demonstrate %s: %w", name, err)
			}
			if i < demonstrationWindows { // the same ones for all
				total += a.meter.perWeight()
				runs++
			}
			l.keep(&full, begin)
		}
		if cost := total / float64(max(runs, 1)); runs > 0 && name != RandomRule && cost < least {
			least, l.curves.Expert = cost, name
			expert = [2]int{begin, len(l.demos.steps)}
		}
	}
	for i := expert[0]; i < expert[1]; i++ {
		l.demos.steps[i].expert = true
	}
	l.demos.limit = len(l.demos.steps) + 1 // nothing is written any more: the last has no successor
	l.demos.next = len(l.demos.steps)
	if from != nil {
		l.scale = from.scale
		return nil
	}
	l.measureReturns()
	for _, layer := range []*agent.Layer{&l.online.net.Start, &l.online.net.Defer} {
		for i := range layer.Bias {
			layer.Bias[i] = float32(l.mean / l.scale)
		}
	}
	copy(l.target.params, l.online.params)
	return nil
}

// demonstrationWindows are what the rules are compared on.
const demonstrationWindows = 3

// keep moves the steps of a demonstration, up to what a rule may record, to the demos.
func (l *learner) keep(full *replay, begin int) {
	n := len(full.steps)
	for i := range n {
		if len(l.demos.steps)-begin >= l.o.Demonstrations {
			break
		}
		s := full.steps[(full.next%max(n, 1)+i)%n] // from the oldest on
		l.demos.steps = append(l.demos.steps, s)
	}
	if n := len(l.demos.steps); n > 0 {
		l.demos.steps[n-1].linked = false
	}
}

// measureReturns sets scale and mean: the spread and the mean of the discounted returns
// that follow the demonstrated decisions.
func (l *learner) measureReturns() {
	var n, sum, squares, g float64
	for i := len(l.demos.steps) - 1; i >= 0; i-- {
		s := &l.demos.steps[i]
		if !s.linked {
			g = math.NaN() // what follows the last decision is not known
			continue
		}
		if math.IsNaN(g) {
			g = 0
		}
		g = s.reward + s.discount*g
		n, sum, squares = n+1, sum+g, squares+g*g
	}
	l.scale = 1
	if n > 1 {
		l.mean = sum / n
		if v := squares/n - l.mean*l.mean; v > 0 {
			l.scale = math.Sqrt(v)
		}
	}
}

// act explores, and learns from what was done before.
func (l *learner) act(o *agent.Observation) int {
	if l.timestep >= l.o.TotalTimesteps { // to the end of the episode
		l.evaluator.Forward(o, l.q)
		return o.Best(l.q)
	}
	if l.timestep >= l.o.LearningStarts && l.timestep%l.o.TrainFrequency == 0 && l.experience.usable() {
		l.step(1 - float64(l.timestep)/float64(l.o.TotalTimesteps))
	}
	e := l.epsilon()
	l.timestep++
	if l.rng.Float64() < e {
		return random(o, l.rng)
	}
	l.evaluator.Forward(o, l.q)
	return o.Best(l.q)
}

func (l *learner) epsilon() float64 {
	done := min(float64(l.timestep)/(l.o.ExplorationFraction*float64(l.o.TotalTimesteps)), 1)
	return l.o.StartE + done*(l.o.EndE-l.o.StartE)
}

// random draws one of the legal actions.
func random(o *agent.Observation, rng *rand.Rand) int {
	n := 0
	for _, legal := range o.Legal {
		if legal {
			n++
		}
	}
	n = rng.IntN(n)
	for a, legal := range o.Legal {
		if legal {
			if n == 0 {
				return a
			}
			n--
		}
	}
	panic("agent: no legal action")
}

// step is one gradient step; left is the share of training that lies ahead.
func (l *learner) step(left float64) {
	o := l.o
	demos := 0
	switch {
	case !l.experience.usable():
		demos = o.BatchSize
	case l.demos.usable():
		demos = int(math.Round(o.DemonstrationShare * float64(o.BatchSize)))
	}
	samples := make([]*step, o.BatchSize)
	rewards, discounts := make([]float64, o.BatchSize), make([]float64, o.BatchSize)
	successors := make([]*step, o.BatchSize)
	l.states.reset()
	l.successors.reset()
	for b := range samples {
		r := &l.experience
		if b < demos {
			r = &l.demos
		}
		i := r.sample(l.rng)
		reward, discount, at := r.target(i, o.NStep)
		samples[b], successors[b] = &r.steps[i], &r.steps[at]
		rewards[b], discounts[b] = reward/l.scale, discount
		l.states.add(samples[b].x, samples[b].g[:])
		l.successors.add(successors[b].x, successors[b].g[:])
	}
	// y = R + gamma' Q_target(s', argmax_a Q(s', a)), a legal
	l.then.forward(l.online.net, &l.successors)
	l.ahead.forward(l.target.net, &l.successors)
	l.now.forward(l.online.net, &l.states)
	l.now.clearGradients()
	var loss, q float64
	scale := 1 / float32(o.BatchSize)
	for b, s := range samples {
		greedy := l.then.best(b, successors[b].legal, -1, 0)
		y := rewards[b] + discounts[b]*float64(*l.ahead.value(b, greedy))
		value := float64(*l.now.value(b, s.action))
		e, derivative := huber(value - y)
		loss += e
		q += value
		*l.now.gradient(b, s.action) += scale * float32(derivative)
		if s.expert && o.DemonstrationMargin > 0 {
			// max_a (Q(s, a) + margin [a is another]) - Q(s, expert)  (Hester et al., Eq. 1)
			if a := l.now.best(b, s.legal, s.action, float32(o.DemonstrationMargin)); a != s.action {
				*l.now.gradient(b, a) += scale * float32(left)
				*l.now.gradient(b, s.action) -= scale * float32(left)
			}
		}
	}
	clear(l.grad.params)
	l.now.backward(l.online.net, l.grad.net)
	norm := clip(l.grad.params, o.MaxGradNorm)
	l.optimiser.step(l.online.params, l.grad.params, o.LearningRate*(0.1+0.9*left))
	tau := float32(o.Tau)
	for i, v := range l.online.params {
		l.target.params[i] += tau * (v - l.target.params[i])
	}
	l.evaluator.Reset()

	l.sumLoss += loss / float64(o.BatchSize)
	l.sumNorm += norm
	l.sumQ += q / float64(o.BatchSize)
	if l.steps++; l.steps%lossEvery == 0 {
		l.curves.QLoss = append(l.curves.QLoss, l.sumLoss/lossEvery)
		l.rec.Record(MetricLoss, l.steps, l.sumLoss/lossEvery)
		l.rec.Record(MetricGradNorm, l.steps, l.sumNorm/lossEvery)
		l.rec.Record(MetricQ, l.steps, l.sumQ/lossEvery)
		l.rec.Record(MetricEpsilon, l.steps, l.epsilon())
		l.sumLoss, l.sumNorm, l.sumQ = 0, 0, 0
	}
}

// value is the place of the Q-value of an action of observation b.
func (p *pass) value(b, action int) *float32 { return place(p.b, p.q, p.d, b, action) }

// gradient is the place of the derivative of the loss by value.
func (p *pass) gradient(b, action int) *float32 { return place(p.b, p.dq, p.dd, b, action) }

func place(batch *batch, starts, defers []float32, b, action int) *float32 {
	from, to := batch.first[b], batch.first[b+1]
	if action == 2*(to-from) {
		return &defers[b]
	}
	return &starts[2*from+action]
}

// best is the legal action of observation b with the largest Q-value, of equals the
// first, where all but the action expert are raised by margin.
func (p *pass) best(b int, legal []bool, expert int, margin float32) int {
	best, greatest := -1, float32(0)
	for a, ok := range legal {
		if !ok {
			continue
		}
		v := *p.value(b, a)
		if a != expert {
			v += margin
		}
		if best < 0 || v > greatest {
			best, greatest = a, v
		}
	}
	return best
}

// evaluate tries the network as it is and keeps it if none was better.
func (l *learner) evaluate(ctx context.Context) error {
	net := l.online.net.Clone()
	rng := seed.Stream(l.o.Seed, "agent/evaluate")
	var cost float64
	runs := 0
	// Evenly spaced, from the end: demonstrations come from the beginning.
	for i := range min(evaluationWindows, len(l.windows)) {
		w := l.windows[len(l.windows)-1-i*len(l.windows)/evaluationWindows%len(l.windows)]
		m, err := measure(ctx, l.episode, w, rng.Uint64(), l.o, greedy(net, l.o))
		if errors.Is(err, sim.ErrNoRequests) {
			continue
		}
		if err != nil {
			return fmt.Errorf("evaluate: %w", err)
		}
		cost += m.perWeight()
		runs++
	}
	cost /= float64(max(runs, 1))
	l.curves.Eval = append(l.curves.Eval, cost)
	l.rec.Record(MetricEval, l.timestep, cost)
	if cost < l.bestCost || l.best == nil {
		l.best, l.bestCost = net, cost
	}
	return nil
}

// evaluationWindows are what the checkpoints are compared on.
const evaluationWindows = 8
