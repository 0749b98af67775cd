package forecast

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Scopes of sums of functions. The name of a trigger or an owner follows the last two.
const (
	TotalScope   = "total"
	TriggerScope = "trigger:"
	OwnerScope   = "owner:"
)

func validScope(s string) bool {
	return s == TotalScope || strings.HasPrefix(s, TriggerScope) || strings.HasPrefix(s, OwnerScope)
}

// InScope reports whether f is one of the functions that scope adds up.
func InScope(scope string, f *datasets.Function) bool {
	if trigger, ok := strings.CutPrefix(scope, TriggerScope); ok {
		return string(f.Trigger) == trigger
	}
	if owner, ok := strings.CutPrefix(scope, OwnerScope); ok {
		return f.Owner == owner
	}
	return scope == TotalScope
}

// A Totals forecasts sums of functions, each by a model of its own rather than by the sum of
// forecasts, which adds up what all of them have wrong in the same direction.
type Totals struct {
	scopes []string
	of     [][]int32 // of each function, the numbers of the scopes that it is in
	counts []float64
	inner  *Runtime
}

// NewTotals returns a Totals of the sums that m has, over functions, of which start is minute
// 0, a midnight UTC.
func NewTotals(m *Model, functions []datasets.Function, start time.Time) (*Totals, error) {
	t := &Totals{of: make([][]int32, len(functions)), counts: make([]float64, len(m.Totals))}
	var known []*Function
	for k := range m.Totals {
		scope := m.Totals[k].Key.Name
		t.scopes = append(t.scopes, scope)
		known = append(known, &m.Totals[k])
		for i := range functions {
			if InScope(scope, &functions[i]) {
				t.of[i] = append(t.of[i], int32(k))
			}
		}
	}
	var err error
	t.inner, err = newRuntime(m, known, start)
	return t, err
}

// Scopes are those of the forecasts, in order.
func (t *Totals) Scopes() []string { return t.scopes }

// Step takes the counts of the minute that just ended, one per function, and forecasts the
// next minute of every scope. See Runtime.Step.
func (t *Totals) Step(minute int, counts []float64) []Forecast {
	return t.inner.Step(minute, t.sum(counts))
}

// StepSums is Step from the counts of the scopes, in their order.
func (t *Totals) StepSums(minute int, sums []float64) []Forecast { return t.inner.Step(minute, sums) }

// PrimeSums is Prime from the counts of the scopes, in their order.
func (t *Totals) PrimeSums(minute int, sums []float64) { t.inner.Prime(minute, sums) }

// Prime takes the counts of a past minute without forecasting, see Runtime.Prime.
func (t *Totals) Prime(minute int, counts []float64) { t.inner.Prime(minute, t.sum(counts)) }

// Save writes all that t has learned, see Runtime.Save.
func (t *Totals) Save(w io.Writer) error { return t.inner.Save(w) }

// Restore takes up what Save wrote, see Runtime.Restore.
func (t *Totals) Restore(r io.Reader) error { return t.inner.Restore(r) }

// Quantile is that of scope number i, see Runtime.Quantile.
func (t *Totals) Quantile(i int, p float64) float64 { return t.inner.Quantile(i, p) }

func (t *Totals) sum(counts []float64) []float64 {
	if len(counts) != len(t.of) {
		panic(fmt.Sprintf("forecast: counts of %d functions, expected %d", len(counts), len(t.of)))
	}
	clear(t.counts)
	for i, c := range counts {
		for _, k := range t.of[i] {
			t.counts[k] += c
		}
	}
	return t.counts
}
