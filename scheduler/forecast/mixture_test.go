package forecast

import (
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
)

// Without forgetting, the mean loss comes close to that of the best expert, whichever it is, and
// the regret per minute falls with the number of minutes.
func TestMixtureRegret(t *testing.T) {
	for best := range 5 {
		m := newMixture(5, 0)
		rnd := seed.Stream(uint64(best), "mixture")
		var own float64
		var each [5]float64
		experts := make([]float32, 5)
		regret := map[int]float64{}
		for minute := range 20_000 {
			y := 10 + rnd.NormFloat64()
			for k := range experts {
				noise := 4.
				if k == best {
					noise = 0.5
				}
				experts[k] = float32(10 + noise*math.Abs(rnd.NormFloat64())) // all err upwards: no mixture is better
			}
			f := m.forecast(experts)
			own += math.Abs(y - f)
			for k, x := range experts {
				each[k] += math.Abs(y - float64(x))
			}
			m.observe(experts, f, math.Copysign(1, f-y), 1)
			regret[minute+1] = (own - each[best]) / float64(minute+1)
		}
		if r := regret[20_000]; r > 0.05 || r > regret[1000]/2 && r > 0.01 {
			t.Errorf("best expert %d: regret a minute is %v after 20000 minutes, %v after 1000", best, r, regret[1000])
		}
	}
}

// With forgetting, the mixture follows when another expert becomes the best.
func TestMixtureFollows(t *testing.T) {
	m := newMixture(2, 0)
	for minute := range 2000 {
		experts := []float32{1, 5}
		y := 1.
		if minute >= 1000 {
			y = 5
		}
		f := m.forecast(experts)
		if off := math.Abs(f - y); off > 0.1 && (minute > 300 && minute < 1000 || minute > 1400) {
			t.Fatalf("minute %d: forecast is %v, expected %v", minute, f, y)
		}
		m.observe(experts, f, math.Copysign(1, f-y), memory)
	}
}
