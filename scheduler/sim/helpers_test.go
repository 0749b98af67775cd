package sim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

const mb = 1 << 20

// function is a function with constant times.
func function(name string, memoryMB int64, cpu float64, execution, initialisation, termination time.Duration) datasets.Function {
	return datasets.Function{
		Owner: "owner", App: "app-" + name, Name: name, Memory: memoryMB * mb, CPU: cpu,
		Execution:      datasets.Constant(execution),
		Initialisation: datasets.Constant(initialisation),
		Termination:    datasets.Constant(termination),
	}
}

// counts builds a trace from the counts of each function by minute.
func counts(functions []datasets.Function, count [][]int) *datasets.Trace {
	minutes := 0
	for _, row := range count {
		minutes = max(minutes, len(row))
	}
	t := &datasets.Trace{Name: "test", Span: datasets.Window{From: 0, To: minutes}, Functions: slices.Clone(functions)}
	var days datasets.Memory
	for day := 0; day*datasets.MinutesPerDay < minutes; day++ {
		c := &datasets.Counts{Day: day, Offset: []int{0}}
		for _, row := range count {
			for m := range datasets.MinutesPerDay {
				if at := day*datasets.MinutesPerDay + m; at < len(row) && row[at] > 0 {
					c.Minute = append(c.Minute, int32(m))
					c.Count = append(c.Count, int64(row[at]))
				}
			}
			c.Offset = append(c.Offset, len(c.Minute))
		}
		days = append(days, c)
	}
	t.Source = days
	for i := range t.Functions {
		t.Functions[i].ID = datasets.FunctionID(i)
	}
	return t
}

// mixed is a trace of n functions that differ in memory, CPU, duration and rate
// (Zipf), with rate requests a minute in all.
func mixed(n, minutes int, rate float64, rnd uint64) *datasets.Trace {
	key := seed.Key(rnd, "mixed")
	functions := make([]datasets.Function, n)
	count := make([][]int, n)
	var norm float64
	for i := range n {
		norm += 1 / float64(i+1)
	}
	for i := range n {
		u := func(k int) float64 { return seed.Uniform(key, uint64(i*8+k)) }
		d := time.Duration(float64(20*time.Millisecond) * (1 + 50*u(0)*u(1)))
		c := time.Duration(float64(300*time.Millisecond) * (1 + 4*u(2)))
		functions[i] = function(fmt.Sprint("f", i), int64(64*(1+int(u(3)*6))), 0.25*float64(1+int(u(4)*8)), d, c, c/2)
		functions[i].App = fmt.Sprint("app", i/3)
		functions[i].Execution = datasets.Distribution{Prob: []float64{0, 0.5, 1}, Value: []time.Duration{d / 4, d, 4 * d}}
		functions[i].Initialisation = datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{c, 2 * c}}
		count[i] = make([]int, minutes)
		mean := rate / norm / float64(i+1)
		for m := range minutes {
			want := 2 * mean * seed.Uniform(key, uint64(1<<32+i*minutes+m))
			k := int(want)
			if seed.Uniform(key, uint64(1<<40+i*minutes+m)) < want-float64(k) {
				k++
			}
			count[i][m] = k
		}
	}
	return counts(functions, count)
}

func baseline(t testing.TB, name string) sim.Contender {
	t.Helper()
	p, err := sim.Baseline(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
