package sim_test

import (
	"context"
	"fmt"
	"log"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A day is replayed under two policies, on the same requests.
func Example() {
	ctx := context.Background()
	t, err := synthetic.Generate(synthetic.Options{Functions: 40, Days: 1, Busiest: 20000, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	var policies []sim.Contender
	for _, name := range []string{"native", "faascache"} {
		c, err := sim.Baseline(name, 1)
		if err != nil {
			log.Fatal(err)
		}
		policies = append(policies, c)
	}
	o := sim.DefaultOptions()
	o.Window = datasets.Window{From: 600, To: 720} // two hours before noon
	report, err := sim.Compare(ctx, t, policies, o, 1)
	if err != nil {
		log.Fatal(err)
	}
	native, faascache := report.Results[0], report.Results[1]
	fmt.Println("the same requests:", native.Requests == faascache.Requests)
	fmt.Println("who keeps containers until memory is short starts fewer:", faascache.Cold < native.Cold)
	fmt.Println("and holds more:", faascache.WastedGBS > native.WastedGBS)
	// Output:
	// the same requests: true
	// who keeps containers until memory is short starts fewer: true
	// and holds more: true
}

// shortest starts the waiting request whose function executes for the shortest time, in a
// warm container where there is one.
type shortest struct{}

// Next implements decide.Dispatcher.
func (shortest) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	best := decide.FunctionID(decide.None)
	for _, f := range s.Backlog() {
		if s.Available(f) == decide.None && (s.FirstWarm(f) != decide.None || !s.AnyRoom(f)) {
			continue // it waits for a container that is busy, or for room
		}
		if best == decide.None || s.Execution(f) < s.Execution(best) {
			best = f
		}
	}
	if best == decide.None {
		return decide.Start{}, false
	}
	return decide.Start{Request: s.Oldest(best), Container: s.Available(best)}, true
}

// A policy of one's own is a dispatcher, a pool and a placer, of which two may be those of
// others. In package scheduler it runs inside a control plane as it does here.
func Example_policy() {
	ctx := context.Background()
	t, err := synthetic.Generate(synthetic.Options{Functions: 40, Days: 1, Busiest: 20000, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	own := func(*datasets.Trace, policy.Site) (scheduler.Stack, error) {
		return scheduler.Stack{
			Name: "shortest", Dispatcher: shortest{}, Pool: &policy.LRU{Keep: 10 * decide.Minute}, Placer: policy.LeastLoaded{},
		}, nil
	}
	o := sim.DefaultOptions()
	o.Window = datasets.Window{From: 600, To: 720}
	w, err := sim.Load(ctx, t, o.Draw)
	if err != nil {
		log.Fatal(err)
	}
	result, err := sim.Run(ctx, t, w, own, o)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Name, "lost nothing:", result.Dropped == 0 && result.Requests == w.Requests())
	// Output: shortest lost nothing: true
}
