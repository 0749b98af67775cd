package features

import (
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/features/prophet"
)

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
