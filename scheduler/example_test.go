package scheduler_test

import (
	"log"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// A Plane is what a control plane knows when it starts.
type Plane struct {
	Functions []datasets.Function  // Owner, App and Name match them with the bundle
	Profiles  []decide.Profile     // of the same functions: memory, CPU, expected times
	Invokers  []decide.InvokerSpec // memory and cores
	Midnight  time.Time            // UTC: time 0
	History   [][]float64          // arrivals per function of each minute since Midnight, at least one

	Events <-chan decide.Event   // arrivals, containers ready and ended, completions
	Do     func(decide.Decision) // run, create, end or drop
}

// Run schedules by the champion of a registry until Events is closed.
func (p *Plane) Run(registry string) error {
	b, err := bundle.NewRegistry(registry).Open(bundle.ChampionRef, bundle.Policy{}) // checks every byte
	if err != nil {
		return err
	}
	models, err := scheduler.Use(b) // replays the golden cases
	if err != nil {
		return err
	}
	source, err := forecast.NewRuntime(models.Forecast, p.Functions, p.Midnight)
	if err != nil {
		return err
	}
	last := len(p.History) - 1
	for minute, counts := range p.History[:last] {
		source.Prime(minute, counts)
	}
	first := source.Step(last, p.History[last]) // forecasts of the minute that begins now
	start := decide.Time(len(p.History)) * decide.Minute
	stack, err := models.Stack(p.Functions, source, first, start, 1)
	if err != nil {
		return err
	}
	s, err := scheduler.New(p.Profiles, p.Invokers, stack, scheduler.DefaultOptions())
	if err != nil {
		return err
	}
	timer := time.NewTimer(0)
	for {
		ev := decide.Event{Kind: decide.Tick}
		select {
		case next, ok := <-p.Events:
			if !ok {
				return nil
			}
			ev = next
		case <-timer.C:
		}
		ev.At = decide.FromDuration(time.Since(p.Midnight))
		decisions, err := s.Handle(ev)
		if err != nil {
			return err // an impossible event; it has changed nothing
		}
		for _, d := range decisions {
			p.Do(d) // must not block: it is told of the outcome by an event
		}
		if wake := s.Wake(); wake < decide.Forever {
			timer.Reset(time.Until(p.Midnight.Add(wake.Duration())))
		}
	}
}

// A control plane that embeds the scheduler: it loads the champion of a registry, and
// then trades events for decisions. (It is compiled, not run: it needs a platform.)
func Example_controlPlane() {
	p := &Plane{
		Events: make(chan decide.Event),
		Do:     func(d decide.Decision) { log.Println(d.Kind, d.Function, d.Container, d.Request) },
	}
	if err := p.Run("incendio-data/registry"); err != nil {
		log.Fatal(err)
	}
}
