package sim_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/queueing"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// Theory that the simulator must agree with, each law under its own conditions. The
// seeds are fixed, so that a comparison with an interval always comes out the same.

// ideal has no start costs, and one function whose containers use next to no CPU.
func ideal(memoryMB int64, cpu float64) *datasets.Trace {
	tr := counts([]datasets.Function{function("f", memoryMB, cpu, 0, 0, 0)}, nil)
	return tr
}

// poisson draws n arrivals at a rate per second with the given durations.
func poisson(n int, rate float64, rnd uint64, duration func(i uint64) float64) []datasets.Invocation {
	key := seed.Key(rnd, "interarrival")
	out := make([]datasets.Invocation, n)
	at := 0.0
	for i := range out {
		at += -math.Log(1-seed.Uniform(key, uint64(i))) / rate
		out[i] = datasets.Invocation{Arrival: seconds(at), Duration: seconds(duration(uint64(i)))}
	}
	return out
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Truncate(time.Microsecond)
}

// play runs invocations and returns the outcomes in order of arrival.
func play(t testing.TB, tr *datasets.Trace, invocations []datasets.Invocation, policy string, o sim.Options) []sim.Outcome {
	t.Helper()
	tr.Span.To = int(invocations[len(invocations)-1].Arrival/time.Minute) + 1
	o.WarmupMinutes = 0
	var got outcomes
	o.Observer = &got
	w, err := sim.Single(tr, invocations, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(context.Background(), tr, w, baseline(t, policy).New, o); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got.all, func(a, b sim.Outcome) int { return int(a.Number) - int(b.Number) })
	return got.all
}

// agrees compares the mean of correlated values with what is expected: within 4
// standard errors of the means of 50 batches, and those small enough to tell anything.
func agrees(t *testing.T, what string, values []float64, want, precision float64) {
	t.Helper()
	const batches = 50
	values = values[len(values)/20:] // the queue was empty at first
	size := len(values) / batches
	var means [batches]float64
	var mean float64
	for b := range means {
		for _, v := range values[b*size : (b+1)*size] {
			means[b] += v / float64(size)
		}
		mean += means[b] / batches
	}
	var squares float64
	for _, m := range means {
		squares += (m - mean) * (m - mean)
	}
	se := math.Sqrt(squares / (batches - 1) / batches)
	if math.Abs(mean-want) > 4*se || se > precision*want {
		t.Errorf("%s: %g with a standard error of %g, want %g", what, mean, se, want)
	}
}

// TestErlangC: memory for c containers, no start cost, exponential times, FCFS, no
// time-out and CPU for all are the queue M/M/c.
func TestErlangC(t *testing.T) {
	for _, c := range []struct {
		servers int
		rho     float64
	}{{1, 0.5}, {3, 0.8}, {8, 0.9}} {
		o := sim.DefaultOptions()
		o.Cluster = sim.Cluster{Invokers: 1, Cores: 64, MemoryMB: 128 * c.servers, Sharing: sim.PS}
		o.Scheduler.Timeout = 1000 * 60 * decide.Minute
		const mu = 10.0
		lambda := c.rho * mu * float64(c.servers)
		key := seed.Key(uint64(c.servers), "service")
		all := play(t, ideal(128, 0.01), poisson(120_000, lambda, uint64(c.servers), func(i uint64) float64 {
			return -math.Log(1-seed.Uniform(key, i)) / mu
		}), "faascache", o)
		waits, waited, late := make([]float64, len(all)), make([]float64, len(all)), make([]float64, len(all))
		for i, x := range all {
			waits[i] = (x.Start - x.Arrival).Seconds()
			if x.Start > x.Arrival {
				waited[i] = 1
			}
			if waits[i] > 0.1 {
				late[i] = 1
			}
		}
		name := fmt.Sprintf("M/M/%d at %g: ", c.servers, c.rho)
		agrees(t, name+"P(W > 0)", waited, queueing.ErlangC(c.servers, lambda/mu), 0.05)
		agrees(t, name+"E W", waits, queueing.MeanWait(c.servers, lambda, mu), 0.1)
		agrees(t, name+"P(W > 100 ms)", late, 1-queueing.WaitWithin(c.servers, lambda, mu, 0.1), 0.15)
	}
}

// TestPollaczekKhinchine: one core, FIFO, containers for all, constant times are M/D/1;
// processor sharing of one core has the mean E S/(1-rho) whatever the distribution
// (M/G/1-PS, Kleinrock 1976, 4.4), here for times of which most are short.
func TestPollaczekKhinchine(t *testing.T) {
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 1 << 20, Sharing: sim.FIFO}
	o.Scheduler.Timeout = 1000 * 60 * decide.Minute
	const rho = 0.7
	latency := func(all []sim.Outcome) []float64 {
		out := make([]float64, len(all))
		for i, x := range all {
			out[i] = (x.Done - x.Arrival).Seconds()
		}
		return out
	}
	all := play(t, ideal(128, 1), poisson(120_000, rho/0.1, 5, func(uint64) float64 { return 0.1 }), "faascache", o)
	agrees(t, "M/D/1", latency(all), 0.1+queueing.MeanWaitGG(1, rho/0.1, 10, 1, 0), 0.05)

	o.Cluster.Sharing = sim.PS
	key := seed.Key(6, "service")
	all = play(t, ideal(128, 1), poisson(120_000, rho/0.1, 6, func(i uint64) float64 {
		if seed.Uniform(key, i) < 0.9 {
			return 0.05
		}
		return 0.55
	}), "faascache", o)
	agrees(t, "M/G/1-PS", latency(all), 0.1/(1-rho), 0.05)
}

// TestKeepAliveOfPoisson: with Poisson arrivals at rate lambda, a keep-alive of T and
// negligible times to execute and to start, a request is cold if none came in the T
// before it: with probability exp(-lambda T).
func TestKeepAliveOfPoisson(t *testing.T) {
	o := sim.DefaultOptions()
	for i, x := range []float64{0.1, 1, 3} { // lambda T
		all := play(t, ideal(128, 0.01), poisson(40_000, x/60, uint64(10+i), func(uint64) float64 { return 1e-6 }), "native:keep_alive_s=60", o)
		cold := make([]float64, len(all))
		for k, x := range all {
			if x.Class == sim.Cold {
				cold[k] = 1
			}
		}
		agrees(t, fmt.Sprintf("lambda T = %g", x), cold, math.Exp(-x), 0.05)
	}
}

// TestInclusion: LRU on one invoker, containers of one size, requests that do not
// overlap, no prewarm, no keep-alive that ends: a request that is cold with more memory
// is cold with less. (Sizes that differ break the law, and so does any of the others.)
func TestInclusion(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var functions []datasets.Function
		for range rapid.IntRange(1, 8).Draw(rt, "functions") {
			functions = append(functions, function("f", 128, 1, 0, 0, 0))
		}
		tr := counts(functions, nil)
		var invocations []datasets.Invocation
		for i, f := range rapid.SliceOfN(rapid.IntRange(0, len(functions)-1), 1, 60).Draw(rt, "order") {
			invocations = append(invocations, datasets.Invocation{
				Function: datasets.FunctionID(f), Arrival: time.Duration(i) * time.Second, Duration: 500 * time.Millisecond,
			})
		}
		o := sim.DefaultOptions()
		var less []sim.Outcome
		for slots := 1; slots <= 6; slots++ {
			o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 128 * slots, Sharing: sim.PS}
			more := play(t, tr, invocations, "native:keep_alive_s=1e9", o)
			for i := range less {
				if more[i].Class == sim.Cold && less[i].Class != sim.Cold {
					rt.Fatalf("request %d is cold with %d slots and %v with %d", i, slots, less[i].Class, slots-1)
				}
			}
			less = more
		}
	})
}

// TestSRPTIsLeast: on one core that every request can use alone, with free preemption,
// no start cost and memory for all, no discipline has a smaller mean.
func TestSRPTIsLeast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(rt, "requests")
		key := seed.Key(rapid.Uint64Range(0, 1000).Draw(rt, "seed"), "work")
		invocations := poisson(n, 5, rapid.Uint64Range(0, 1000).Draw(rt, "arrivals"), func(i uint64) float64 {
			return 0.3 * seed.Uniform(key, i) * seed.Uniform(key, i+1e6)
		})
		sum := make(map[string]decide.Time)
		for _, sharing := range []string{sim.SRPT, sim.PS, sim.FIFO} {
			o := sim.DefaultOptions()
			o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 1 << 16, Sharing: sharing}
			for _, x := range play(t, ideal(128, 1), invocations, "faascache", o) {
				sum[sharing] += x.Done - x.Arrival
			}
		}
		// A completion is rounded up to a microsecond, and delays those after it.
		slip := decide.Time(n * n)
		if sum[sim.SRPT] > sum[sim.PS]+slip || sum[sim.SRPT] > sum[sim.FIFO]+slip {
			rt.Fatalf("sums of latencies %v", sum)
		}
	})
}
