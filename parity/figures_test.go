//go:build parity

package parity_test

import (
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/queueing"
	"github.com/incendio-faas/incendio/train/rank"
)

// TestFigures compares statistics with SciPy's, and Erlang's formula with the textbook
// sum in exact fractions, on random inputs.
func TestFigures(t *testing.T) {
	r := seed.Stream(11, "parity/figures")
	var in struct {
		Spearman [][2][]*float64 `json:"spearman"`
		Erlang   [][2]float64    `json:"erlang"`
		Poisson  [][3]float64    `json:"poisson"`
	}
	var spearman, erlang, tail, quantile []float64
	for range 200 {
		n := 3 + r.IntN(300)
		levels := 2 + r.IntN(2*n) // few levels make ties
		var pair [2][]*float64
		var values [2][]float64
		for range n {
			x := math.Floor(r.Float64() * float64(levels))
			for side, v := range []float64{x, math.Round(x*r.Float64()) + r.NormFloat64()*float64(r.IntN(2))} {
				// The first rows differ on both sides, so that no side is constant.
				if i := len(values[side]); i < 2 {
					v = float64(i)
				} else if r.IntN(20) == 0 {
					v = math.NaN()
				}
				values[side] = append(values[side], v)
				if p := &v; v == v {
					pair[side] = append(pair[side], p)
				} else {
					pair[side] = append(pair[side], nil)
				}
			}
		}
		in.Spearman = append(in.Spearman, pair)
		spearman = append(spearman, rank.Spearman(values[0], values[1]))

		c := 1 + r.IntN(120)
		load := float64(c) * r.Float64()
		in.Erlang = append(in.Erlang, [2]float64{float64(c), load})
		erlang = append(erlang, queueing.ErlangC(c, load))

		mean, k, q := math.Exp(r.NormFloat64()*2), r.IntN(30), r.Float64()
		in.Poisson = append(in.Poisson, [3]float64{mean, float64(k), q})
		tail = append(tail, queueing.PoissonTail(mean, k))
		quantile = append(quantile, float64(queueing.PoissonQuantile(mean, q)))
	}
	var want struct {
		Spearman, Erlang []float64
		Poisson          [][2]float64
	}
	peer(t, "figures.py", in, &want)
	for _, c := range []struct {
		name      string
		got       []float64
		want      func(i int) float64
		tolerance float64
	}{
		{"Spearman", spearman, func(i int) float64 { return want.Spearman[i] }, 1e-12},
		{"Erlang C", erlang, func(i int) float64 { return want.Erlang[i] }, 1e-12},
		{"Poisson tail", tail, func(i int) float64 { return want.Poisson[i][0] }, 1e-12},
		{"Poisson quantile", quantile, func(i int) float64 { return want.Poisson[i][1] }, 0},
	} {
		worst := 0.0
		for i, got := range c.got {
			if d := math.Abs(got - c.want(i)); !(d <= c.tolerance) {
				t.Errorf("%s, case %d: %v, expected %v", c.name, i, got, c.want(i))
			} else {
				worst = max(worst, d)
			}
		}
		t.Logf("%s: %d cases, largest difference %.2g", c.name, len(c.got), worst)
	}
}
