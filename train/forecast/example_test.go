package forecast_test

import (
	"context"
	"fmt"
	"log"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

// A forecaster is trained on a trace, follows it minute by minute as it would at run time,
// and says what comes in the next half hour.
func Example() {
	ctx := context.Background()
	t, err := synthetic.Generate(synthetic.Options{Functions: 12, Days: 3, Busiest: 20000, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	splits := datasets.Split(t.Span)
	o := forecast.DefaultOptions()
	o.Trees.NumIterations, o.MaxRows, o.Ahead = 20, 4000, []int{30} // small, as this is an example
	model, _, err := forecast.Train(ctx, t, splits, nil, o, train.Discard)
	if err != nil {
		log.Fatal(err)
	}

	rt, err := online.NewRuntime(model, t.Functions, t.Start)
	if err != nil {
		log.Fatal(err)
	}
	row := make([]float64, len(t.Functions))
	day, err := t.Day(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	for minute, counts := range day.Rows(0, 720, row) { // the first half of the last day
		rt.Step(2*datasets.MinutesPerDay+minute, counts)
	}
	path, err := rt.Path(0, 30, nil)
	if err != nil {
		log.Fatal(err)
	}
	ordered := true
	for _, f := range path {
		ordered = ordered && 0 <= f.Median && f.Median <= f.Q90 && f.Q90 <= f.Q99
	}
	fmt.Println(len(path), "minutes, quantiles in order:", ordered)
	// Output: 30 minutes, quantiles in order: true
}
