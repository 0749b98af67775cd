package runner

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// history is a ring of the last events and orders.
type history struct {
	ring []happening
	next int // where the next one goes, once the ring is full
}

// A happening is an event or an order.
type happening struct {
	at                           time.Time
	function, request, container uint64
	invoker, other               uint64
	ordered                      bool
	kind                         uint8 // of the event, or of the order
	cause                        decide.Cause
}

func newHistory(n int) history { return history{ring: make([]happening, 0, n)} }

// add is slow once at the beginning, and then not at all.
func (h *history) add(x happening) {
	switch {
	case cap(h.ring) == 0:
	case len(h.ring) < cap(h.ring):
		h.ring = append(h.ring, x)
	default:
		h.ring[h.next] = x
		h.next = (h.next + 1) % len(h.ring)
	}
}

func (h *history) event(ev *scheduler.Event) {
	if ev.Kind == decide.Tick {
		return
	}
	x := happening{at: ev.At, function: ev.Function, request: ev.Request, container: ev.Container, invoker: ev.Invoker, kind: uint8(ev.Kind)}
	switch {
	case ev.Deploy != nil:
		x.function = ev.Deploy.ID
	case ev.Join != nil:
		x.invoker = ev.Join.ID
	case ev.Adopt != nil:
		x.container = ev.Adopt.Container
		for _, r := range ev.Adopt.Requests {
			x.request = r.ID
			h.add(x)
		}
		if len(ev.Adopt.Requests) > 0 {
			return
		}
	}
	h.add(x)
}

func (h *history) order(at time.Time, o *scheduler.Order) {
	h.add(happening{at, o.Function, o.Request, o.Container, o.Invoker, o.For, true, uint8(o.Kind), o.Cause})
}

// A Step is an event or an order that an explanation looks back on.
type Step struct {
	At        time.Time `json:"at"`
	What      string    `json:"what"` // a decide.EventKind, or "order " and a decide.DecisionKind
	Function  uint64    `json:"function,omitempty"`
	Request   uint64    `json:"request,omitempty"`
	Container uint64    `json:"container,omitempty"`
	Invoker   uint64    `json:"invoker,omitempty"`
	Cause     string    `json:"cause,omitempty"` // of what was given up: a decide.Cause
	For       uint64    `json:"for,omitempty"`   // the function that the room is for, of an eviction
}

// String is the step in words.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", s.At.UTC().Format("15:04:05.000"), s.What)
	for _, x := range []struct {
		name string
		id   uint64
	}{{"request", s.Request}, {"container", s.Container}, {"function", s.Function}, {"invoker", s.Invoker}} {
		if x.id != 0 {
			fmt.Fprintf(&b, " %s %d", x.name, x.id)
		}
	}
	if s.Cause != "" {
		fmt.Fprintf(&b, ": %s", s.Cause)
	}
	if s.For != 0 {
		fmt.Fprintf(&b, " for function %d", s.For)
	}
	return b.String()
}

// steps are what the ring knows of the things for which about holds, the oldest first.
func (h *history) steps(about func(*happening) bool) []Step {
	out := []Step{}
	for k := range h.ring {
		x := &h.ring[(h.next+k)%len(h.ring)]
		if !about(x) {
			continue
		}
		s := Step{At: x.at, Function: x.function, Request: x.request, Container: x.container, Invoker: x.invoker, For: x.other, Cause: x.cause.String()}
		s.What = decide.EventKind(x.kind).String()
		if x.ordered {
			s.What = "order " + decide.DecisionKind(x.kind).String()
		}
		out = append(out, s)
	}
	return out
}

// An Explanation says why a request or a container is where it is, and how it came there.
type Explanation struct {
	scheduler.Explanation
	History []Step `json:"history"` // as far back as Options.Remember
}

// String is the explanation in words: what is, and what was, a line each.
func (e Explanation) String() string {
	var b strings.Builder
	b.WriteString(e.Explanation.String())
	for _, s := range e.History {
		b.WriteString("\n  " + s.String())
	}
	return b.String()
}

// ExplainRequest says why the request waits, or what became of it.
func (r *Runner) ExplainRequest(ctx context.Context, id uint64) (e Explanation, err error) {
	err = r.inside(ctx, func() error {
		e = Explanation{r.control.ExplainRequest(id), r.history.steps(func(x *happening) bool { return x.request == id && id != 0 })}
		return nil
	})
	return e, err
}

// ExplainContainer says why the container is kept or was ended.
func (r *Runner) ExplainContainer(ctx context.Context, id uint64) (e Explanation, err error) {
	err = r.inside(ctx, func() error {
		e = Explanation{r.control.ExplainContainer(id), nil}
		var on uint64 // the invoker that it was last on
		for k := range r.history.ring {
			if x := &r.history.ring[(r.history.next+k)%len(r.history.ring)]; x.container == id && x.invoker != 0 {
				on = x.invoker
			}
		}
		e.History = r.history.steps(func(x *happening) bool {
			return id != 0 && (x.container == id || on != 0 && !x.ordered && x.container == 0 && x.invoker == on)
		})
		return nil
	})
	return e, err
}
