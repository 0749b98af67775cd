package chains

import (
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// points is how many equally likely values stand for a distribution.
const points = 256

// A sample is a distribution as points equally likely values in seconds, ascending. Sums
// keep the mean exactly; a value is the mean of the part of the distribution for which it stands.
type sample []float64

func sampleOf(d datasets.Distribution) sample {
	out := make(sample, points)
	for i := range out {
		out[i] = d.Quantile((float64(i) + 0.5) / points).Seconds()
	}
	return out
}

// atom is a value and its probability, in multiples of that of a point.
type atom struct{ value, weight float64 }

// equalise makes a sample of atoms, whose weights sum to points.
func equalise(atoms []atom) sample {
	slices.SortFunc(atoms, func(a, b atom) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	out := make(sample, points)
	i, full := 0, 0.0
	for _, a := range atoms {
		for a.weight > 0 && i < points {
			take := math.Min(a.weight, 1-full)
			out[i] += take * a.value
			full += take
			a.weight -= take
			if full >= 1-1e-9 {
				i, full = i+1, 0
			}
		}
	}
	return out
}

// plus is the distribution of the sum of two independent times: their convolution.
func (s sample) plus(o sample) sample {
	sums := make([]float64, 0, points*points)
	for _, a := range s {
		for _, b := range o {
			sums = append(sums, a+b)
		}
	}
	slices.Sort(sums)
	out := make(sample, points)
	for i := range out {
		for _, x := range sums[i*points : (i+1)*points] {
			out[i] += x / points
		}
	}
	return out
}

// longest is the distribution of the longest of n independent times: the CDF to the power n.
func (s sample) longest(n int) sample {
	if n == 1 {
		return s
	}
	atoms := make([]atom, points)
	before := 0.0
	for i, v := range s {
		p := math.Pow(float64(i+1)/points, float64(n))
		atoms[i] = atom{v, points * (p - before)}
		before = p
	}
	return equalise(atoms)
}

// perhaps is the distribution of s, plus with probability p an independent o.
func (s sample) perhaps(o sample, p float64) sample {
	if p == 0 {
		return s
	}
	atoms := make([]atom, 0, 2*points)
	for _, v := range s.plus(o) {
		atoms = append(atoms, atom{v, p})
	}
	for _, v := range s {
		atoms = append(atoms, atom{v, 1 - p})
	}
	return equalise(atoms)
}

// shifted is s plus a constant.
func (s sample) shifted(by time.Duration) sample {
	out := slices.Clone(s)
	for i := range out {
		out[i] += by.Seconds()
	}
	return out
}

// distribution is s as a table, with the same mean to the microsecond.
func (s sample) distribution() datasets.Distribution {
	d := datasets.Distribution{Prob: []float64{0}, Value: []time.Duration{seconds(s[0])}}
	for i, v := range s {
		d.Prob = append(d.Prob, (float64(i)+0.5)/points)
		d.Value = append(d.Value, seconds(v))
	}
	d.Prob = append(d.Prob, 1)
	d.Value = append(d.Value, seconds(s[points-1]))
	return d
}

func seconds(x float64) time.Duration {
	return time.Duration(math.Round(x*1e6)) * time.Microsecond
}

// Latency is the distribution of the time that a request of the chain takes under a plan,
// where a container starts cold with probability cold, in [0, 1], and nobody waits.
func (c *Chain) Latency(functions []datasets.Function, p Plan, cold float64) datasets.Distribution {
	var sum sample
	for i, u := range c.units(p) {
		one := u.execution(functions).perhaps(sampleOf(u.slowest(functions).Initialisation), cold).longest(u.width)
		if i == 0 {
			sum = one
		} else {
			sum = sum.plus(one).shifted(c.Transfer)
		}
	}
	return sum.distribution()
}

// execution of one invocation of the unit.
func (u *unit) execution(functions []datasets.Function) sample {
	var sum sample
	for i, s := range u.stages {
		one := sampleOf(functions[s.Function].Execution).longest(u.bundled(s))
		if i == 0 {
			sum = one
		} else {
			sum = sum.plus(one)
		}
	}
	return sum
}

// slowest is the function of the unit that takes longest to start, in the mean.
func (u *unit) slowest(functions []datasets.Function) *datasets.Function {
	out := &functions[u.stages[0].Function]
	for _, s := range u.stages[1:] {
		if f := &functions[s.Function]; f.Initialisation.Mean() > out.Initialisation.Mean() {
			out = f
		}
	}
	return out
}
