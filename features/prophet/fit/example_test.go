package fit_test

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet/fit"
)

// Four days of minutes that grow by ten a day, with a wave of ten over the day.
func ExampleModel_Fit() {
	s := datasets.Series{Start: time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC), Step: time.Minute}
	for i := range 4 * 1440 {
		day := float64(i) / 1440
		s.Count = append(s.Count, math.Round(50+10*day-10*math.Cos(2*math.Pi*day)))
	}
	m := fit.DefaultModel()
	m.Seasonalities = fit.AutoSeasonalities(4*24*time.Hour, time.Minute)
	fitted, err := m.Fit(context.Background(), s)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := fitted.Components(s.Start.Add(5*24*time.Hour + 12*time.Hour)) // noon, a day ahead
	fmt.Printf("trend %.0f, seasonal %.0f, yhat %.0f\n", c.Trend, c.Seasonal, c.Yhat)
	// Output: trend 105, seasonal 10, yhat 115
}
