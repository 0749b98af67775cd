package forecast

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
)

// A Decomposition is the example of what Prophet sees of one function.
type Decomposition struct {
	Function online.Key
	Forecast *prophet.Forecast // times, trend, seasonalities and holidays by name
	Actual   []float64         // mean count per minute of the steps, length of the times
}

// Decompose evaluates the decomposition of one function over w, in steps of that many
// minutes. The function is the one in which seasonalities and holidays are largest
// against the noise; nil if no function of t has a decomposition.
func Decompose(ctx context.Context, m *online.Model, t *datasets.Trace, w datasets.Window, step int) (*Decomposition, error) {
	if step < 1 || w.Len() < step {
		return nil, fmt.Errorf("forecast: decompose: step must be in [1, %d] minutes, got %d", w.Len(), step)
	}
	var times []time.Time
	for at := w.From; at+step <= w.To; at += step {
		times = append(times, t.Time(at).Add(time.Duration(step)*time.Minute/2))
	}
	rows := map[online.Key]int{}
	for i := range t.Functions {
		rows[online.KeyOf(&t.Functions[i])] = i
	}
	var chosen online.Key
	most := -1.0
	for _, k := range slices.SortedFunc(maps.Keys(m.Prophet), online.Key.Compare) {
		if _, ok := rows[k]; !ok {
			continue
		}
		f := m.Prophet[k]
		var seasonal, holiday [2]float64 // least and largest
		for _, at := range times {
			c := f.Components(at)
			seasonal = [2]float64{min(seasonal[0], c.Seasonal), max(seasonal[1], c.Seasonal)}
			holiday = [2]float64{min(holiday[0], c.Holiday), max(holiday[1], c.Holiday)}
		}
		noise := f.SigmaObs*f.YScale + 1 // counts; 1 keeps the rare from winning by chance
		if v := (seasonal[1] - seasonal[0] + holiday[1] - holiday[0]) / noise; v > most {
			chosen, most = k, v
		}
	}
	if most < 0 {
		return nil, nil
	}
	series, err := scan(ctx, t, w)
	if err != nil {
		return nil, fmt.Errorf("forecast: decompose: %w", err)
	}
	d := &Decomposition{Function: chosen, Forecast: m.Prophet[chosen].Forecast(times), Actual: make([]float64, len(times))}
	s := series[rows[chosen]].in(w)
	for i, minute := range s.minute {
		if at := (int(minute) - w.From) / step; at < len(d.Actual) {
			d.Actual[at] += float64(s.count[i]) / float64(step)
		}
	}
	return d, nil
}
