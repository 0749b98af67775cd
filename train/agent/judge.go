package agent

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Comparison is a network against every rule on the same windows, under the same seeds.
type Comparison struct {
	Windows int `json:"windows"` // that had requests
	Seeds   int `json:"seeds"`

	// Mean priority-weighted latencies in milliseconds, over windows and seeds.
	Agent float64            `json:"agent_ms"`
	Rules map[string]float64 `json:"rules_ms"`

	runs [][]float64          // (networks; windows, seeds): the agent is the first network
	each map[string][]float64 // (windows, seeds): of the rules
}

// bestRule is the rule other than random with the least mean, of equals the first by name.
func (c *Comparison) bestRule() string {
	best := ""
	for _, name := range policy.Rules() {
		if name != RandomRule && (best == "" || c.Rules[name] < c.Rules[best]) {
			best = name
		}
	}
	return best
}

// perSeed is the mean over the windows for each seed.
func (c *Comparison) perSeed(runs []float64) []float64 {
	out := make([]float64, c.Seeds)
	for i, v := range runs {
		out[i%c.Seeds] += v / float64(c.Windows)
	}
	return out
}

// Compare replays every window under JudgeSeeds seeds, with the greedy network and with
// every rule. Windows without requests are left out; it is an error if none is left.
func Compare(ctx context.Context, episode Episode, windows []datasets.Window, n *agent.Network, o Options) (*Comparison, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return compare(ctx, episode, windows, o, n)
}

func compare(ctx context.Context, episode Episode, windows []datasets.Window, o Options, networks ...*agent.Network) (*Comparison, error) {
	names := policy.Rules()
	var candidates []NewDispatcher
	for _, n := range networks {
		candidates = append(candidates, greedy(n, o))
	}
	for _, name := range names {
		candidates = append(candidates, rule(name, o.Seed))
	}
	key := seed.Key(o.Seed, "agent/judge")
	results := make([]float64, len(candidates)*len(windows)*o.JudgeSeeds)
	err := judgeAll(ctx, o, len(results), func(ctx context.Context, i int) error {
		run, candidate := i/len(candidates), i%len(candidates)
		w, s := windows[run/o.JudgeSeeds], uint64(run%o.JudgeSeeds)
		m, err := measure(ctx, episode, w, key+s, o, candidates[candidate])
		if errors.Is(err, sim.ErrNoRequests) {
			results[i] = math.NaN()
			return nil
		}
		if err != nil {
			return fmt.Errorf("judge: %w", err)
		}
		results[i] = m.weightedMS()
		return nil
	})
	if err != nil {
		return nil, err
	}
	c := &Comparison{
		Seeds: o.JudgeSeeds, Rules: map[string]float64{},
		runs: make([][]float64, len(networks)), each: map[string][]float64{},
	}
	for w := range windows {
		from := w * o.JudgeSeeds * len(candidates)
		row := results[from : from+o.JudgeSeeds*len(candidates)]
		if anyNaN(row) {
			continue
		}
		c.Windows++
		for s := range o.JudgeSeeds {
			one := row[s*len(candidates) : (s+1)*len(candidates)]
			for n := range networks {
				c.runs[n] = append(c.runs[n], one[n])
			}
			for r, name := range names {
				c.each[name] = append(c.each[name], one[len(networks)+r])
			}
		}
	}
	if c.Windows == 0 {
		return nil, fmt.Errorf("agent: none of %d windows has requests to judge on", len(windows))
	}
	c.Agent = mean(c.runs[0])
	for _, name := range names {
		c.Rules[name] = mean(c.each[name])
	}
	return c, nil
}

// judgeAll calls do(0) to do(n-1) on as many goroutines as o allows.
func judgeAll(ctx context.Context, o Options, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(parallel.Workers(o.Workers))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return g.Wait()
}

func anyNaN(v []float64) bool {
	for _, x := range v {
		if math.IsNaN(x) {
			return true
		}
	}
	return false
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// interval is the 95 % bootstrap interval of the mean.
func interval(v []float64, rnd uint64) (low, high float64) {
	return metric.Bootstrap(len(v), resamples, 0.95, seed.Stream(rnd, "agent/bootstrap"), func(items []int) float64 {
		var sum float64
		for _, i := range items {
			sum += v[i]
		}
		return sum / float64(len(items))
	})
}
