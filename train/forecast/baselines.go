package forecast

import (
	"math"
	"math/cmplx"
	"slices"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/interarrival"
	"github.com/incendio-faas/incendio/features/prophet"
)

// A baseline forecasts one series from its own past: ahead is its forecast of minute
// now+h-1, h >= 1, where now is the minute after the last that was observed.
type baseline interface {
	observe(minute int, count float64)
	ahead(now, h int) float64
}

// A past is what a baseline is made from: the counts of a series from minute from on, up to
// where it begins to forecast. Every baseline has observed them before the first forecast.
type past struct {
	counts   []float64
	from     int
	season   int // of the seasonal naive forecast
	fitted   *prophet.Fitted
	start    time.Time // of minute 0
	horizons []int
	until    int // minute up to which parameters are chosen
}

func (p past) mean() float64 {
	sum := 0.0
	for _, c := range p.counts {
		sum += c
	}
	return sum / float64(max(1, len(p.counts)))
}

// makers make the baselines, in the order of reports. Those that train has need more than
// a past: lightgbm and lightgbm_lags.
var makers = []struct {
	name string
	make func(p past) baseline
}{
	{Prophet, func(p past) baseline { return decomposed{p.fitted, p.start, p.mean()} }},
	{SeasonalNaive, func(p past) baseline { return newLagged(p.season) }},
	{Naive, func(p past) baseline { return newLagged(1) }},
	{ExpSmoothing, func(p past) baseline { return &smoothing{until: p.until} }},
	{SeasonalNaiveWeek, func(p past) baseline {
		if len(p.counts) < 7*datasets.MinutesPerDay {
			return newLagged(p.season)
		}
		return newLagged(7 * datasets.MinutesPerDay)
	}},
	{Drift, func(past) baseline { return &drift{} }},
	{MovingAverage, func(p past) baseline { return newAverages(p.until) }},
	{HoltWinters, func(p past) baseline { return newHoltWinters(p) }},
	{Theta, func(p past) baseline { return &theta{ses: smoothing{until: p.until}} }},
	{Croston, func(past) baseline { return &croston{} }},
	{TSB, func(past) baseline { return &tsb{} }},
	{FFT, func(p past) baseline { return fitHarmonics(p) }},
	{AR, func(p past) baseline { return fitAutoregression(p) }},
	{Histogram, func(p past) baseline { return newHazard(p) }},
}

// lagged is the naive forecast of a season: the last count that was known so many seasons before.
type lagged struct{ ring []float64 }

func newLagged(season int) *lagged { return &lagged{make([]float64, season)} }

func (l *lagged) observe(minute int, count float64) { l.ring[minute%len(l.ring)] = count }

func (l *lagged) ahead(now, h int) float64 { return l.ring[(now+h-1)%len(l.ring)] }

// drift goes on as from the first count to the last, never below 0.
type drift struct {
	first, last float64
	n           int
}

func (d *drift) observe(_ int, count float64) {
	if d.n == 0 {
		d.first = count
	}
	d.last = count
	d.n++
}

func (d *drift) ahead(_, h int) float64 {
	slope := (d.last - d.first) / float64(max(1, d.n-1))
	return max(0, d.last+float64(h)*slope)
}

// averageMinutes are the windows that moving averages choose from.
var averageMinutes = [...]int{3, 5, 10, 30, 60, 240}

// averages is the mean of the last minutes: the window with the least squared error, up to
// the minute until, is used.
type averages struct {
	ring   []float64
	n      int
	sum    [len(averageMinutes)]float64
	square [len(averageMinutes)]float64
	until  int
}

func newAverages(until int) *averages {
	return &averages{ring: make([]float64, averageMinutes[len(averageMinutes)-1]), until: until}
}

func (a *averages) mean(i int) float64 {
	return a.sum[i] / float64(max(1, min(a.n, averageMinutes[i])))
}

func (a *averages) observe(minute int, count float64) {
	for i, w := range averageMinutes {
		if minute < a.until && a.n > 0 {
			e := count - a.mean(i)
			a.square[i] += e * e
		}
		if a.n >= w {
			a.sum[i] -= a.ring[(a.n-w)%len(a.ring)]
		}
		a.sum[i] += count
	}
	a.ring[a.n%len(a.ring)] = count
	a.n++
}

func (a *averages) ahead(int, int) float64 { return max(0, a.mean(least(a.square[:]))) }

// least is the number of the smallest value, the first of equal ones.
func least(v []float64) int {
	best := 0
	for i := range v {
		if v[i] < v[best] {
			best = i
		}
	}
	return best
}

// alphas are the smoothing factors that exponential smoothing chooses from.
var alphas = [...]float64{0.02, 0.05, 0.1, 0.2, 0.4, 0.8}

// smoothing is simple exponential smoothing: the factor with the least squared error
// so far, up to the minute until, is used.
type smoothing struct {
	level  [len(alphas)]float64
	square [len(alphas)]float64
	any    bool
	until  int
}

func (s *smoothing) observe(minute int, count float64) {
	if !s.any {
		for i := range s.level {
			s.level[i] = count
		}
		s.any = true
		return
	}
	for i, a := range alphas {
		e := count - s.level[i]
		if minute < s.until {
			s.square[i] += e * e
		}
		s.level[i] += a * e
	}
}

func (s *smoothing) ahead(int, int) float64 { return s.level[least(s.square[:])] }

// theta is the theta method with two lines (Assimakopoulos and Nikolopoulos, 2000): half of the
// trend of all history on top of simple exponential smoothing (Hyndman and Billah, 2003),
//
//	f(h) = l + b/2 (h - 1 + 1/alpha - (1-alpha)^n / alpha)
//
// with l the level, b the slope of the least-squares line and n the number of counts.
type theta struct {
	ses            smoothing
	n, sumY, sumXY float64
}

func (t *theta) observe(minute int, count float64) {
	t.ses.observe(minute, count)
	t.sumXY += t.n * count
	t.sumY += count
	t.n++
}

func (t *theta) ahead(_, h int) float64 {
	i := least(t.ses.square[:])
	if t.n < 2 {
		return t.ses.level[i]
	}
	mean := (t.n - 1) / 2
	slope := (t.sumXY - mean*t.sumY) / (t.n * (t.n*t.n - 1) / 12)
	a := alphas[i]
	return max(0, t.ses.level[i]+slope/2*(float64(h-1)+(1-math.Pow(1-a, t.n))/a))
}

// A seasonalState is additive Holt-Winters smoothing with one set of factors.
type seasonalState struct {
	alpha, beta, gamma float64
	level, trend       float64
	season             []float64 // nil of none
	square             float64
}

// holtDamping is the factor of the trend per minute: far ahead it ends.
const holtDamping = 0.98

func (s *seasonalState) ahead(now, h int) float64 {
	v := s.level + s.trend*holtDamping*(1-math.Pow(holtDamping, float64(h)))/(1-holtDamping)
	if s.season != nil {
		v += s.season[(now+h-1)%len(s.season)]
	}
	return v
}

func (s *seasonalState) observe(minute int, count float64) {
	seasonal := 0.0
	if s.season != nil {
		seasonal = s.season[minute%len(s.season)]
	}
	before := s.level
	expected := before + holtDamping*s.trend
	s.level = expected + s.alpha*(count-seasonal-expected)
	s.trend = holtDamping*s.trend + s.beta*(s.level-before-holtDamping*s.trend)
	if s.season != nil {
		s.season[minute%len(s.season)] += s.gamma * (count - s.level - seasonal)
	}
}

// holtWinters is additive Holt-Winters smoothing with a damped trend, without a season, with
// one of an hour, or of a day where the history has two: whichever and whatever factors had
// the least squared error one minute ahead, in the second half of the history.
type holtWinters struct {
	states      []seasonalState
	from, until int // minutes in which errors count
	any         bool
}

func newHoltWinters(p past) *holtWinters {
	seasons := []int{0, 60}
	if len(p.counts) >= 2*datasets.MinutesPerDay {
		seasons = append(seasons, datasets.MinutesPerDay)
	}
	w := &holtWinters{from: p.from + len(p.counts)/2, until: p.until}
	for _, n := range seasons {
		for _, alpha := range [...]float64{0.05, 0.2, 0.5} {
			for _, beta := range [...]float64{0, 0.01} {
				s := seasonalState{alpha: alpha, beta: beta, gamma: 0.1}
				if n > 0 {
					s.season = make([]float64, n)
				}
				w.states = append(w.states, s)
			}
		}
	}
	return w
}

func (w *holtWinters) observe(minute int, count float64) {
	for i := range w.states {
		s := &w.states[i]
		if !w.any {
			s.level = count
			continue
		}
		if minute >= w.from && minute < w.until {
			e := count - s.ahead(minute, 1)
			s.square += e * e
		}
		s.observe(minute, count)
	}
	w.any = true
}

func (w *holtWinters) ahead(now, h int) float64 {
	best := 0
	for i := range w.states {
		if w.states[i].square < w.states[best].square {
			best = i
		}
	}
	return max(0, w.states[best].ahead(now, h))
}

// crostonRate smooths sizes, gaps and probabilities of demand.
const crostonRate = 0.1

// croston is Croston's method (1972): the mean size of demand over the mean gap between
// minutes that have some, both smoothed where there is demand.
type croston struct {
	size, gap float64
	since     float64 // minutes since the last demand
	any       bool
}

func (c *croston) observe(_ int, count float64) {
	c.since++
	if count <= 0 {
		return
	}
	if !c.any {
		c.size, c.gap, c.any = count, c.since, true
	} else {
		c.size += crostonRate * (count - c.size)
		c.gap += crostonRate * (c.since - c.gap)
	}
	c.since = 0
}

func (c *croston) ahead(int, int) float64 {
	if !c.any {
		return 0
	}
	return c.size / c.gap
}

// tsb is the method of Teunter, Syntetos and Babai (2011): the probability of demand, smoothed every
// minute, times its mean size. Unlike Croston's it forgets a function that has died.
type tsb struct {
	size, probability float64
	any               bool
	n                 float64
}

func (t *tsb) observe(_ int, count float64) {
	t.n++
	demand := 0.0
	if count > 0 {
		demand = 1
		if !t.any {
			t.size, t.any = count, true
		} else {
			t.size += crostonRate * (count - t.size)
		}
	}
	t.probability += max(crostonRate/2, 1/t.n) * (demand - t.probability)
}

func (t *tsb) ahead(int, int) float64 { return t.probability * t.size }

// harmonics is a linear trend and the strongest sines of the Fourier transform of the history,
// repeated for ever.
type harmonics struct {
	from, n     int
	mean, slope float64
	frequency   []int // of the history
	coefficient []complex128
}

// harmonicTerms are kept: a day's and an hour's shape, roughly.
const harmonicTerms = 20

// fitHarmonics transforms whole days of the history where it has some.
func fitHarmonics(p past) *harmonics {
	y := p.counts
	if len(y) >= datasets.MinutesPerDay {
		y = y[len(y)%datasets.MinutesPerDay:]
	}
	n := len(y)
	f := &harmonics{from: p.from + len(p.counts) - n, n: n}
	if n < 4 {
		f.mean = p.mean()
		return f
	}
	var sumY, sumXY float64
	for i, v := range y {
		sumY += v
		sumXY += float64(i) * v
	}
	f.mean = sumY / float64(n)
	middle := float64(n-1) / 2
	f.slope = (sumXY - middle*sumY) / (float64(n) * (float64(n)*float64(n) - 1) / 12)
	rest := make([]float64, n)
	for i, v := range y {
		rest[i] = v - f.mean - f.slope*(float64(i)-middle)
	}
	c := fourier.NewFFT(n).Coefficients(nil, rest)
	order := make([]int, 0, len(c)-1)
	for k := 1; k < len(c); k++ {
		order = append(order, k)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := cmplx.Abs(c[a]), cmplx.Abs(c[b]); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return a - b
	})
	for _, k := range order[:min(harmonicTerms, len(order))] {
		scale := complex(2/float64(n), 0)
		if 2*k == n {
			scale /= 2
		}
		f.frequency, f.coefficient = append(f.frequency, k), append(f.coefficient, c[k]*scale)
	}
	return f
}

func (*harmonics) observe(int, float64) {}

func (f *harmonics) ahead(now, h int) float64 {
	t := now + h - 1 - f.from
	v := f.mean
	if f.n >= 4 {
		v += f.slope * (float64(t) - float64(f.n-1)/2)
	}
	for i, k := range f.frequency {
		angle := 2 * math.Pi * float64(int64(k)*int64(t)%int64(f.n)) / float64(f.n)
		sin, cos := math.Sincos(angle)
		v += real(f.coefficient[i])*cos - imag(f.coefficient[i])*sin
	}
	return max(0, v)
}

// autoregression forecasts by the last counts, weighed for each distance.
type autoregression struct {
	mean    float64
	weights map[int][]float64 // by distance: of the last count, the one before, …
	ring    []float64
	n       int
}

// maxOrder bounds the order of an autoregression.
const maxOrder = 30

// fitAutoregression solves the Yule-Walker equations of the history by the recursion of Levinson and
// Durbin, for the order with the least Akaike criterion.
func fitAutoregression(p past) *autoregression {
	n := len(p.counts)
	f := &autoregression{mean: p.mean(), weights: map[int][]float64{}, ring: make([]float64, maxOrder)}
	var covariance [maxOrder + 1]float64
	for lag := 0; lag <= maxOrder && lag < n; lag++ {
		for i := lag; i < n; i++ {
			covariance[lag] += (p.counts[i] - f.mean) * (p.counts[i-lag] - f.mean)
		}
		covariance[lag] /= float64(n)
	}
	variance := covariance[0]
	var phi, best []float64
	least := math.Inf(1)
	if variance > 0 {
		least = float64(n) * math.Log(variance)
	}
	for order := 1; order <= maxOrder && order < n && variance > 1e-12*covariance[0]; order++ {
		k := covariance[order]
		for i, v := range phi {
			k -= v * covariance[order-1-i]
		}
		k /= variance
		next := make([]float64, order)
		for i, v := range phi {
			next[i] = v - k*phi[order-2-i]
		}
		next[order-1] = k
		phi = next
		variance *= 1 - k*k
		if variance <= 0 {
			best = phi
			break
		}
		if aic := float64(n)*math.Log(variance) + 2*float64(order); aic < least {
			least, best = aic, phi
		}
	}
	for _, h := range p.horizons {
		f.weights[h] = distant(best, h)
	}
	return f
}

// distant turns the weights of the next minute into those of the h-th: x(t+h) is replaced by its
// forecast until it consists of known counts.
func distant(phi []float64, h int) []float64 {
	w := slices.Clone(phi)
	for range h - 1 {
		if len(w) == 0 {
			break
		}
		first := w[0]
		copy(w, w[1:])
		w[len(w)-1] = 0
		for i := range w {
			w[i] += first * phi[i]
		}
	}
	return w
}

func (f *autoregression) observe(_ int, count float64) {
	f.ring[f.n%len(f.ring)] = count
	f.n++
}

func (f *autoregression) ahead(_, h int) float64 {
	v := f.mean
	for i, w := range f.weights[h] {
		if i >= f.n {
			break
		}
		v += w * (f.ring[(f.n-1-i)%len(f.ring)] - f.mean)
	}
	return max(0, v)
}

// hazard is the histogram of inter-arrival times: the chance of an arrival in the next minute by
// the time that has passed, times the mean count of a minute that has some; further ahead, the
// mean of the history.
type hazard struct {
	follow interarrival.Follower
	mean   float64
}

func newHazard(p past) *hazard {
	var minutes []int32
	var counts []float32
	for i, c := range p.counts {
		if c > 0 {
			minutes, counts = append(minutes, int32(p.from+i)), append(counts, float32(c))
		}
	}
	if len(minutes) == 0 {
		return &hazard{follow: interarrival.Follow(nil)}
	}
	return &hazard{interarrival.Follow(interarrival.New(minutes, counts, len(p.counts))), p.mean()}
}

func (f *hazard) observe(minute int, count float64) { f.follow.Observe(minute, count) }

func (f *hazard) ahead(now, h int) float64 {
	if h > 1 {
		return f.mean
	}
	return f.follow.PArrival(now) * f.follow.Batch()
}

// decomposed is Prophet alone. A function without a decomposition, which is too rare
// for one, has the mean of its history: what a flat trend without seasonalities is.
type decomposed struct {
	fitted *prophet.Fitted
	start  time.Time
	mean   float64
}

func (decomposed) observe(int, float64) {}

func (d decomposed) ahead(now, h int) float64 {
	if d.fitted == nil {
		return d.mean
	}
	return math.Max(0, d.fitted.Components(d.start.Add(time.Duration(now+h-1)*time.Minute)).Yhat)
}
