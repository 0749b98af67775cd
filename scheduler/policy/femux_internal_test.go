package policy

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestFeMuxChoosesTheLeastRUM: after a block every function has the forecaster with the least
// RUM, by its definition from the forecasts of each minute, summed over the functions whose blocks
// look like its own.
func TestFeMuxChoosesTheLeastRUM(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const block, n = 120, 4
		o := FeMuxOptions{Block: block, Cold: rapid.Float64Range(0, 4).Draw(t, "cold"), Memory: rapid.Float64Range(0, 4).Draw(t, "memory")}
		p := FeMux(make([]decide.Profile, n), 0, o).Pool.(*femux)
		series := make([][]float64, n)
		var rum [n]femuxRUM
		gb := []float64{0.125, 0.5, 1, 2}
		for id := range n {
			f := &p.functions[id]
			f.known = true
			p.known = append(p.known, decide.FunctionID(id))
			pattern := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 0, 0, 0.02, 0.3, 1, 2.5}), 1, 20).Draw(t, "pattern")
			for m := range block {
				c := pattern[m%len(pattern)]
				arrivals := math.Ceil(3 * c)
				for k, v := range f.forecast {
					had := 0.0
					if v >= 8e-6 {
						had = math.Ceil(v)
					}
					cold := min(arrivals, max(0, math.Ceil(c)-had))
					rum[id][k] += o.Cold*0.808*cold + o.Memory*max(0, had+cold/2-c)*gb[id]*60/99.69
				}
				p.charge(f, c, arrivals, gb[id])
				f.series.add(c, block)
				series[id] = append(series[id], c)
				p.bank.forecast(f)
			}
		}
		p.choose(block)
		for id := range n {
			var sum femuxRUM
			for other := range n {
				if classify(series[other]) == classify(series[id]) {
					for k, v := range rum[other] {
						sum[k] += v
					}
				}
			}
			for k, v := range sum {
				if v < sum[p.functions[id].choice]-1e-9 {
					t.Fatalf("function %d has forecaster %d of RUM %g, and %d has %g", id, p.functions[id].choice, sum[p.functions[id].choice], k, v)
				}
			}
		}
		if p.look != 2*block {
			t.Fatalf("looks next after %d minutes", p.look)
		}
	})
}

// TestFeMuxForgetsPartsOfTheFirstBlock: the sums of a part of the first block are not counted
// again with the whole one.
func TestFeMuxForgetsPartsOfTheFirstBlock(t *testing.T) {
	p := FeMux(make([]decide.Profile, 1), 0, FeMuxOptions{Block: 120, Cold: 1, Memory: 1}).Pool.(*femux)
	p.known = append(p.known, 0)
	for _, minute := range []int{15, 30, 60, 120, 240} {
		p.functions[0].rum[femuxChain] = 7
		p.choose(minute)
		var sum float64
		for _, r := range p.classes {
			sum += r[femuxChain]
		}
		if want := map[bool]float64{false: 7, true: 14}[minute == 240]; sum != want {
			t.Errorf("after %d minutes the sum is %g, want %g", minute, sum, want)
		}
	}
}
