// Package envelope keeps a learned stack from doing worse than native on traffic that it did
// not learn. Beside the platform runs a shadow: a rough replay of what native would have done with
// the same arrivals. By Little's law the mean number of requests in the system is their
// rate times their mean latency, so two numbers tell which of the two is better off without
// knowing a latency. Where the platform has far more in it than the shadow for a while, it
// is given to native, and back after a time that doubles with every relapse.
package envelope

import (
	"errors"
	"fmt"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Options of an envelope.
type Options struct {
	// Ratio of the requests in the system to those in the shadow above which a window
	// counts against the stack, > 1. Default 1.5.
	Ratio float64 `json:"ratio"`
	// Excess is how many requests more than the shadow it must be as well, in the mean over
	// the window and per core of the platform, >= 0. Default 0.25.
	Excess float64 `json:"excess"`
	// Window over which the two are compared, in seconds, > 0. Default 30.
	Window float64 `json:"window_s"`
	// Windows in a row that must count against the stack, >= 1. Default 2.
	Windows int `json:"windows"`
	// Hold is for how many windows the platform is native's at first, >= 1. It doubles with
	// every relapse, and halves with as many windows without. Default 10.
	Hold int `json:"hold"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Ratio: 1.5, Excess: 0.25, Window: 30, Windows: 2, Hold: 10}
}

// Validate reports the first option that is out of range.
func (o Options) Validate() error {
	switch {
	case !(o.Ratio > 1 && o.Ratio <= 1e6):
		return fmt.Errorf("envelope: ratio must be above 1 and at most 1e6, got %g", o.Ratio)
	case !(o.Excess >= 0 && o.Excess <= 1e6):
		return fmt.Errorf("envelope: excess must be in [0, 1e6], got %g", o.Excess)
	case !(o.Window > 0) || o.Window > 1e6:
		return fmt.Errorf("envelope: window_s must be in (0, 1e6], got %g", o.Window)
	case o.Windows < 1 || o.Windows > 1e6:
		return fmt.Errorf("envelope: windows must be in [1, 1e6], got %d", o.Windows)
	case o.Hold < 1 || o.Hold > 1e6:
		return fmt.Errorf("envelope: hold must be in [1, 1e6], got %d", o.Hold)
	}
	return nil
}

// A Status is the metric of an envelope.
type Status struct {
	Fallback  bool    // native decides
	Fallbacks int     // how often it was called
	Ratio     float64 // of the last whole window: requests in the system to those in the shadow
	Waiting   int     // that wait in the shadow
	ColdStart int64   // of the shadow so far
	Dropped   int64   // by the shadow so far
}

// Choices are those of a stack.
type Choices struct {
	Dispatcher decide.Dispatcher
	Pool       decide.Pool
	Placer     decide.Placer
}

func (c Choices) whole() bool { return c.Dispatcher != nil && c.Pool != nil && c.Placer != nil }

// longest is the most that Hold is multiplied with.
const longest = 64

// An Envelope is the three choices of a stack: those of inner, or of native while inner does
// worse.
type Envelope struct {
	o             Options
	inner, native Choices
	shadow        *shadow

	fallback bool
	calls    int
	ratio    float64
	hold     int // windows of the next fallback
	left     int // of this one
	bad      int // windows in a row that count against inner
	calm     int // that do not

	next     decide.Time // end of the window
	at       decide.Time // of the last event
	inSystem int         // requests since then
	area     float64     // of inSystem over time, in request seconds
	dropped  decide.Time // work of what was dropped up to then
	restored bool        // nothing is deflated any more
	cursor   decide.ContainerID
}

// New wraps inner.
func New(inner, native Choices, o Options) (*Envelope, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if !inner.whole() || !native.whole() {
		return nil, errors.New("envelope: needs all three choices of both stacks")
	}
	return &Envelope{o: o, inner: inner, native: native, hold: o.Hold}, nil
}

// Status is how the two compare.
func (e *Envelope) Status() Status {
	s := Status{Fallback: e.fallback, Fallbacks: e.calls, Ratio: e.ratio}
	if w := e.shadow; w != nil {
		for f := range w.functions {
			s.Waiting += int(w.functions[f].waiting)
		}
		s.ColdStart, s.Dropped = w.colds, w.drops
	}
	return s
}

func (e *Envelope) choices() *Choices {
	if e.fallback {
		return &e.native
	}
	return &e.inner
}

// Observe implements decide.Pool: both stacks see every event, so that either can go on. A
// request that is dropped counts with its execution, as in the shadow.
func (e *Envelope) Observe(s decide.Snapshot, ev decide.Event) {
	if e.shadow == nil {
		e.shadow = newShadow(s)
		e.at, e.next = s.Now(), s.Now()+decide.Time(e.o.Window*float64(decide.Second))
	}
	e.area += float64(e.inSystem)*(s.Now()-e.at).Seconds() + (s.DroppedWork() - e.dropped).Seconds()
	e.at, e.inSystem, e.dropped = s.Now(), s.InSystemAll(), s.DroppedWork()
	if ev.Kind == decide.Arrival {
		e.shadow.arrive(s, ev.Function)
	}
	if s.Now() >= e.next {
		e.compare(s)
	}
	e.inner.Pool.Observe(s, ev)
	e.native.Pool.Observe(s, ev)
	if ev.Kind == decide.Tick {
		e.restored, e.cursor = false, 0
	}
}

// Deployed implements decide.Deployer.
func (e *Envelope) Deployed(s decide.Snapshot, f decide.FunctionID, p decide.Profile) {
	if e.shadow != nil {
		e.shadow.deployed(s, f)
	}
	for _, x := range e.roles() {
		if d, ok := x.(decide.Deployer); ok {
			d.Deployed(s, f, p)
		}
	}
}

// Joined implements decide.Joiner.
func (e *Envelope) Joined(s decide.Snapshot, i decide.InvokerID) {
	if e.shadow != nil {
		e.shadow.joined(s, i)
	}
	for _, x := range e.roles() {
		if j, ok := x.(decide.Joiner); ok {
			j.Joined(s, i)
		}
	}
}

// roles are the parts of both stacks.
func (e *Envelope) roles() [6]any {
	a, b := &e.inner, &e.native
	return [6]any{a.Dispatcher, a.Pool, a.Placer, b.Dispatcher, b.Pool, b.Placer}
}

// compare closes a window.
func (e *Envelope) compare(s decide.Snapshot) {
	w := e.shadow
	w.advance(s.Now())
	length := (s.Now() - e.next).Seconds() + e.o.Window
	e.ratio = e.area / max(w.area, 1e-9)
	bad := e.area > e.o.Ratio*w.area && (e.area-w.area)/length > e.o.Excess*w.cores
	e.area, w.area = 0, 0
	e.next = s.Now() + decide.Time(e.o.Window*float64(decide.Second))
	switch {
	case e.fallback:
		if e.left--; e.left <= 0 {
			e.fallback, e.bad, e.calm = false, 0, 0
		}
	case bad:
		e.calm = 0
		if e.bad++; e.bad >= e.o.Windows {
			e.fallback, e.left = true, e.hold
			e.calls++
			e.hold = min(2*e.hold, longest*e.o.Hold)
		}
	default:
		e.bad = 0
		if e.calm++; e.calm >= e.hold && e.hold > e.o.Hold {
			e.hold, e.calm = max(e.o.Hold, e.hold/2), 0
		}
	}
}

// Next implements decide.Dispatcher.
func (e *Envelope) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	return e.choices().Dispatcher.Next(s, ev)
}

// Explain implements decide.Explainer.
func (e *Envelope) Explain(s decide.Snapshot, r decide.RequestID) (decide.Hold, bool) {
	if x, ok := e.choices().Dispatcher.(decide.Explainer); ok {
		return x.Explain(s, r)
	}
	return decide.Hold{}, false
}

// Place implements decide.Placer.
func (e *Envelope) Place(s decide.Snapshot, f decide.FunctionID) (decide.InvokerID, bool) {
	return e.choices().Placer.Place(s, f)
}

// KeepAlive implements decide.Pool.
func (e *Envelope) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	return e.choices().Pool.KeepAlive(s, c)
}

// Evict implements decide.Pool.
func (e *Envelope) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	return e.choices().Pool.Evict(s, i, f, prewarm)
}

// Adjust implements decide.Pool. Native gives back what was deflated.
func (e *Envelope) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	if e.fallback && !e.restored {
		for ; int(e.cursor) < s.Containers(); e.cursor++ {
			switch c := e.cursor; s.Status(c) {
			case decide.Initialising, decide.Idle, decide.Busy:
				if s.Share(c) < 1 {
					e.cursor++
					return decide.Adjustment{Kind: decide.Deflate, Container: c, Share: 1}, true
				}
			}
		}
		e.restored = true
	}
	return e.choices().Pool.Adjust(s)
}

// Wake implements decide.Pool.
func (e *Envelope) Wake() decide.Time { return min(e.inner.Pool.Wake(), e.native.Pool.Wake()) }
