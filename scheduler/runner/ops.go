package runner

import (
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
