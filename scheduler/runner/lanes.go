package runner

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Back-off of orders that must be carried out some time.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// lanes carry orders out, at most workers at once. The orders about one container, and those
// about one request that has none, go one after the other; each lane at its own speed.
type lanes struct {
	call    func(ctx context.Context, o *Order) error
	report  func(o *Order, took time.Duration, err error, retry bool)
	now     func() time.Time
	number  int // of workers
	timeout time.Duration

	mu      sync.Mutex
	ready   sync.Cond
	lanes   map[laneKey]*lane
	queue   []*lane // ready ones
	free    []*lane // to use again
	paused  []*lane // waiting to be tried again
	orders  int     // that are not carried out
	stopped bool
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

type laneKey struct {
	container uint64
	request   uint64 // of an order about no container
}

type lane struct {
	key    laneKey
	orders []*Order
	pause  time.Duration
	until  time.Time
	busy   bool // in queue, in paused or with a worker
}

func newLanes(workers int, timeout time.Duration, now func() time.Time) *lanes {
	l := &lanes{number: workers, timeout: timeout, now: now, lanes: make(map[laneKey]*lane)}
	l.ready.L = &l.mu
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start begins the workers.
func (l *lanes) start() {
	for range l.number {
		l.workers.Go(l.work)
	}
}

// add hands orders over and returns how many are not carried out.
func (l *lanes) add(orders []*Order) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range orders {
		key := laneKey{container: o.Container}
		if o.Container == 0 {
			key.request = o.Request
		}
		n := l.lanes[key]
		if n == nil {
			if k := len(l.free); k > 0 {
				n, l.free = l.free[k-1], l.free[:k-1]
			} else {
				n = &lane{}
			}
			n.key = key
			l.lanes[key] = n
		}
		l.orders++
		n.orders = append(n.orders, o)
		if !n.busy {
			n.busy = true
			l.queue = append(l.queue, n)
			l.ready.Signal()
		}
	}
	return l.orders
}

// outstanding is how many orders are not carried out.
func (l *lanes) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.orders
}

// release lets what has paused for long enough be tried again, and returns when the next has;
// the zero time: none pauses.
func (l *lanes) release() (next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.paused) == 0 {
		return next
	}
	now := l.now()
	l.paused = slices.DeleteFunc(l.paused, func(n *lane) bool {
		if !n.until.After(now) {
			l.queue = append(l.queue, n)
			l.ready.Signal()
			return true
		}
		if next.IsZero() || n.until.Before(next) {
			next = n.until
		}
		return false
	})
	return next
}

// stop ends all calls and waits for the workers.
func (l *lanes) stop() {
	l.mu.Lock()
	l.stopped = true
	l.ready.Broadcast()
	l.mu.Unlock()
	l.cancel()
	l.workers.Wait()
}

func (l *lanes) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.queue) == 0 && !l.stopped {
			l.ready.Wait()
		}
		if l.stopped {
			return
		}
		n := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		o := n.orders[0]
		l.mu.Unlock()
		began := l.now()
		err := l.safely(o)
		took := l.now().Sub(began)
		l.mu.Lock()
		if err != nil && l.stopped {
			return // it was cut off: the order stays
		}
		retry := err != nil && !o.fatal() && !l.overtaken(n)
		if retry {
			n.pause = min(max(firstPause, 2*n.pause), lastPause)
			n.until = l.now().Add(n.pause)
			l.paused = append(l.paused, n)
		} else {
			n.pause = 0
			l.orders--
			n.orders = slices.Delete(n.orders, 0, 1) // there are few
			if len(n.orders) > 0 {
				l.queue = append(l.queue, n)
				l.ready.Signal()
			} else {
				n.busy = false
				delete(l.lanes, n.key)
				l.free = append(l.free, n)
			}
		}
		l.mu.Unlock()
		l.report(o, took, err, retry)
		l.mu.Lock()
	}
}

// overtaken reports whether the first order of n is a share that a later order replaces.
func (l *lanes) overtaken(n *lane) bool {
	return n.orders[0].Kind == decide.Resize && slices.ContainsFunc(n.orders[1:], func(o *Order) bool {
		return o.Kind == decide.Resize || o.Kind == decide.End
	})
}

// safely calls the platform; a panic there is an error.
func (l *lanes) safely(o *Order) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("runner: platform panicked: %v\n%s", p, debug.Stack())
		}
	}()
	ctx := l.ctx
	if l.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	return l.call(ctx, o)
}

// fatal reports whether the container of an order that failed cannot be relied on any more.
// Other orders are tried until they succeed: what they give back or tell would be lost else.
func (o *Order) fatal() bool {
	switch o.Kind {
	case decide.Create, decide.Run, decide.Upgrade, decide.Downgrade:
		return true
	}
	return false
}
