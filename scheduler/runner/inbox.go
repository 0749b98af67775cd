package runner

import (
	"context"
	"sync"

	"github.com/incendio-faas/incendio/scheduler"
)

// An inbox is the queue before the scheduler. Arrivals wait outside while there are limit of
// them inside or the platform is behind; all else, which ends what the scheduler has begun, has
// a limit of its own, so that a platform can always tell what became of its orders.
type inbox struct {
	mu       sync.Mutex
	items    []item
	arrivals int
	limit    int
	behind   bool          // no arrivals for now
	closed   bool          // nothing any more
	sealed   bool          // no arrivals any more
	space    chan struct{} // closed when there may be room again; nil: nobody waits
	wake     chan struct{} // of one: something is there
	peak     int
}

// An item is an event, or what else the goroutine of the scheduler is to do.
type item struct {
	ev      scheduler.Event
	do      func() error // not an event
	done    chan error   // where somebody waits for the outcome
	order   *Order       // what became of it: carried out, or err
	err     error
	arrival bool
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, wake: make(chan struct{}, 1)}
}

// put appends what stamp makes of x, which runs under the lock, so that times rise along the
// queue. Where there is no room it waits for as long as ctx lasts, or does not: ErrFull.
func (b *inbox) put(ctx context.Context, x item, wait bool, stamp func(*item)) error {
	for {
		b.mu.Lock()
		switch {
		case b.closed || b.sealed && x.arrival:
			b.mu.Unlock()
			return ErrClosed
		case x.arrival && (b.arrivals >= b.limit || b.behind), !x.arrival && x.order == nil && x.do == nil && len(b.items)-b.arrivals >= b.limit:
			if !wait {
				b.mu.Unlock()
				return ErrFull
			}
			if b.space == nil {
				b.space = make(chan struct{})
			}
			space := b.space
			b.mu.Unlock()
			select {
			case <-space:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if x.arrival {
			b.arrivals++
		}
		stamp(&x)
		b.items = append(b.items, x)
		b.peak = max(b.peak, len(b.items))
		first := len(b.items) == 1
		b.mu.Unlock()
		if first {
			select {
			case b.wake <- struct{}{}:
			default:
			}
		}
		return nil
	}
}

// take returns all that is there, and how many that was at most since the last time. The
// slice empty, which the caller does not need any more, holds what comes next.
func (b *inbox) take(empty []item) (items []item, peak int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	items, peak = b.items, b.peak
	b.items, b.arrivals, b.peak = empty[:0], 0, 0
	b.room()
	return items, peak
}

// room wakes those that wait for it.
func (b *inbox) room() {
	if b.space != nil && !b.behind {
		close(b.space)
		b.space = nil
	}
}

// hold lets no arrivals in while behind.
func (b *inbox) hold(behind bool) {
	b.mu.Lock()
	b.behind = behind
	b.room()
	b.mu.Unlock()
}

// seal lets no arrivals in any more, and with all nothing; whoever waits is told.
func (b *inbox) seal(all bool) {
	b.mu.Lock()
	b.sealed, b.closed = true, b.closed || all
	if b.space != nil {
		close(b.space)
		b.space = nil
	}
	b.mu.Unlock()
}
