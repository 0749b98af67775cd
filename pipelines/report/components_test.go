package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/pipelines/report"
)

// model is a decomposition with terms of every kind, over n days and a half.
func model(n int) (*prophet.Fitted, *prophet.Forecast) {
	start := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	f := &prophet.Fitted{
		Growth: prophet.Logistic, Start: start, End: start.AddDate(0, 0, n), YScale: 10, Cap: 12, K: 2, M: 0.3,
		Changepoints: []float64{0.5}, Delta: []float64{0.4},
		Seasonalities: []prophet.Seasonality{
			{Name: "yearly", Period: 365.25, Order: 1}, {Name: "weekly", Period: 7, Order: 1}, {Name: "daily", Period: 1, Order: 1},
			{Name: "hour & <half>", Period: 1.5 / 24, Order: 1, Mode: prophet.Multiplicative},
		},
		Holidays:   []prophet.Holiday{{Name: "launch", Dates: []prophet.Day{prophet.DayOf(start) + 3}}},
		Regressors: []prophet.Regressor{{Name: "load", Scale: 1}},
		Beta:       []float64{0.1, 0.2, 0.1, 0, 0, 0.1, 0.05, 0, 0.3, 1}, SigmaObs: 0.1, Observations: n,
	}
	var times []time.Time
	var load []float64
	for i := range n {
		times = append(times, start.Add(time.Duration(i)*36*time.Hour))
		load = append(load, math.Sin(float64(i)))
	}
	fc, err := f.ForecastColumns(times, prophet.Columns{Regressors: map[string][]float64{"load": load}})
	if err == nil {
		err = f.Intervals(fc, prophet.DefaultIntervalOptions())
	}
	if err != nil {
		panic(err)
	}
	return f, fc
}

// texts are the texts of an SVG file, which must be well formed and need nothing else.
func texts(t *testing.T, svg []byte) string {
	t.Helper()
	if s := string(svg); strings.Contains(s, "var(") || strings.Contains(s, "href") || strings.Contains(s, "NaN") {
		t.Error("the file has variables, links or NaN")
	}
	var out []string
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(out, "|")
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			if s := strings.TrimSpace(string(text)); s != "" {
				out = append(out, s)
			}
		}
	}
}

func TestDrawComponents(t *testing.T) {
	f, fc := model(200)
	panels := report.PanelsOf(f, fc)
	var names []string
	for _, p := range panels {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, ","); got != "trend,holidays,yearly,weekly,daily,hour & <half>,load" {
		t.Errorf("panels %s", got)
	}
	var b, again bytes.Buffer
	for _, w := range []io.Writer{&b, &again} {
		if err := report.DrawComponents(w, "a & b.csv", panels); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("two drawings differ")
	}
	got := texts(t, b.Bytes())
	for _, want := range []string{"Components of a & b.csv", "Trend", "Holidays", "Sunday", "Saturday", "1 July", "12:00", "Hour & <half>, share of the trend", "20 min", "%", "Load"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	panels[1].Value = panels[1].Value[1:]
	if err := report.DrawComponents(io.Discard, "x", panels); err == nil || !strings.Contains(err.Error(), `"holidays"`) {
		t.Errorf("a value too few: error %v", err)
	}
	if err := report.DrawComponents(io.Discard, "x", nil); err == nil {
		t.Error("no panels were drawn")
	}
}

func TestDrawOutlook(t *testing.T) {
	for _, n := range []int{2, 200, 3000} {
		f, fc := model(n)
		observed := make([]float64, n)
		for i := range observed {
			observed[i] = fc.Yhat[i] + 0.1
			if i%7 == 3 {
				observed[i] = math.NaN()
			}
		}
		o := report.Outlook{Title: "x", Times: fc.Time, Observed: observed, Yhat: fc.Yhat, Lower: fc.Lower, Upper: fc.Upper, History: f.End}
		var b bytes.Buffer
		if err := report.DrawOutlook(&b, o); err != nil {
			t.Fatal(err)
		}
		got := texts(t, b.Bytes())
		for _, want := range []string{"observed", "forecast", "interval", "time, UTC"} {
			if !strings.Contains(got, want) {
				t.Errorf("%d points: no %q in %s", n, want, got)
			}
		}
		if strings.Contains(got, "capacity") || n == 3000 && !strings.Contains(got, "|2026|") {
			t.Errorf("%d points: %s", n, got)
		}
		o.Yhat = o.Yhat[1:]
		if err := report.DrawOutlook(io.Discard, o); err == nil {
			t.Error("a value too few was drawn")
		}
	}
	if err := report.DrawOutlook(io.Discard, report.Outlook{Times: make([]time.Time, 1)}); err == nil {
		t.Error("one time was drawn")
	}
}
