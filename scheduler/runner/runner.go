package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

var (
	// ErrFull is the error of Post where there is no room for the event.
	ErrFull = errors.New("runner: the inbox is full")
	// ErrClosed is the error of what comes after Shutdown or Stop.
	ErrClosed = errors.New("runner: closed")
	// ErrNotKept is wrapped by the error of an event that was taken in and is not in the journal
	// yet. It is repeated until it is known; the journal is tried again with the next event.
	ErrNotKept = errors.New("runner: taken in, and not in the journal yet")
)

// An Order is what the platform is to do.
type Order struct {
	// Seq numbers the orders from 1. It stays with an order that is sent again after a restart.
	Seq uint64 `json:"seq"`
	scheduler.Order
}

// A Platform carries orders out. Its methods are called from several goroutines, those about
// one container one after the other; they return when the order is taken, and the context ends
// when the runner stops or Options.CallTimeout is over. Package runner says what an error does.
type Platform interface {
	// Create initialises the container o.Container of o.Function on o.Invoker; a Ready or a
	// Failed follows.
	Create(ctx context.Context, o Order) error
	// Run executes the request o.Request in the container o.Container; a Completion or a Failed
	// follows.
	Run(ctx context.Context, o Order) error
	// End terminates the container o.Container; an Ended follows. One that is not there
	// any more is no error.
	End(ctx context.Context, o Order) error
	// Resize gives the container o.Container the part o.Share of its CPU.
	Resize(ctx context.Context, o Order) error
	// Drop tells that nothing becomes of the request o.Request: o.Kind is a Drop of one that
	// never ran, a Report of one whose container failed, a Stop of one that was cancelled
	// while it waited.
	Drop(ctx context.Context, o Order) error
}

// Orders is a Platform of one function, which looks at o.Kind.
type Orders func(ctx context.Context, o Order) error

// Create implements Platform, as the other methods do.
func (f Orders) Create(ctx context.Context, o Order) error { return f(ctx, o) }

// Run implements Platform.
func (f Orders) Run(ctx context.Context, o Order) error { return f(ctx, o) }

// End implements Platform.
func (f Orders) End(ctx context.Context, o Order) error { return f(ctx, o) }

// Resize implements Platform.
func (f Orders) Resize(ctx context.Context, o Order) error { return f(ctx, o) }

// Drop implements Platform.
func (f Orders) Drop(ctx context.Context, o Order) error { return f(ctx, o) }

// Stop implements Stopper.
func (f Orders) Stop(ctx context.Context, o Order) error { return f(ctx, o) }

// A Stopper is a platform that can abort a request that executes; a Completion follows. One that
// cannot lets a cancelled request end by itself.
type Stopper interface {
	Stop(ctx context.Context, o Order) error
}

// A Layerer is a platform of layers (decide.Layer), without which policies that have them are
// refused.
type Layerer interface {
	// Downgrade takes the container o.Container down to the layer o.Layer.
	Downgrade(ctx context.Context, o Order) error
	// Upgrade builds a container of o.Function for o.Request on o.Container; a Ready or a
	// Failed follows.
	Upgrade(ctx context.Context, o Order) error
}

// Options of a runner. The zero value of each stands for its default.
type Options struct {
	Clock Clock // default System

	Inbox       int           // arrivals that may wait for the scheduler, >= 1; default 4096
	Orders      int           // orders that the platform may be behind before arrivals wait, >= 1; default 16384
	Workers     int           // calls of the platform at once, >= 1; default 64
	CallTimeout time.Duration // of a call, in the time of the machine, > 0; default one minute

	State string // folder of the state; empty: nothing is kept
	Sync  bool   // a journal is on disk, not only with the system, before orders go out

	Registry *bundle.Registry                  // where the models are, in place of Config.Models
	Ref      string                            // default bundle.ChampionRef
	Trust    func(now time.Time) bundle.Policy // what a bundle has to prove; nil: nothing beyond its digests
	Follow   time.Duration                     // how often Ref is looked at; 0: never

	Metrics  Metrics      // nil: none
	Log      *slog.Logger // nil: none
	Remember int          // events and orders that explanations can look back on, >= 0; default 16384
}

func orElse[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}

// complete sets defaults and reports what is out of range.
func (o *Options) complete() error {
	orElse(&o.Clock, Clock(System{}))
	orElse(&o.Inbox, 4096)
	orElse(&o.Orders, 16384)
	orElse(&o.Workers, 64)
	orElse(&o.CallTimeout, time.Minute)
	orElse(&o.Ref, bundle.ChampionRef)
	orElse(&o.Metrics, Metrics(discard{}))
	orElse(&o.Remember, 16384)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Trust == nil {
		o.Trust = func(time.Time) bundle.Policy { return bundle.Policy{} }
	}
	out := option.Check{Package: "runner"}
	out.That(o.Inbox >= 1, "inbox", "must be at least 1, got %d", o.Inbox)
	out.That(o.Orders >= 1, "orders", "must be at least 1, got %d", o.Orders)
	out.That(o.Workers >= 1, "workers", "must be at least 1, got %d", o.Workers)
	out.That(o.CallTimeout > 0, "call_timeout", "must be positive, got %v", o.CallTimeout)
	out.That(o.Follow >= 0, "follow", "must not be negative, got %v", o.Follow)
	out.That(o.Follow == 0 || o.Registry != nil, "follow", "needs a registry")
	out.That(o.Remember >= 0, "remember", "must not be negative, got %d", o.Remember)
	return out.Err()
}

// A Runner runs a scheduler.Control. It is safe for concurrent use.
type Runner struct {
	o        Options
	platform Platform
	inbox    *inbox
	lanes    *lanes
	behind   atomic.Bool
	draining atomic.Bool
	running  atomic.Pointer[string] // digest of the bundle; empty: the models came without one
	ctx      context.Context        // ends when the runner is to
	cancel   context.CancelFunc
	follower sync.WaitGroup // of the registry
	done     chan struct{}  // closed when the goroutines are gone
	err      error          // valid after done
	began    time.Time      // by the clock
	base     time.Time      // the same without its monotonic part

	// The rest belongs to the goroutine of the scheduler.
	control *scheduler.Control
	cfg     scheduler.Config

	seq         uint64
	sum         uint64            // a digest of all orders
	orders      []*Order          // of this batch
	outstanding map[uint64]*Order // with a state
	records     []byte            // of the journal
	replies     []reply
	store       *store
	broken      bool      // the journal could not be written last
	lookAt      time.Time // at the gauges
	changed     bool      // since then
	history     history
	counts      counts
	fired       <-chan time.Time
	giveUp      func() // of fired
	armed       time.Time
	peak        int
}

type reply struct {
	to    chan error
	err   error
	event bool
}

// Start begins, or goes on from Options.State. Of cfg, Start is the time of the clock
// where it is zero, and Models come from Options.Registry where there is one. A state that is there has
// its own configuration, in place of cfg.
func Start(cfg scheduler.Config, p Platform, o Options) (*Runner, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &Runner{
		o: o, platform: p, cfg: cfg, inbox: newInbox(o.Inbox), done: make(chan struct{}),
		began: o.Clock.Now(), outstanding: map[uint64]*Order{}, history: newHistory(o.Remember),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.base = r.began.Round(0).UTC()
	if err := r.begin(); err != nil {
		r.cancel()
		if r.store != nil {
			err = errors.Join(err, r.store.close())
		}
		return nil, err
	}
	r.lanes = newLanes(o.Workers, o.CallTimeout, r.now)
	r.lanes.call, r.lanes.report = r.call, r.called
	r.lanes.start()
	go r.loop()
	if o.Follow > 0 {
		r.follower.Go(r.follow)
	}
	return r, nil
}

// now is the time of the clock, which does not go back.
func (r *Runner) now() time.Time { return r.base.Add(r.o.Clock.Now().Sub(r.began)) }

// begin makes the Control.
func (r *Runner) begin() error {
	var b beginning
	var since []record
	restored := false
	if r.o.State != "" {
		var err error
		if r.store, err = openStore(r.o.State, r.o.Sync); err != nil {
			return err
		}
		if b, since, restored, err = r.store.load(); err != nil {
			return err
		}
	}
	ref, digest, models := r.o.Ref, "", r.cfg.Models
	if restored {
		r.cfg, ref = b.Config, cmp.Or(b.Bundle, ref)
	}
	if r.o.Registry != nil {
		var err error
		if models, digest, err = r.open(ref); err != nil {
			return err
		}
	}
	r.running.Store(&digest)
	if r.cfg.Start.IsZero() {
		r.cfg.Start = r.base
	}
	if r.store != nil && !restored {
		r.cfg.Models = nil // which are in the bundle
		if err := r.store.begin(beginning{Bundle: digest, Config: r.cfg}); err != nil {
			return fmt.Errorf("runner: begin the state in %s: %w", r.o.State, err)
		}
	}
	r.cfg.Models = models
	var err error
	if r.control, err = scheduler.NewControl(r.cfg); err != nil {
		return err
	}
	if _, ok := r.platform.(Layerer); !ok {
		if v := r.control.Snapshot(); v.Functions() > v.RealFunctions() {
			return fmt.Errorf("runner: policy %q takes containers down by layers, which the platform cannot", r.control.Name())
		}
	}
	if restored {
		if err := r.replay(since); err != nil {
			return err
		}
		r.orders = r.sorted()
		r.o.Log.Info("state restored", "folder", r.o.State, "records", len(since), "orders", len(r.orders), "bundle", *r.running.Load())
		r.o.Metrics.Add(replayed, "", float64(len(since)))
	}
	return nil
}

// replay takes in again what has happened since the state.
func (r *Runner) replay(since []record) error {
	for i := range since {
		x := &since[i]
		switch {
		case x.op != nil:
			if err := r.again(x.op); err != nil {
				return fmt.Errorf("runner: state %s: record %d: %w", r.o.State, i, err)
			}
		case x.check:
			if r.seq != x.ack || r.sum != x.sum {
				return fmt.Errorf("runner: state %s: record %d: other orders than were given then, by another version of the program or another bundle: a state goes on with what began it", r.o.State, i)
			}
		case x.failed:
			if o := r.outstanding[x.ack]; o != nil {
				r.failed(o, x.ev.At)
			}
		case x.ack != 0:
			delete(r.outstanding, x.ack)
		default:
			if err := r.handle(x.ev); err != nil {
				return fmt.Errorf("runner: state %s: record %d was taken in before: %w", r.o.State, i, err)
			}
		}
	}
	r.records, r.orders, r.counts = r.records[:0], r.orders[:0], counts{}
	return nil
}

// Submit hands ev over and returns what the scheduler says of it: nil, or an error that wraps
// scheduler.ErrImpossible. It waits for room, for as long as ctx lasts; an event whose context
// ends after it was accepted is taken in all the same. With a state, an event without an
// error is in the journal.
func (r *Runner) Submit(ctx context.Context, ev scheduler.Event) error {
	return r.ask(ctx, item{ev: ev, arrival: ev.Kind == decide.Arrival})
}

func (r *Runner) ask(ctx context.Context, x item) error {
	x.done = make(chan error, 1)
	if err := r.inbox.put(ctx, x, true, r.stamp); err != nil {
		return r.refused(err)
	}
	select {
	case err := <-x.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Post hands ev over and does not wait: the error is ErrFull or ErrClosed. An impossible event
// is logged.
func (r *Runner) Post(ev scheduler.Event) error {
	return r.refused(r.inbox.put(r.ctx, item{ev: ev, arrival: ev.Kind == decide.Arrival}, false, r.stamp))
}

func (r *Runner) stamp(x *item) { x.ev.At = r.now() }

func (r *Runner) refused(err error) error {
	switch {
	case errors.Is(err, ErrFull):
		r.o.Metrics.Add(rejected, "full", 1)
	case errors.Is(err, ErrClosed):
		r.o.Metrics.Add(rejected, "closed", 1)
	}
	return err
}

// inside runs f in the goroutine of the scheduler.
func (r *Runner) inside(ctx context.Context, f func() error) error {
	return r.ask(ctx, item{do: f})
}

// Shutdown lets no arrival in any more, and ends when no request is in the system and no order is
// left, or as Stop does when ctx ends, whose error it returns then.
func (r *Runner) Shutdown(ctx context.Context) error {
	r.draining.Store(true)
	r.inbox.seal(false)
	r.poke()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), r.Stop())
	}
}

// Stop takes in what was accepted, ends all calls of the platform and returns when
// all goroutines are gone. Requests that are in the system stay in the state.
func (r *Runner) Stop() error {
	r.cancel()
	<-r.done
	return r.err
}

// Done is closed when the runner has ended.
func (r *Runner) Done() <-chan struct{} { return r.done }

func (r *Runner) poke() {
	select {
	case r.inbox.wake <- struct{}{}:
	default:
	}
}

// loop is the goroutine of the scheduler.
func (r *Runner) loop() {
	defer close(r.done)
	r.dispatch(r.now())
	var spare []item
	for r.ctx.Err() == nil {
		items, peak := r.inbox.take(spare)
		r.peak = max(r.peak, peak)
		now := r.batch(items)
		clear(items)
		spare = items
		if r.draining.Load() && r.control.Snapshot().InSystemAll() == 0 && r.lanes.outstanding() == 0 {
			break
		}
		r.wait(r.next(now), now)
	}
	r.end(spare)
}

// end takes in what was accepted and keeps all that is left.
func (r *Runner) end(spare []item) {
	r.disarm()
	r.lanes.stop()
	r.inbox.seal(true)
	r.cancel()
	items, _ := r.inbox.take(spare)
	r.batch(items)
	r.follower.Wait()
	if r.store != nil {
		r.err = r.store.close()
		if len(r.records) > 0 {
			r.err = errors.Join(fmt.Errorf("runner: %d bytes of the journal in %s could not be written", len(r.records), r.o.State), r.err)
		}
	}
	r.look(r.now())
	r.o.Log.Info("stopped", "requests", r.control.Snapshot().InSystemAll(), "error", r.err)
}

// batch takes in what has come, and what the time brings; it returns the time at its end.
func (r *Runner) batch(items []item) time.Time {
	began := r.now()
	for i := range items {
		r.process(&items[i])
	}
	now := r.now()
	ticked := false
	if at, ok := r.control.Wake(); ok && !at.After(now) {
		ticked = true
		if err := r.handle(scheduler.Event{At: now, Kind: decide.Tick}); err != nil {
			r.o.Log.Error("tick", "error", err)
		}
	}
	if len(items) > 0 || ticked {
		r.changed = true
		if r.store != nil && len(r.records) > 0 {
			r.write()
		}
		end := r.now()
		r.o.Metrics.Observe(handleSeconds, "", end.Sub(began).Seconds())
		r.counts.flush(r.o.Metrics)
		now = end
	}
	r.dispatch(now)
	for i, x := range r.replies {
		x.to <- x.err
		r.replies[i] = reply{}
	}
	r.replies = r.replies[:0]
	if r.changed && !now.Before(r.lookAt) {
		r.look(now)
	}
	return now
}

// process takes in one item.
func (r *Runner) process(x *item) {
	var err error
	switch {
	case x.order != nil:
		if x.err == nil {
			r.ack(x.order.Seq)
		} else {
			r.note(&record{ack: x.order.Seq, failed: true, ev: scheduler.Event{At: x.ev.At}})
			r.failed(x.order, x.ev.At)
		}
	case x.do != nil:
		err = x.do()
	default:
		if err = r.handle(x.ev); err != nil {
			r.counts.impossible++
			level := slog.LevelWarn
			if x.done != nil { // the caller is told
				level = slog.LevelDebug
			}
			r.o.Log.Log(context.Background(), level, "event refused", "error", err)
		}
	}
	if x.done != nil {
		r.replies = append(r.replies, reply{x.done, err, x.do == nil})
	}
}

// handle shows ev to the scheduler, and notes it and its orders if it was possible.
func (r *Runner) handle(ev scheduler.Event) error {
	orders, err := r.control.Handle(ev)
	if err != nil {
		return err
	}
	r.counts.events[ev.Kind]++
	if plain(ev.Kind) {
		r.note(&record{ev: ev})
	} else {
		r.note(&record{op: &op{Event: &ev}})
	}
	r.history.event(&ev)
	r.take(orders, ev.At)
	return nil
}

// take numbers the orders of the scheduler.
func (r *Runner) take(orders []scheduler.Order, at time.Time) {
	for i := range orders {
		o := &orders[i]
		r.counts.orders[o.Kind]++
		if o.Cause != decide.Unstated {
			r.counts.causes[o.Cause]++
		}
		if o.Kind == decide.Run {
			r.o.Metrics.Observe(waitSeconds, "", o.Waited.Seconds())
		}
		r.history.order(at, o)
		if o.Kind != decide.Swapped { // which is nothing to do
			r.add(*o)
		}
	}
}

func (r *Runner) add(o scheduler.Order) {
	r.seq++
	for _, v := range [...]uint64{uint64(o.Kind), o.Request, o.Container, o.Invoker} {
		r.sum = (r.sum ^ v) * 1099511628211 // FNV-1a, by words
	}
	n := &Order{Seq: r.seq, Order: o}
	r.orders = append(r.orders, n)
	if r.store != nil {
		r.outstanding[n.Seq] = n
	}
}

// ack notes that the order of that number was carried out.
func (r *Runner) ack(seq uint64) {
	r.note(&record{ack: seq})
	delete(r.outstanding, seq)
}

// failed lets the container of o, which the platform could not carry out, fail, and be ended in
// case that something is left of it.
func (r *Runner) failed(o *Order, at time.Time) {
	delete(r.outstanding, o.Seq)
	orders, err := r.control.Handle(scheduler.Event{At: at, Kind: decide.Failed, Container: o.Container})
	if err == nil { // else the scheduler has given it up already
		r.counts.events[decide.Failed]++
		r.history.event(&scheduler.Event{At: at, Kind: decide.Failed, Container: o.Container})
		r.take(orders, at)
	}
	r.add(scheduler.Order{Kind: decide.End, Function: o.Function, Container: o.Container, Invoker: o.Invoker})
}

// note appends x to what goes into the journal.
func (r *Runner) note(x *record) {
	if r.store != nil {
		r.records = appendRecord(r.records, x)
	}
}

// write puts the records into the journal. Those that cannot be written stay, and are tried again with
// the next batch; until then who submitted an event is told so.
func (r *Runner) write() {
	r.note(&record{check: true, ack: r.seq, sum: r.sum})
	err := r.store.append(r.records)
	if err == nil {
		r.records = r.records[:0]
		r.broken = false
		return
	}
	r.o.Metrics.Add(stateFailures, "", 1)
	if !r.broken {
		r.broken = true
		r.o.Log.Error("the journal cannot be written", "folder", r.o.State, "error", err)
	}
	for i := range r.replies {
		if x := &r.replies[i]; x.event { // also of one that is known by now
			x.err = fmt.Errorf("%w: %w", ErrNotKept, err)
		}
	}
}

// sorted are the orders that may not have been carried out, in the order in which they were given.
func (r *Runner) sorted() []*Order {
	return slices.SortedFunc(maps.Values(r.outstanding), func(a, b *Order) int { return cmp.Compare(a.Seq, b.Seq) })
}

// dispatch hands the orders of the batch over, and keeps arrivals out while there are too many.
func (r *Runner) dispatch(now time.Time) {
	if len(r.orders) == 0 {
		return
	}
	n := r.lanes.add(r.orders)
	clear(r.orders)
	r.orders = r.orders[:0]
	if n > r.o.Orders && !r.behind.Load() {
		r.inbox.hold(true)
		r.behind.Store(true)
		r.o.Log.Warn("the platform is behind: arrivals wait", "orders", n)
		r.caughtUp()
	}
}

// caughtUp lets arrivals in again once half of the orders that are allowed are left.
func (r *Runner) caughtUp() {
	if r.behind.Load() && r.lanes.outstanding() <= r.o.Orders/2 && r.behind.CompareAndSwap(true, false) {
		r.inbox.hold(false)
	}
}

// call carries o out.
func (r *Runner) call(ctx context.Context, o *Order) error {
	switch o.Kind {
	case decide.Create:
		return r.platform.Create(ctx, *o)
	case decide.Run:
		return r.platform.Run(ctx, *o)
	case decide.End:
		return r.platform.End(ctx, *o)
	case decide.Resize:
		return r.platform.Resize(ctx, *o)
	case decide.Drop, decide.Report:
		return r.platform.Drop(ctx, *o)
	case decide.Stop:
		if o.Container == 0 {
			return r.platform.Drop(ctx, *o)
		}
		if s, ok := r.platform.(Stopper); ok {
			return s.Stop(ctx, *o)
		}
		return nil
	case decide.Downgrade:
		return r.platform.(Layerer).Downgrade(ctx, *o)
	case decide.Upgrade:
		return r.platform.(Layerer).Upgrade(ctx, *o)
	}
	return fmt.Errorf("runner: orders of kind %v are not known", o.Kind)
}

// called takes in what became of a call. It runs in the goroutines of the lanes.
func (r *Runner) called(o *Order, took time.Duration, err error, retry bool) {
	kind := o.Kind.String()
	r.o.Metrics.Add(calls, kind, 1)
	r.o.Metrics.Observe(callSeconds, kind, took.Seconds())
	if err != nil {
		r.o.Metrics.Add(callFailures, kind, 1)
		r.o.Log.Warn("platform call failed", "order", o.Seq, "kind", kind, "container", o.Container, "request", o.Request, "again", retry, "error", err)
	}
	switch {
	case retry:
		r.poke() // the loop waits for its pause
		return
	case err != nil && o.fatal():
		_ = r.inbox.put(r.ctx, item{order: o, err: err}, true, r.stamp) // closed: the order stays in the state
	case r.store != nil:
		_ = r.inbox.put(r.ctx, item{order: o}, true, r.stamp)
	case r.draining.Load():
		r.poke()
	}
	r.caughtUp()
}

// next is when the loop has something to do although nothing comes; zero: never.
func (r *Runner) next(now time.Time) (next time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if at, ok := r.control.Wake(); ok {
		sooner(at)
	}
	sooner(r.lanes.release())
	if r.changed {
		sooner(r.lookAt)
	}
	return next
}

// wait returns when something has come, at the time or before it.
func (r *Runner) wait(at, now time.Time) {
	if !at.IsZero() && (r.fired == nil || at.Before(r.armed)) { // one that fires too early does no harm
		r.disarm()
		r.fired, r.giveUp = r.o.Clock.After(max(0, at.Sub(now)))
		r.armed = at
	}
	select {
	case <-r.inbox.wake:
	case <-r.fired:
		r.fired, r.giveUp = nil, nil
	case <-r.ctx.Done():
	}
}

func (r *Runner) disarm() {
	if r.giveUp != nil {
		r.giveUp()
	}
	r.fired, r.giveUp = nil, nil
}

// gaugePeriod is how often gauges are looked at.
const gaugePeriod = time.Second

// look sets the gauges.
func (r *Runner) look(now time.Time) {
	r.changed, r.lookAt = false, now.Add(gaugePeriod)
	m, v := r.o.Metrics, r.control.Snapshot()
	m.Set(inboxEvents, "", float64(r.peak))
	r.peak = 0
	if r.store != nil {
		m.Set(journalBytes, "", float64(r.store.size))
	}
	m.Set(ordersOutstanding, "", float64(r.lanes.outstanding()))
	m.Set(requestsWaiting, "", float64(v.WaitingAll()))
	m.Set(requestsInSystem, "", float64(v.InSystemAll()))
	var by [decide.Terminating + 1]int
	for c := range decide.ContainerID(v.Containers()) {
		by[v.Status(c)]++
	}
	for s := decide.Gone + 1; s <= decide.Terminating; s++ {
		m.Set(containers, s.String(), float64(by[s]))
	}
	var used, all int64
	for i := range decide.InvokerID(v.Invokers()) {
		used += v.UsedMemory(i)
		if v.Open(i) {
			all += v.InvokerSpec(i).Memory
		}
	}
	m.Set(memoryUsed, "", float64(used))
	m.Set(memoryTotal, "", float64(all))
}

// counts are what a batch adds to counters.
type counts struct {
	events     [16]int
	orders     [16]int
	causes     [16]int
	impossible int
}

func (c *counts) flush(m Metrics) {
	for k, n := range c.events {
		if n > 0 {
			m.Add(events, decide.EventKind(k).String(), float64(n))
		}
	}
	for k, n := range c.orders {
		if n > 0 {
			m.Add(decisions, decide.DecisionKind(k).String(), float64(n))
		}
	}
	for k, n := range c.causes {
		if n > 0 {
			m.Add(causes, decide.Cause(k).String(), float64(n))
		}
	}
	if c.impossible > 0 {
		m.Add(rejected, "impossible", float64(c.impossible))
	}
	*c = counts{}
}
