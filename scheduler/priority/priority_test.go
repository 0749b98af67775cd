package priority_test

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/priority"
)

func unit(form string, w priority.Values) *priority.Model {
	m := &priority.Model{Form: form, Weight: w}
	for k := range m.High {
		m.High[k] = 1
	}
	return m
}

func TestLinearScoreByHand(t *testing.T) {
	m := unit(priority.Linear, priority.Values{priority.Exec: -0.5, priority.Freq: 0.25, priority.Init: 0.25})
	x := priority.Values{priority.Exec: 0.2, priority.Freq: 1, priority.Init: 0.5}
	// The sum is -0.1 + 0.25 + 0.125 = 0.275 in [-0.5, 0.5].
	if got := m.Score(&x); math.Abs(got-0.775) > 1e-12 {
		t.Errorf("Score = %g, want 0.775", got)
	}
}

func TestLoglinearRanksByTheProduct(t *testing.T) {
	m := unit(priority.Loglinear, priority.Values{priority.Freq: 0.5, priority.Exec: -0.5})
	hi := priority.Values{priority.Freq: 0.9, priority.Exec: 0.1}
	lo := priority.Values{priority.Freq: 0.1, priority.Exec: 0.9}
	if m.Score(&hi) <= m.Score(&lo) {
		t.Errorf("frequent and short scores %g, rare and long %g", m.Score(&hi), m.Score(&lo))
	}
}

func TestScoreStaysInBoundsAndFollowsTheSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &priority.Model{Form: rapid.SampledFrom([]string{priority.Linear, priority.Loglinear}).Draw(t, "form")}
		sum := 0.0
		for k := range m.Weight {
			m.Weight[k] = rapid.Float64Range(-1, 1).Draw(t, "w")
			sum += math.Abs(m.Weight[k])
			m.High[k] = rapid.Float64Range(0.1, 10).Draw(t, "high")
		}
		if sum == 0 {
			return
		}
		for k := range m.Weight {
			m.Weight[k] /= sum
		}
		var x priority.Values
		for k := range x {
			x[k] = rapid.Float64Range(-1, 20).Draw(t, "x")
		}
		s := m.Score(&x)
		if !(s >= 0 && s <= 1) {
			t.Fatalf("Score = %g, want a number in [0, 1]", s)
		}
		k := rapid.IntRange(0, priority.Factors-1).Draw(t, "k")
		y := x
		y[k]++
		if d := m.Score(&y) - s; d*m.Weight[k] < -1e-12 {
			t.Fatalf("factor %v of weight %g raised the score by %g", priority.Factor(k), m.Weight[k], d)
		}
	})
}

func TestJSONRoundTrip(t *testing.T) {
	m := unit(priority.Loglinear, priority.Presets()[3].Weight)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var got priority.Model
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got != *m {
		t.Errorf("got %+v, want %+v", got, *m)
	}
}

func TestBadModelsAreRefused(t *testing.T) {
	for _, in := range []string{
		`{"form":"cubic","factors":[]}`,
		`{"form":"linear","factors":[]}`,
		`{"form":"linear","factors":[{"factor":"colour","weight":1}]}`,
		`{"form":"linear","factors":[{"factor":"cpu","weight":1,"low":2,"high":1}]}`,
		`{"form":"linear","factors":[{"factor":"cpu","weight":0.5},{"factor":"cpu","weight":0.5}]}`,
	} {
		var m priority.Model
		if err := json.Unmarshal([]byte(in), &m); err == nil {
			t.Errorf("%s: accepted", in)
		}
	}
}

func TestPresetsAreValid(t *testing.T) {
	for _, p := range priority.Presets() {
		if err := unit(p.Form, p.Weight).Validate(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
