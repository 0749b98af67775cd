package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// An op is what stands in a journal as JSON: an event that carries more than ids, or a swap.
type op struct {
	Event *scheduler.Event `json:"event,omitempty"`
	Swap  string           `json:"swap,omitempty"` // the digest of the bundle
	At    time.Time        `json:"at,omitzero"`    // of the swap
}

// plain reports whether events of the kind carry ids alone.
func plain(k decide.EventKind) bool { return k <= decide.Returned }

// Deploy makes f known, as Submit of a decide.Deployed does. It must not be given an id again.
func (r *Runner) Deploy(ctx context.Context, f scheduler.Function) error {
	return r.Submit(ctx, scheduler.Event{Kind: decide.Deployed, Deploy: &f})
}

// Change gives the function f.ID the memory, the CPU and the expected times of f that are not 0, as Submit of a
// decide.Changed does.
func (r *Runner) Change(ctx context.Context, f scheduler.Function) error {
	return r.Submit(ctx, scheduler.Event{Kind: decide.Changed, Deploy: &f})
}

// Join makes v known, as Submit of a decide.Joined does.
func (r *Runner) Join(ctx context.Context, v scheduler.Invoker) error {
	return r.Submit(ctx, scheduler.Event{Kind: decide.Joined, Join: &v})
}

// Adopt makes known what is there of a function, on an invoker where it is a container, as Submit of a
// decide.Adopted does.
func (r *Runner) Adopt(ctx context.Context, function, invoker uint64, k scheduler.Known) error {
	return r.Submit(ctx, scheduler.Event{Kind: decide.Adopted, Function: function, Invoker: invoker, Adopt: &k})
}

// swap lets the bundle with that digest decide, whose models are m.
func (r *Runner) swap(at time.Time, digest string, m *scheduler.Models) error {
	if err := r.handle(scheduler.Event{At: at, Kind: decide.Tick}); err != nil {
		return err
	}
	orders, err := r.control.Swap(m)
	if err != nil {
		return err
	}
	r.note(&record{op: &op{Swap: digest, At: at}})
	r.take(orders, at)
	r.running.Store(&digest)
	return nil
}

// again does what a journal says that was done.
func (r *Runner) again(x *op) error {
	if x.Swap == "" {
		if x.Event == nil {
			return fmt.Errorf("it says nothing")
		}
		return r.handle(*x.Event)
	}
	if r.o.Registry == nil {
		return fmt.Errorf("bundle %s was swapped in, and there is no registry to open it from", x.Swap)
	}
	m, digest, err := r.open(x.Swap)
	if err != nil {
		return err
	}
	orders, err := r.control.Swap(m) // the tick before it has a record of its own
	if err != nil {
		return err
	}
	r.take(orders, x.At)
	r.running.Store(&digest)
	return nil
}
