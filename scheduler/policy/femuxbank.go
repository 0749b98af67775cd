package policy

import "github.com/incendio-faas/incendio/scheduler/timeseries"

// The forecasters of [FeMux]. Where they cost the same the first one is chosen: that which
// keeps the longest.
const (
	femuxMaximum10 = iota
	femuxMaximum5
	femuxSmoothing
	femuxHolt
	femuxAR
	femuxSETAR
	femuxFourier
	femuxChain
	femuxForecasters
)

// femuxModels are the forecasters' states for one function.
type femuxModels struct {
	smoothing, holt timeseries.Holt
	setar           timeseries.SETAR
	chain           *timeseries.Chain
	age             int // minutes since the models were fitted; 0: never
}

// femuxBank has what the forecasters share.
type femuxBank struct {
	window  []float64
	ar      *timeseries.AR
	setar   *timeseries.SETARFitter
	fourier *timeseries.Fourier
}

func newFemuxBank() *femuxBank {
	return &femuxBank{
		window:  make([]float64, femuxHistory),
		ar:      timeseries.NewAR(femuxLags),
		setar:   timeseries.NewSETARFitter(femuxLags),
		fourier: timeseries.NewFourier(femuxHistory, 1, femuxLags),
	}
}

// rest reports whether f had no request in the history.
func (b *femuxBank) rest(f *femuxFunction) bool {
	for _, v := range f.series.last(b.window) {
		if v != 0 {
			return false
		}
	}
	return true
}

// forecast sets the forecasts of the next minute, by the series that ends with this one.
func (b *femuxBank) forecast(f *femuxFunction) {
	x, m := f.series.last(b.window), &f.models
	now := x[len(x)-1]
	if m.chain == nil {
		m.chain = timeseries.NewChain(femuxStates)
	}
	m.chain.Observe(min(femuxStates-1, femuxContainers(now)))
	equal := true
	for _, v := range x {
		equal = equal && v == now
	}
	if equal { // nothing to fit
		m.age = 0
		for k := range f.forecast {
			f.forecast[k] = now
		}
		return
	}
	if m.age == 0 || m.age >= femuxRefit {
		m.age = 0
		m.smoothing.Fit(x, true)
		m.holt.Fit(x, false)
		b.setar.Fit(&m.setar, x)
	} else {
		m.smoothing.Observe(now)
		m.holt.Observe(now)
	}
	m.age++
	f.forecast[femuxMaximum10], f.forecast[femuxMaximum5] = highest(x, 10), highest(x, 5)
	f.forecast[femuxSmoothing], f.forecast[femuxHolt] = m.smoothing.Forecast(), m.holt.Forecast()
	f.forecast[femuxAR], f.forecast[femuxSETAR] = b.ar.Forecast(x), m.setar.Forecast(x)
	b.fourier.Forecast(x, f.forecast[femuxFourier:femuxFourier+1])
	f.forecast[femuxChain] = now
	if state, ok := m.chain.Next(); ok {
		f.forecast[femuxChain] = float64(state)
	}
}

// highest is the maximum of the last n values.
func highest(x []float64, n int) float64 {
	most := x[len(x)-1]
	for _, v := range x[len(x)-n:] {
		most = max(most, v)
	}
	return most
}
