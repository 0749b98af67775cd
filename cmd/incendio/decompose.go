package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/features/prophet/fit/country"
	"github.com/incendio-faas/incendio/features/prophet/table"
	"github.com/incendio-faas/incendio/pipelines/report"
)

// decomposeFlags are the flags of decompose.
type decomposeFlags struct {
	growth, mode                string
	scaling, holidaysMode       string
	mcmc                        int
	cap, floor                  float64
	holidays, country           string
	changepoints                int
	changepointRange            float64
	changepointTimes            []string
	tau, seasonal, holidayTau   float64
	noYearly, noWeekly, noDaily bool
	seasonalities, regressors   []string
	horizon                     int
	freq                        string
	samples                     int
	width                       float64
	out                         string
}

func (a *app) decomposeCommand() *cobra.Command {
	m, intervals := fit.DefaultModel(), prophet.DefaultIntervalOptions()
	var f decomposeFlags
	c := &cobra.Command{
		Use:   "decompose FILE.csv",
		Short: "Decompose a series into trend, seasonalities and holidays, as Prophet does",
		Long: `Fit Prophet's model (Taylor and Letham, "Forecasting at Scale", 2018) to the series in a
CSV file and forecast it. Files and defaults are Prophet's.

FILE.csv has a header with ds (2024-03-01, 2024-03-01 12:30:00, 20240301 or 2024-03; UTC if
it has no zone) and y (empty or NA where it is missing), and may have cap and floor, regressors and conditions. Rows need not
be in order; rows of equal times are separate observations. Rows without y are forecast.

Yearly, weekly and daily seasonalities are there if the history covers two periods and its
steps are short enough. A --seasonality is NAME:PERIOD_DAYS:ORDER, and may end in
:KEY=VALUE with the keys prior, mode and condition: a column of true and false, or weekday,
weekend, monday to sunday. One called yearly, weekly or daily stands in for that one.
A --regressor is the NAME of a column of numbers or of true and false, and may end in :KEY=VALUE with the keys prior, mode
and standardise (auto, always or never).

A file of --holidays has the columns holiday and ds, and may have lower_window,
upper_window and prior_scale. --country takes a code such as US, GB or DE-BW.

With --json, "forecast" has the rows of the file in order of time, then those of the
horizon. Components of additive terms are in units of y; those of multiplicative ones are
shares of the trend: yhat = trend * (1 + multiplicative) + additive. Without --json, or
if --out is given, the plots FILE.forecast.svg and FILE.components.svg are written to that
folder.`,
		Example: `  incendio decompose sales.csv --horizon 365
  incendio decompose requests.csv --freq 5min --horizon 288 --seasonality hourly:0.0416667:4
  incendio decompose users.csv --growth logistic --cap 8.5 --mode multiplicative --country US --json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			return a.decompose(cmd, f, arg[0])
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.growth, "growth", string(m.Growth), "linear, flat or logistic")
	fs.Float64Var(&f.cap, "cap", 0, "capacity of logistic growth, unless the file has a column cap")
	fs.Float64Var(&f.floor, "floor", 0, "floor of logistic growth, unless the file has a column floor")
	fs.StringVar(&f.mode, "mode", string(m.SeasonalityMode), "additive or multiplicative")
	fs.StringVar(&f.scaling, "scaling", string(fit.AbsMax), "of y before it is fitted: absmax, or minmax for a level far above what varies")
	fs.StringVar(&f.holidays, "holidays", "", "CSV `file` of holidays")
	fs.StringVar(&f.holidaysMode, "holidays-mode", "", "of holidays, additive or multiplicative; as --mode if not given")
	fs.StringVar(&f.country, "country", "", "add the public holidays of a country, by its `code`")
	fs.IntVar(&f.changepoints, "changepoints", m.Changepoints, "number of automatic changepoints")
	fs.Float64Var(&f.changepointRange, "changepoint-range", m.ChangepointRange, "share of the history in which they are")
	fs.StringArrayVar(&f.changepointTimes, "changepoint", nil, "the trend may bend at this `time`, rather than at automatic changepoints; may be repeated")
	fs.Float64Var(&f.tau, "changepoint-prior-scale", m.ChangepointPriorScale, "how much the trend may bend")
	fs.Float64Var(&f.seasonal, "seasonality-prior-scale", m.SeasonalityPriorScale, "how large seasonalities may be")
	fs.Float64Var(&f.holidayTau, "holidays-prior-scale", m.HolidaysPriorScale, "how large effects of holidays and regressors may be")
	fs.BoolVar(&f.noYearly, "no-yearly", false, "no yearly seasonality")
	fs.BoolVar(&f.noWeekly, "no-weekly", false, "no weekly seasonality")
	fs.BoolVar(&f.noDaily, "no-daily", false, "no daily seasonality")
	fs.StringArrayVar(&f.seasonalities, "seasonality", nil, "add a seasonality `NAME:PERIOD_DAYS:ORDER`; may be repeated")
	fs.StringArrayVar(&f.regressors, "regressor", nil, "add the column `NAME` as a regressor; may be repeated")
	fs.IntVar(&f.horizon, "horizon", 0, "steps to forecast after the last row")
	fs.StringVar(&f.freq, "freq", "D", "their `step`, as in pandas 3: D, h, 15min, 2h30min, W, MS, …")
	fs.IntVar(&f.samples, "samples", intervals.Samples, "futures drawn for the intervals; 0: no intervals")
	fs.Float64Var(&f.width, "interval-width", intervals.Level, "probability between yhat_lower and yhat_upper")
	fs.StringVar(&f.out, "out", ".", "`folder` of the plots")
	// Prophet's option: who asks for it is told what there is instead.
	fs.IntVar(&f.mcmc, "mcmc-samples", 0, "")
	_ = fs.MarkHidden("mcmc-samples") // the flag exists
	commonFlags(fs, "seed")
	return c
}

func (a *app) decompose(cmd *cobra.Command, f decomposeFlags, file string) error {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
	}
	log, err := a.logger()
	if err != nil {
		return err
	}
	freq, err := table.ParseFrequency(f.freq)
	if err != nil {
		return usage(fmt.Errorf("--freq: %w", err))
	}
	if f.horizon < 0 || f.horizon > 1e7 {
		return usage(fmt.Errorf("--horizon must be in [0, 1e7], got %d", f.horizon))
	}
	intervals := prophet.IntervalOptions{Level: f.width, Samples: f.samples, Seed: cfg.Seed}
	if f.samples != 0 {
		if err := intervals.Validate(); err != nil {
			return usage(err)
		}
	}
	m, err := f.model()
	if err != nil {
		return usage(err)
	}
	d := decomposed{name: file, model: m}
	if d.history, err = readTable(file, m); err != nil {
		return err
	}
	for _, c := range []struct {
		name   string
		column []float64
	}{{"cap", d.history.Columns.Cap}, {"floor", d.history.Columns.Floor}} {
		if c.column != nil && cmd.Flags().Changed(c.name) {
			return usage(fmt.Errorf("--%s has no effect: %s has a column of that name", c.name, file))
		}
	}
	if n := d.history.Values(); n < 2 {
		return fmt.Errorf("%s has %d values of y: at least 2 are needed", file, n)
	}
	if err := d.settle(f, freq); err != nil {
		return err
	}
	if err := d.model.Validate(); err != nil {
		return usage(err)
	}
	if err := d.fit(cmd.Context()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := d.predict(freq, f.horizon, intervals); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	d.warn(log)
	if f.horizon > 0 || cmd.Flags().Changed("freq") {
		d.warnStep(log, freq)
	}
	var plots []string
	if !a.json || cmd.Flags().Changed("out") {
		if plots, err = d.draw(f.out); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(d.json())
	}
	return d.summary(a.out, plots)
}

// model is what the flags say without the file.
func (f decomposeFlags) model() (fit.Model, error) {
	m := fit.DefaultModel()
	if f.mcmc != 0 {
		return m, fmt.Errorf("--mcmc-samples %d: the posterior is not sampled, its mode is found: --samples draws futures of the trend and noise for the intervals of yhat; there are no intervals of seasonalities", f.mcmc)
	}
	m.Growth, m.Cap, m.Floor, m.SeasonalityMode = prophet.Growth(f.growth), f.cap, f.floor, prophet.Mode(f.mode)
	m.HolidaysMode, m.Scaling = prophet.Mode(f.holidaysMode), fit.Scaling(f.scaling)
	m.Changepoints, m.ChangepointRange, m.ChangepointPriorScale = f.changepoints, f.changepointRange, f.tau
	m.SeasonalityPriorScale, m.HolidaysPriorScale = f.seasonal, f.holidayTau
	for _, text := range f.changepointTimes {
		at, err := table.ParseTime(text)
		if err != nil {
			return m, fmt.Errorf("--changepoint: %w", err)
		}
		m.ChangepointTimes = append(m.ChangepointTimes, at)
	}
	for _, text := range f.seasonalities {
		s, err := parseSeasonality(text)
		if err != nil {
			return m, fmt.Errorf("--seasonality %q: %w", text, err)
		}
		m.Seasonalities = append(m.Seasonalities, s)
	}
	for _, text := range f.regressors {
		r, err := parseRegressor(text)
		if err != nil {
			return m, fmt.Errorf("--regressor %q: %w", text, err)
		}
		m.Regressors = append(m.Regressors, r)
	}
	return m, m.Validate()
}

func parseSeasonality(text string) (prophet.Seasonality, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 3 {
		return prophet.Seasonality{}, errors.New("must be NAME:PERIOD_DAYS:ORDER")
	}
	s := prophet.Seasonality{Name: parts[0]}
	var err error
	if s.Period, err = strconv.ParseFloat(parts[1], 64); err != nil {
		return s, fmt.Errorf("period must be a number of days, got %q", parts[1])
	}
	if s.Order, err = strconv.Atoi(parts[2]); err != nil {
		return s, fmt.Errorf("order must be a whole number, got %q", parts[2])
	}
	return s, settings(parts[3:], map[string]func(string) error{
		"prior":     scale(&s.PriorScale),
		"mode":      func(v string) error { s.Mode = prophet.Mode(v); return nil },
		"condition": func(v string) error { s.Condition = v; return nil },
	})
}

func parseRegressor(text string) (fit.Regressor, error) {
	parts := strings.Split(text, ":")
	r := fit.Regressor{Name: parts[0]}
	return r, settings(parts[1:], map[string]func(string) error{
		"prior":       scale(&r.PriorScale),
		"mode":        func(v string) error { r.Mode = prophet.Mode(v); return nil },
		"standardise": func(v string) error { r.Standardise = fit.Standardise(v); return nil },
	})
}

// settings applies the KEY=VALUE at the end of a term.
func settings(parts []string, set map[string]func(string) error) error {
	for _, p := range parts {
		key, value, ok := strings.Cut(p, "=")
		if !ok || set[key] == nil {
			var keys []string
			for k := range set {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			return fmt.Errorf("%q must be KEY=VALUE with a key of %s", p, strings.Join(keys, ", "))
		}
		if err := set[key](value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func scale(to *float64) func(string) error {
	return func(text string) error {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("must be a number > 0, got %q", text)
		}
		*to = v
		return nil
	}
}

// readTable reads the file with the columns that m needs.
func readTable(file string, m fit.Model) (*table.Table, error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var want table.Wanted
	for _, s := range m.Seasonalities {
		if s.Condition != "" && !prophet.CalendarCondition(s.Condition) && !slices.Contains(want.Conditions, s.Condition) {
			want.Conditions = append(want.Conditions, s.Condition)
		}
	}
	for _, x := range m.Regressors {
		want.Regressors = append(want.Regressors, x.Name)
	}
	return table.Read(r, file, want)
}

// decomposed is one run of decompose, from the history to the forecast.
type decomposed struct {
	name    string
	model   fit.Model
	history *table.Table

	fitted   *prophet.Fitted
	took     time.Duration
	forecast *prophet.Forecast
	columns  prophet.Columns // of the forecast
}

// reserved are names that a forecast has already.
var reserved = []string{"ds", "y", "cap", "floor", "trend", "yhat", "yhat_lower", "yhat_upper"}

// settle adds to the model what depends on the history: seasonalities and holidays.
func (d *decomposed) settle(f decomposeFlags, freq table.Frequency) error {
	off := map[string]bool{"yearly": f.noYearly, "weekly": f.noWeekly, "daily": f.noDaily}
	for _, s := range d.model.Seasonalities {
		off[s.Name] = true // one's own stands in for it
	}
	span, step := d.history.Span()
	for _, s := range fit.ProphetSeasonalities(span, step) {
		if !off[s.Name] {
			d.model.Seasonalities = append(d.model.Seasonalities, s)
		}
	}
	if f.holidays != "" {
		r, err := os.Open(f.holidays)
		if err != nil {
			return err
		}
		defer r.Close()
		if d.model.Holidays, err = table.ReadHolidays(r, f.holidays); err != nil {
			return err
		}
	}
	if f.country != "" {
		first, last := d.history.Times[0], d.history.Times[len(d.history.Times)-1]
		ahead, err := freq.After(last, f.horizon)
		if err != nil {
			return usage(err)
		}
		end := append([]time.Time{last}, ahead...)[len(ahead)]
		public, err := country.Holidays(f.country, first.Year(), end.Year())
		if err != nil {
			return usage(fmt.Errorf("--country: %w", err))
		}
		// Nothing can be learned of one that has no day in the history.
		for _, h := range public {
			if slices.ContainsFunc(h.Dates, func(day prophet.Day) bool { return day >= prophet.DayOf(first) && day <= prophet.DayOf(last) }) {
				d.model.Holidays = append(d.model.Holidays, h)
			}
		}
	}
	for _, name := range reserved {
		if slices.ContainsFunc(d.model.Seasonalities, func(s prophet.Seasonality) bool { return s.Name == name }) ||
			slices.ContainsFunc(d.model.Holidays, func(h prophet.Holiday) bool { return h.Name == name }) ||
			slices.ContainsFunc(d.model.Regressors, func(r fit.Regressor) bool { return r.Name == name }) {
			return usage(fmt.Errorf("no term can be called %s: the forecast has a column of that name", name))
		}
	}
	return nil
}

func (d *decomposed) fit(ctx context.Context) (err error) {
	began := time.Now()
	d.fitted, err = d.model.FitColumns(ctx, d.history.Times, d.history.Y, d.history.Columns)
	d.took = time.Since(began)
	return err
}

// predict forecasts the rows of the file and the horizon.
func (d *decomposed) predict(freq table.Frequency, horizon int, o prophet.IntervalOptions) error {
	times, columns, err := d.history.Ahead(freq, horizon)
	if err != nil {
		return err
	}
	d.columns = columns
	if d.forecast, err = d.fitted.ForecastColumns(times, columns); err != nil {
		return err
	}
	if o.Samples > 0 {
		return d.fitted.Intervals(d.forecast, o)
	}
	return nil
}

// warnStep says that the horizon goes on otherwise than the rows.
func (d *decomposed) warnStep(log *slog.Logger, freq table.Frequency) {
	if fits, step := freq.Fits(d.history); !fits {
		log.Warn("the rows are not as far apart as --freq says: it is the step of the horizon", "file", d.name, "rows", step, "freq", freq)
	}
}

// warn says what may surprise.
func (d *decomposed) warn(log *slog.Logger) {
	f := d.fitted
	if f.SigmaObs == 0 {
		log.Warn("all values are equal: nothing was fitted", "file", d.name, "value", f.M*f.YScale)
	} else if parameters := 3 + len(f.Delta) + len(f.Beta); f.Observations < parameters {
		log.Warn("fewer values than parameters: the priors decide", "file", d.name, "values", f.Observations, "parameters", parameters)
	}
	if d.model.Growth == prophet.Logistic {
		above := 0
		for i, y := range d.history.Y {
			limit := d.model.Cap
			if d.history.Columns.Cap != nil {
				limit = d.history.Columns.Cap[i]
			}
			if y > limit {
				above++
			}
		}
		if above > 0 {
			log.Warn("values lie above the capacity: the trend does not reach them", "file", d.name, "values", above)
		}
	}
	d.warnUnseen(log)
	first, last := prophet.DayOf(f.Start), prophet.DayOf(f.End)
	for _, h := range f.Holidays {
		inside := slices.ContainsFunc(h.Dates, func(day prophet.Day) bool {
			return day+prophet.Day(h.UpperWindow) >= first && day+prophet.Day(h.LowerWindow) <= last
		})
		if !inside {
			log.Warn("a holiday has no day in the history: its effect is 0", "file", d.name, "holiday", h.Name)
		}
	}
}

// dateLayout is how times are written: without the clock if it is midnight throughout.
func dateLayout(times []time.Time) string {
	for _, t := range times {
		if !t.Equal(t.Truncate(24 * time.Hour)) {
			return time.DateTime
		}
	}
	return time.DateOnly
}

// A decomposition is what decompose --json prints.
type decomposition struct {
	Params       params      `json:"params"`
	Changepoints []string    `json:"changepoints"`
	YScale       float64     `json:"y_scale"`
	Floor        float64     `json:"floor,omitempty"` // of the trend, in units of y: y = floor + y_scale * scaled value
	LogPosterior float64     `json:"log_posterior"`   // 0 of a constant history
	FitMS        float64     `json:"fit_ms"`          // depends on the machine
	Components   []component `json:"components"`      // in the order of beta
	Forecast     []row       `json:"forecast"`
	Unseen       []unseen    `json:"unseen,omitempty"` // what of the forecast the history says nothing of
	Timing       struct {
		FitMS float64 `json:"fit_ms"` // as in all commands; fit_ms again
	} `json:"timing"`
}

// params are the parameters of the model, in scaled units.
type params struct {
	K        float64   `json:"k"`
	M        float64   `json:"m"`
	Delta    []float64 `json:"delta"`
	Beta     []float64 `json:"beta"`
	SigmaObs float64   `json:"sigma_obs"`
}

// component is a term of the model beside the trend.
type component struct {
	Name    string       `json:"name"`
	Mode    prophet.Mode `json:"mode"`
	Columns int          `json:"columns"` // of beta
}

// A row has the columns of a forecast in order.
type row []cell

type cell struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (r row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, c := range r {
		b.WriteByte("{,"[min(i, 1)])
		name, err := json.Marshal(c.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(c.value)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (d *decomposed) json() decomposition {
	f, fc := d.fitted, d.forecast
	form := dateLayout(fc.Time)
	out := decomposition{
		Params:       params{f.K, f.M, f.Delta, f.Beta, f.SigmaObs},
		Changepoints: []string{},
		YScale:       f.YScale,
		Floor:        f.Floor,
		LogPosterior: f.LogPosterior,
		FitMS:        float64(d.took.Microseconds()) / 1000,
		Components:   d.components(),
		Unseen:       d.unseen(),
	}
	out.Timing.FitMS = out.FitMS
	var bends []time.Time
	for _, s := range f.Changepoints {
		bends = append(bends, f.Time(s).Round(time.Second))
	}
	for _, t := range bends {
		out.Changepoints = append(out.Changepoints, t.Format(dateLayout(bends)))
	}
	parts := fc.Components()
	for i, t := range fc.Time {
		r := row{{"ds", t.Format(form)}, {"trend", fc.Trend[i]}}
		for _, c := range parts {
			r = append(r, cell{c.Name, c.Value[i]})
		}
		r = append(r, cell{"yhat", fc.Yhat[i]})
		if fc.Lower != nil {
			r = append(r, cell{"yhat_lower", fc.Lower[i]}, cell{"yhat_upper", fc.Upper[i]})
		}
		out.Forecast = append(out.Forecast, r)
	}
	return out
}

func (d *decomposed) components() []component {
	out := []component{}
	add := func(name string, mode prophet.Mode, columns int) {
		if mode == "" {
			mode = prophet.Additive
		}
		out = append(out, component{name, mode, columns})
	}
	for _, s := range d.fitted.Seasonalities {
		add(s.Name, s.Mode, s.Columns())
	}
	for _, h := range d.fitted.Holidays {
		add(h.Name, h.Mode, h.Columns())
	}
	for _, r := range d.fitted.Regressors {
		add(r.Name, r.Mode, 1)
	}
	return out
}

// draw writes the plots and returns their names.
func (d *decomposed) draw(dir string) ([]string, error) {
	if len(d.forecast.Time) < 2 {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	base := filepath.Base(d.name)
	base = filepath.Join(dir, strings.TrimSuffix(base, filepath.Ext(base)))
	observed := slices.Concat(d.history.Y, slices.Repeat([]float64{math.NaN()}, len(d.forecast.Time)-len(d.history.Y)))
	outlook := report.Outlook{
		Title: filepath.Base(d.name), Times: d.forecast.Time, Observed: observed, Yhat: d.forecast.Yhat,
		Lower: d.forecast.Lower, Upper: d.forecast.Upper, History: d.fitted.End,
	}
	if d.fitted.Growth == prophet.Logistic {
		outlook.Cap, outlook.Floor = d.columns.Cap, d.columns.Floor
		if outlook.Cap == nil {
			outlook.Cap = slices.Repeat([]float64{d.fitted.Cap}, len(outlook.Times))
		}
	}
	var names []string
	for _, p := range []struct {
		name string
		draw func(io.Writer) error
	}{
		{base + ".forecast.svg", func(w io.Writer) error { return report.DrawOutlook(w, outlook) }},
		{base + ".components.svg", func(w io.Writer) error {
			return report.DrawComponents(w, filepath.Base(d.name), report.PanelsOf(d.fitted, d.forecast))
		}},
	} {
		var b bytes.Buffer
		if err := p.draw(&b); err != nil {
			return nil, err
		}
		if err := os.WriteFile(p.name, b.Bytes(), 0o666); err != nil {
			return nil, err
		}
		names = append(names, p.name)
	}
	return names, nil
}

// summary says in a few lines what was found.
func (d *decomposed) summary(out io.Writer, plots []string) error {
	f, fc := d.fitted, d.forecast
	form := dateLayout(fc.Time)
	bends := 0
	for _, v := range f.Delta {
		if v != 0 {
			bends++
		}
	}
	fmt.Fprintf(out, "%s: %d values from %s to %s\n", d.name, f.Observations, f.Start.Format(form), f.End.Format(form))
	fmt.Fprintf(out, "%s trend with %d changepoints, %d of which bend it; noise %.4g; log posterior %.6f; fitted in %.1f ms\n\n",
		f.Growth, len(f.Delta), bends, f.Noise(), f.LogPosterior, float64(d.took.Microseconds())/1000)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "component\tmode\tlowest\thighest\t")
	line := func(name, mode string, v []float64) {
		fmt.Fprintf(w, "%s\t%s\t%.4g\t%.4g\t\n", name, mode, slices.Min(v), slices.Max(v))
	}
	line("trend", "", fc.Trend)
	for i, c := range fc.Components() {
		line(c.Name, string(d.components()[i].Mode), c.Value)
	}
	line("yhat", "", fc.Yhat)
	if err := w.Flush(); err != nil {
		return err
	}
	last := len(fc.Time) - 1
	fmt.Fprintf(out, "\nat %s: yhat %.6g", fc.Time[last].Format(form), fc.Yhat[last])
	if fc.Lower != nil {
		fmt.Fprintf(out, ", between %.6g and %.6g", fc.Lower[last], fc.Upper[last])
	}
	fmt.Fprintln(out)
	for _, p := range plots {
		fmt.Fprintln(out, "plot:", p)
	}
	return nil
}
