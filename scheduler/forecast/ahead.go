package forecast

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
)

// ErrUnknown is wrapped by errors about functions that a trace does not have.
var ErrUnknown = errors.New("unknown function")

// Find returns the functions of a trace that are named: by their key, as Key.String writes it, or
// by the name alone where only one function has it. No names are all functions.
func Find(t *datasets.Trace, names []string) ([]datasets.FunctionID, error) {
	byName := make(map[string][]datasets.FunctionID, len(t.Functions))
	for i := range t.Functions {
		f := &t.Functions[i]
		id := datasets.FunctionID(i)
		if len(names) == 0 {
			byName[""] = append(byName[""], id)
			continue
		}
		key := KeyOf(f).String()
		byName[key] = append(byName[key], id)
		if f.Name != key {
			byName[f.Name] = append(byName[f.Name], id)
		}
	}
	if len(names) == 0 {
		return byName[""], nil
	}
	var out []datasets.FunctionID
	for _, n := range names {
		found := byName[n]
		switch {
		case len(found) == 0:
			return nil, fmt.Errorf("%w %q: trace %q has no function with this key (owner/app/name) or name", ErrUnknown, n, t.Name)
		case len(found) > 1:
			return nil, fmt.Errorf("function %q: %d functions of trace %q have this name; name one by its key, such as %s", n, len(found), t.Name, KeyOf(&t.Functions[found[0]]))
		case slices.Contains(out, found[0]):
			return nil, fmt.Errorf("function %q is named twice", n)
		}
		out = append(out, found[0])
	}
	return out, nil
}

// An AheadRow is the forecast of one minute.
type AheadRow struct {
	Forecast
	Quantiles []float64 // at the probabilities that were asked for
}

// Ahead forecasts functions of a trace in the minutes from from on, from the minutes before
// alone, as a Runtime would that is primed as for Precompute. Visit is called for one function after
// another, in the order of ids, with a row for each of the minutes, in [1, MaxAhead]. The result does
// not depend on workers; 0 means one per processor.
func Ahead(ctx context.Context, m *Model, t *datasets.Trace, ids []datasets.FunctionID, from, minutes int, probs []float64, workers int, visit func(datasets.FunctionID, []AheadRow) error) error {
	if from <= t.Span.From || from > t.Span.To {
		return fmt.Errorf("forecast: minute %d must have minutes of the trace before it, which spans %v", from, t.Span)
	}
	begin := m.WarmUp(t.Span, from)
	settle := max(begin, from-Settle)
	for len(ids) > 0 {
		block := ids[:min(len(ids), aheadFunctions)]
		ids = ids[len(block):]
		low, high := slices.Min(block), slices.Max(block)+1
		rows := make([][]AheadRow, len(block))
		errs := make([]error, len(block))
		var all [][]float64
		if int(high-low) <= 2*len(block) { // near each other: read them together
			var err error
			if all, err = t.DenseRange(ctx, datasets.Window{From: begin, To: from}, low, high); err != nil {
				return fmt.Errorf("forecast: read minutes %d to %d: %w", begin, from, err)
			}
		}
		err := parallel.For(ctx, len(block), workers, func(i int) {
			var counts []float64
			if all != nil {
				counts = all[block[i]-low]
			} else {
				one, err := t.DenseRange(ctx, datasets.Window{From: begin, To: from}, block[i], block[i]+1)
				if err != nil {
					errs[i] = fmt.Errorf("forecast: read minutes %d to %d: %w", begin, from, err)
					return
				}
				counts = one[0]
			}
			r, err := NewReplay(m, t.Start)
			if err != nil {
				errs[i] = err
				return
			}
			r.Function(&t.Functions[block[i]], begin)
			r.Prime(counts[:settle-begin])
			r.Step(counts[settle-begin:], nil)
			errs[i] = r.Ahead(minutes, probs, func(_ int, f Forecast, q []float64) {
				rows[i] = append(rows[i], AheadRow{f, slices.Clone(q)})
			})
		})
		if err = errors.Join(err, errors.Join(errs...)); err != nil {
			return err
		}
		for i, id := range block {
			if err := visit(id, rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// aheadFunctions are read and forecast together.
const aheadFunctions = 256
