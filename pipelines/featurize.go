package pipelines

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/train/forecast"
)

// Files of the stage "features".
const (
	decompositionTable = "frames/decomposition.parquet"
	componentsTable    = "frames/components.parquet"
	decompositionFile  = "models/decomposition.json"
)

// componentPoints is about how many times of each function the table of components has.
const componentPoints = 400

// featureStage decomposes every function over the whole observed span. This describes
// the trace, for the report and for analysis: nothing is trained on it. What a model
// sees is decomposed again in train/forecast, at rolling origins, so that no feature
// has seen the future.
func featureStage(r *Run) Stage {
	return Stage{
		Name:    "features",
		Outputs: []string{decompositionTable, componentsTable, decompositionFile},
		Options: struct {
			Growth     prophet.Growth
			TauScale   float64
			Holidays   []datasets.Holiday
			SpanLength int
		}{r.cfg.Forecast.Growth, r.cfg.Forecast.ChangepointPriorScale, r.holidays, r.trace.Span.Len()},
		Run: func(ctx context.Context, r *Run) (Outcome, error) { return r.featurize(ctx) },
	}
}

// batchBytes bounds the memory for the counts of a batch of functions: that of the stage
// does not grow with the length of the trace. Batches of three times the size were no
// faster: what they save in reading they lose in fresh memory.
const batchBytes = 64 << 20

func (r *Run) featurize(ctx context.Context) (Outcome, error) {
	span := r.trace.Span
	grid := fit.Minutes(r.trace, span)
	m := fit.DefaultModel()
	m.Growth = r.cfg.Forecast.Growth
	m.ChangepointPriorScale = r.cfg.Forecast.ChangepointPriorScale
	m.Seasonalities = fit.AutoSeasonalities(time.Duration(span.Len())*time.Minute, time.Minute)
	m.Holidays = forecast.Calendar(r.holidays, r.trace, span)

	bar := r.env.Progress.Begin("features", len(r.trace.Functions))
	defer bar.End()
	every := max(1, span.Len()/componentPoints)
	var times []time.Time
	for at := 0; at < span.Len(); at += every {
		times = append(times, grid.At(at))
	}
	fleet, err := m.NewFleet(grid, span.Len())
	if err != nil {
		return Outcome{}, err
	}
	timeline := prophet.NewTimeline(times, m.Seasonalities)
	var params paramTable
	parts := newComponentTable(len(r.trace.Functions) * len(times))
	var best example
	batch := max(1, batchBytes/(8*span.Len()))
	for from := 0; from < len(r.trace.Functions); from += batch {
		to := min(from+batch, len(r.trace.Functions))
		series, err := r.trace.DenseRange(ctx, span, datasets.FunctionID(from), datasets.FunctionID(to))
		if err != nil {
			return Outcome{}, err
		}
		fitted, err := fleet.Fit(ctx, series, r.env.Workers)
		if err != nil {
			return Outcome{}, err
		}
		forecasts := evaluate(fitted, timeline, r.env.Workers)
		for i, f := range fitted {
			id, fc := datasets.FunctionID(from+i), forecasts[i]
			params.add(id, f, fc)
			parts.add(id, times, fc)
			if e := (example{f.Salience(fc), total(series[i]), id, f, series[i]}); e.tellsMore(best) {
				best = e
			}
		}
		best.series = slices.Clone(best.series) // not the whole batch with it
		bar.Set(to, "")
	}
	if err := writeTable(r.Path(decompositionTable), params.columns()); err != nil {
		return Outcome{}, err
	}
	if err := writeTable(r.Path(componentsTable), parts.columns()); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Rows: int64(len(parts.function)), Summary: terms(m)}
	missing := absentTerms(m, span, len(r.holidays))
	if missing != "" {
		out.Warnings = append(out.Warnings, missing)
	}
	return out, writeJSON(r.Path(decompositionFile), best.section(r.trace, grid, missing))
}

// evaluate evaluates every model on l.
func evaluate(fitted []*prophet.Fitted, l *prophet.Timeline, workers int) []*prophet.Forecast {
	out := make([]*prophet.Forecast, len(fitted))
	var g errgroup.Group
	share := (len(fitted) + workers - 1) / workers
	for from := 0; from < len(fitted); from += share {
		g.Go(func() error {
			for i := from; i < min(from+share, len(fitted)); i++ {
				out[i] = fitted[i].ForecastOn(l)
			}
			return nil
		})
	}
	_ = g.Wait() // nothing fails
	return out
}

// terms names what a model has.
func terms(m fit.Model) string {
	s := "trend"
	for _, c := range m.Seasonalities {
		s += ", " + c.Name
	}
	if len(m.Holidays) > 0 {
		s += ", holidays"
	}
	return s
}

// absentTerms says which of the usual terms a span is too short for, or returns "".
func absentTerms(m fit.Model, span datasets.Window, holidays int) string {
	has := map[string]bool{}
	for _, c := range m.Seasonalities {
		has[c.Name] = true
	}
	var absent []string
	for _, name := range []string{"daily", "weekly"} {
		if !has[name] {
			absent = append(absent, name)
		}
	}
	if holidays == 0 {
		absent = append(absent, "holiday")
	}
	if len(absent) == 0 {
		return ""
	}
	s := absent[0]
	for i, a := range absent[1:] {
		if i == len(absent)-2 {
			s += " and " + a
		} else {
			s += ", " + a
		}
	}
	hours := float64(span.Len()) / 60
	why := fmt.Sprintf("a seasonality needs two periods and the trace spans %.3g hours", hours)
	if holidays == 0 {
		why += "; no holiday is configured"
	}
	return fmt.Sprintf("The terms %s are absent from the decomposition: %s.", s, why)
}

// An example is the function whose decomposition the report shows.
type example struct {
	salience float64
	total    float64 // invocations
	function datasets.FunctionID
	fitted   *prophet.Fitted // nil of the zero value
	series   []float64
}

// total is the sum of a series without its gaps.
func total(series []float64) float64 {
	sum := 0.0
	for _, y := range series {
		if !math.IsNaN(y) {
			sum += y
		}
	}
	return sum
}

// tellsMore prefers the clearer effects and, where there are none, the busier function.
func (e example) tellsMore(o example) bool {
	return o.fitted == nil || e.salience > o.salience || e.salience == o.salience && e.total > o.total
}

// section samples the example for the report.
func (e example) section(t *datasets.Trace, g fit.Grid, missing string) *report.Decomposition {
	if e.fitted == nil {
		return nil
	}
	every := max(1, len(e.series)/1500)
	d := &report.Decomposition{Function: shortName(&t.Functions[e.function]), Missing: missing}
	for at := 0; at+every <= len(e.series); at += every {
		observed := 0
		for _, y := range e.series[at : at+every] {
			if !math.IsNaN(y) {
				observed++
			}
		}
		if observed == 0 { // a gap
			continue
		}
		d.Times = append(d.Times, g.At(at+every/2))
		d.Observed = append(d.Observed, total(e.series[at:at+every])/float64(observed))
	}
	fc := e.fitted.Forecast(d.Times)
	d.Trend = fc.Trend
	for _, c := range fc.Terms() {
		d.Components = append(d.Components, report.Component{Name: c.Name, Values: c.Value})
	}
	return d
}

// shortName is a function's name as a reader can take it in: the trace's ids are
// hashes of 64 digits.
func shortName(f *datasets.Function) string {
	if len(f.Name) > 16 {
		return fmt.Sprintf("function %d (%s…)", f.ID, f.Name[:8])
	}
	return path.Join(f.App, f.Name)
}

// paramTable has one row per function.
type paramTable struct {
	function               []int32
	k, m, sigma, scale, lp []float64
	daily, weekly, holiday []float64
	observations           []int64
}

func (t *paramTable) add(id datasets.FunctionID, f *prophet.Fitted, fc *prophet.Forecast) {
	largest := map[string]float64{}
	for _, c := range fc.Terms() {
		largest[c.Name] = c.MaxAbs()
	}
	t.function = append(t.function, int32(id))
	t.k, t.m = append(t.k, f.K), append(t.m, f.M)
	t.sigma, t.scale, t.lp = append(t.sigma, f.Noise()), append(t.scale, f.YScale), append(t.lp, f.LogPosterior)
	t.daily, t.weekly, t.holiday = append(t.daily, largest["daily"]), append(t.weekly, largest["weekly"]), append(t.holiday, largest[prophet.HolidayTerm])
	t.observations = append(t.observations, int64(f.Observations))
}

func (t *paramTable) columns() []parquet.Column {
	return []parquet.Column{
		{Name: "function", Data: t.function}, {Name: "k", Data: t.k}, {Name: "m", Data: t.m},
		{Name: "sigma_obs", Data: t.sigma}, {Name: "y_scale", Data: t.scale}, {Name: "log_posterior", Data: t.lp},
		{Name: "max_daily", Data: t.daily}, {Name: "max_weekly", Data: t.weekly}, {Name: "max_holiday", Data: t.holiday},
		{Name: "observations", Data: t.observations},
	}
}

// componentTable has one row per function and time.
type componentTable struct {
	function    []int32
	unix        []int64
	trend, yhat []float64
	daily       []float64
	weekly      []float64
	holiday     []float64
}

// newComponentTable makes room for n rows.
func newComponentTable(n int) *componentTable {
	column := func() []float64 { return make([]float64, 0, n) }
	return &componentTable{
		function: make([]int32, 0, n), unix: make([]int64, 0, n),
		trend: column(), yhat: column(), daily: column(), weekly: column(), holiday: column(),
	}
}

func (t *componentTable) add(id datasets.FunctionID, times []time.Time, fc *prophet.Forecast) {
	for _, x := range times {
		t.function = append(t.function, int32(id))
		t.unix = append(t.unix, x.Unix())
	}
	t.trend, t.yhat = append(t.trend, fc.Trend...), append(t.yhat, fc.Yhat...)
	terms := fc.Terms()
	// term appends a term, of zeros if the model has none of that name.
	term := func(out []float64, name string) []float64 {
		if i := slices.IndexFunc(terms, func(c prophet.Component) bool { return c.Name == name }); i >= 0 {
			return append(out, terms[i].Value...)
		}
		return append(out, make([]float64, len(times))...)
	}
	t.daily, t.weekly, t.holiday = term(t.daily, "daily"), term(t.weekly, "weekly"), term(t.holiday, prophet.HolidayTerm)
}

func (t *componentTable) columns() []parquet.Column {
	return []parquet.Column{
		{Name: "function", Data: t.function}, {Name: "unix", Data: t.unix}, {Name: "trend", Data: t.trend},
		{Name: "daily", Data: t.daily}, {Name: "weekly", Data: t.weekly}, {Name: "holiday", Data: t.holiday}, {Name: "yhat", Data: t.yhat},
	}
}
