// Package priority scores functions: of two waiting requests, the one whose function
// scores higher is worth more to start. The models are those of Incendio
// (IEEE TC 2024), Section IV, over the factors of its Table I:
//
//	linear      p = sum_k w_k z_k                                  (Eq. 2)
//	loglinear   log p = sum_k w_k log(z_k + delta)                 (Eq. 3 in logarithms)
//
// z_k is factor k scaled to [0, 1] between the first and the 99th percentile that
// were seen in training. A weight carries the sign of its factor, and the absolute
// weights sum to 1. It differs from the paper in three ways: in Eq. 3 the weights are
// exponents, because constants that multiply a product cannot change a ranking; the
// scaling is stated, where the paper leaves it open; and the result is mapped to
// [0, 1], which changes no ranking either.
package priority

import (
	"encoding/json"
	"fmt"
	"math"
)

// A Factor is what a priority depends on.
type Factor int

// The factors of Table I, in the order of Table IV. I/O and the size of the input
// stay 0 where a trace does not measure them.
const (
	CPU     Factor = iota // cores of an invocation
	Memory                // of a container, in units of 512 MiB (Section IV: 512 MB count as one core)
	IO                    // block input and output, bytes/s
	Size                  // of the input, bytes
	Init                  // initialisation, s
	Exec                  // execution, s
	Term                  // termination, s
	Freq                  // arrivals per minute
	Clock                 // log(1 + seconds since the arrival before)
	Factors = iota        // how many there are
)

var names = [Factors]string{"cpu", "memory", "io", "size", "init", "exec", "term", "freq", "clock"}

func (f Factor) String() string { return names[f] }

// Values are one function's factors.
type Values [Factors]float64

// Forms of a Model.
const (
	Linear    = "linear"
	Loglinear = "loglinear"
)

// delta keeps the logarithm of a factor finite (docs/models.md, decision 2).
const delta = 1e-3

// A Model scores Values.
type Model struct {
	Form   string
	Weight Values // signed; the absolute values sum to 1
	Low    Values // scaled to 0: the first percentile in training
	High   Values // scaled to 1: the 99th
}

// scaled returns factor k of x in [0, 1].
func (m *Model) scaled(k int, x float64) float64 {
	span := m.High[k] - m.Low[k]
	if span <= 0 {
		return 0
	}
	return min(1, max(0, (x-m.Low[k])/span))
}

// Score returns the priority of x in [0, 1].
func (m *Model) Score(x *Values) float64 {
	sum := 0.0
	for k := range x {
		sum += m.Term(Factor(k), x[k])
	}
	return m.Bound(sum)
}

// Term is what factor k adds to the sum that Bound turns into a score: a caller that
// scores often keeps the terms of the factors that rarely change.
func (m *Model) Term(k Factor, x float64) float64 {
	w := m.Weight[k]
	if w == 0 {
		return 0
	}
	z := m.scaled(int(k), x)
	if m.Form == Loglinear {
		return w * math.Log(z+delta)
	}
	return w * z
}

// Bound maps a sum of terms to [0, 1], the least and the greatest sum that the
// weights allow to 0 and 1.
func (m *Model) Bound(sum float64) float64 {
	low, high := 0.0, 1.0
	if m.Form == Loglinear {
		low, high = math.Log(delta), math.Log(1+delta)
	}
	var least, greatest float64
	for _, w := range m.Weight {
		if w > 0 {
			least, greatest = least+w*low, greatest+w*high
		} else {
			least, greatest = least+w*high, greatest+w*low
		}
	}
	if greatest <= least {
		return 0
	}
	return min(1, max(0, (sum-least)/(greatest-least)))
}

// Validate reports what keeps m from scoring.
func (m *Model) Validate() error {
	if m.Form != Linear && m.Form != Loglinear {
		return fmt.Errorf("priority: form must be %s or %s, got %q", Linear, Loglinear, m.Form)
	}
	sum := 0.0
	for k, w := range m.Weight {
		if math.IsNaN(w) || math.IsInf(w, 0) || math.IsNaN(m.Low[k]) || math.IsNaN(m.High[k]) || math.IsInf(m.Low[k], 0) || math.IsInf(m.High[k], 0) {
			return fmt.Errorf("priority: factor %s: weight and scale must be finite", Factor(k))
		}
		if m.High[k] < m.Low[k] {
			return fmt.Errorf("priority: factor %s: high %g is below low %g", Factor(k), m.High[k], m.Low[k])
		}
		sum += math.Abs(w)
	}
	if math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("priority: absolute weights must sum to 1, got %g", sum)
	}
	return nil
}

type factorJSON struct {
	Factor string  `json:"factor"`
	Weight float64 `json:"weight"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

type modelJSON struct {
	Form    string       `json:"form"`
	Factors []factorJSON `json:"factors"`
}

// MarshalJSON writes the form of the bundle's priority.json.
func (m *Model) MarshalJSON() ([]byte, error) {
	out := modelJSON{Form: m.Form}
	for k := range names {
		out.Factors = append(out.Factors, factorJSON{names[k], m.Weight[k], m.Low[k], m.High[k]})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads and validates it. A factor that is not named has weight 0.
func (m *Model) UnmarshalJSON(data []byte) error {
	var in modelJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*m = Model{Form: in.Form}
	seen := map[string]bool{}
	for _, f := range in.Factors {
		k := -1
		for i, name := range names {
			if name == f.Factor {
				k = i
			}
		}
		if k < 0 || seen[f.Factor] {
			return fmt.Errorf("priority: factor %q is unknown or named twice", f.Factor)
		}
		seen[f.Factor] = true
		m.Weight[k], m.Low[k], m.High[k] = f.Weight, f.Low, f.High
	}
	return m.Validate()
}

// A Preset is a row of Table IV.
type Preset struct {
	Name   string
	Form   string
	Weight Values
}

// Presets returns the settings of Table IV. The log-linear rows give signs alone; the
// weights are equal.
func Presets() []Preset {
	linear := func(cpu, mem, io, init, exec, term, freq, clock float64) Values {
		return Values{CPU: cpu, Memory: mem, IO: io, Init: init, Exec: exec, Term: term, Freq: freq, Clock: clock}
	}
	signs := func(cpu, mem, io, init, exec, term, freq, clock float64) Values {
		v := linear(cpu, mem, io, init, exec, term, freq, clock)
		for k := range v {
			v[k] /= 8
		}
		return v
	}
	return []Preset{
		{"param1", Linear, linear(.3, .3, 0, .1, .1, .1, .05, .05)},
		{"param2", Linear, linear(.1, .1, .1, .2, .2, .2, .05, .05)},
		{"param3", Linear, linear(0, 0, 0, .2, .2, .2, .2, .2)},
		{"param4", Loglinear, signs(-1, -1, -1, 1, 1, 1, 1, 1)},
		{"param5", Loglinear, signs(1, -1, 1, -1, -1, -1, 1, 1)},
	}
}
