package bundle_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
)

// A bundle is made, put into a registry and promoted; a loader opens what the alias stands
// for.
func Example() {
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	night := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

	b, err := bundle.New(bundle.Manifest{
		SchemaVersion:  bundle.SchemaVersion,
		BundleVersion:  "2026-03-01",
		ProgramVersion: "0.1.0",
		Seed:           1,
		Window:         bundle.Window{Start: "2026-02-15T00:00:00Z", To: 14 * 1440},
		Traces:         []bundle.Trace{{Name: "production", Digest: bundle.Digest([]byte("the trace"))}},
		Config:         []byte("{}"),
		Metrics:        map[string]float64{},
	}, []bundle.File{
		{Name: "weights.json", MediaType: "application/json", Data: []byte(`{"memory": 1}`)},
	})
	if err != nil {
		log.Fatal(err)
	}

	registry := bundle.NewRegistry(filepath.Join(dir, "registry"))
	if err := registry.Add(b, "nightly run", night); err != nil {
		log.Fatal(err)
	}
	if _, err := registry.Promote(b.Digest(), bundle.Decision{Reason: "the first one", At: night}); err != nil {
		log.Fatal(err)
	}

	champion, err := registry.Open(bundle.ChampionRef, bundle.Policy{})
	if err != nil {
		log.Fatal(err)
	}
	weights, err := champion.File("weights.json")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(champion.Manifest().BundleVersion, champion.Digest() == b.Digest(), string(weights))
	// Output: 2026-03-01 true {"memory": 1}
}
