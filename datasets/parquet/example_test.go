package parquet_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
)

// A trace is taken into a store, and its busiest function is found by reading it day by day.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := parquet.Open(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}
	in, err := synthetic.New(synthetic.Options{Functions: 20, Days: 2, Busiest: 20000, Seed: 1}) // any datasets.Input
	if err != nil {
		log.Fatal(err)
	}
	d, changed, err := store.Ingest(ctx, in, parquet.DefaultIngestOptions("cloud"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Name, d.Functions, "functions,", d.Days, "days, changed:", changed)

	t, err := store.Trace(ctx, "cloud")
	if err != nil {
		log.Fatal(err)
	}
	sums := make([]int64, len(t.Functions))
	var all int64
	for day := range t.Days() {
		counts, err := t.Day(ctx, day)
		if err != nil {
			log.Fatal(err)
		}
		for f := range t.Functions {
			_, n := counts.Function(datasets.FunctionID(f))
			for _, k := range n {
				sums[f] += k
				all += k
			}
		}
	}
	busiest := 0
	for f := range sums {
		if sums[f] > sums[busiest] {
			busiest = f
		}
	}
	fmt.Println("all of it:", all == d.Invocations, "and more than a tenth of it is of one function:", sums[busiest]*10 > all)
	// Output:
	// cloud 20 functions, 2 days, changed: true
	// all of it: true and more than a tenth of it is of one function: true
}
