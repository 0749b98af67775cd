package scheduler_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	"github.com/incendio-faas/incendio/scheduler/index"
)

// A site is a platform in the slowest and most obvious form, in the ids of a platform: what a
// Control orders is done and held against what can be done. Unlike a world it grows and changes.
type site struct {
	rnd *rand.Rand
	c   *scheduler.Control
	o   scheduler.Options
	now time.Time

	functions map[uint64]*siteFunction
	invokers  map[uint64]*siteInvoker
	boxes     map[uint64]*siteBox
	requests  map[uint64]*siteRequest
	ended     map[uint64]string // requests, by how
	past      map[uint64]bool   // containers that were there
	late      map[uint64]bool   // containers that were ended because they did not start
	id        uint64            // the last one that was given out
	digest    uint64            // of all orders
}

type siteFunction struct {
	memory  int64
	removed bool
}

type siteInvoker struct {
	memory int64
	cores  float64
	closed bool
}

type siteBox struct {
	f, i     uint64
	memory   int64
	stage    decide.ContainerStatus
	ordering uint64
	running  []uint64
}

type siteRequest struct {
	f       uint64
	where   string // a state of explanations, or "failed" until the Control says more
	arrived time.Time
}

// siteOf is a platform under a policy, whose seed draws the options too.
func siteOf(policy string, m *scheduler.Models, seed uint64) (*site, error) {
	w := &site{
		rnd: rand.New(rand.NewPCG(seed, 2)), now: noon, functions: map[uint64]*siteFunction{}, invokers: map[uint64]*siteInvoker{}, boxes: map[uint64]*siteBox{},
		requests: map[uint64]*siteRequest{}, ended: map[uint64]string{}, past: map[uint64]bool{}, late: map[uint64]bool{},
	}
	cfg := scheduler.DefaultConfig()
	cfg.Policy, cfg.Models, cfg.Start, cfg.Seed = policy, m, noon, seed
	cfg.Options.Timeout, cfg.Options.Retries, cfg.Options.Concurrency = 20*decide.Second, int(seed%3), 1+int(seed%2)
	cfg.Options.StartTimeout = decide.Time(seed%4/2) * 8 * decide.Second
	if seed%5 == 0 {
		cfg.Options.QueueLimit = 3
	}
	for range 3 {
		f := w.function()
		cfg.Functions = append(cfg.Functions, f)
		w.functions[f.ID] = &siteFunction{memory: f.Memory}
	}
	for range 2 {
		v := w.invoker()
		cfg.Invokers = append(cfg.Invokers, v)
		w.invokers[v.ID] = &siteInvoker{memory: v.Memory, cores: v.Cores}
	}
	w.o = cfg.Options
	var err error
	w.c, err = scheduler.NewControl(cfg)
	return w, err
}

func (w *site) fresh() uint64 {
	w.id += 1 + w.rnd.Uint64N(3)<<33
	return w.id
}

func (w *site) function() scheduler.Function {
	k := w.rnd.IntN(6)
	f := scheduler.Function{
		ID: w.fresh(), Owner: "o", App: fmt.Sprint("a", k%3), Name: fmt.Sprint("f", k), Language: fmt.Sprint("l", w.rnd.IntN(4)),
		Memory: (60 + 40*int64(w.rnd.IntN(5))) << 20, CPU: 0.5 + float64(w.rnd.IntN(2)),
		Execution: time.Second, Initialise: time.Second / 2, Termination: time.Second / 10,
	}
	if k == 0 {
		f.App, f.Name = "a", "trees" // the models of tests know it
	}
	return f
}

func (w *site) invoker() scheduler.Invoker {
	return scheduler.Invoker{ID: w.fresh(), Memory: (250 + 150*int64(w.rnd.IntN(2))) << 20, Cores: float64(1 + w.rnd.IntN(3)), StartLimit: w.rnd.IntN(3)}
}

// pick draws one of those for which of holds.
func pick[T any](rnd *rand.Rand, m map[uint64]T, of func(T) bool) (uint64, bool) {
	var ids []uint64
	for _, id := range slices.Sorted(maps.Keys(m)) {
		if of(m[id]) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return 0, false
	}
	return ids[rnd.IntN(len(ids))], true
}

func (w *site) used(i uint64) (sum int64) {
	for _, b := range w.boxes {
		if b.i == i {
			sum += b.memory
		}
	}
	return sum
}

// crash takes a container away; what ran there waits until the Control says otherwise.
func (w *site) crash(c uint64) {
	b := w.boxes[c]
	for _, r := range b.running {
		w.requests[r].where = "failed"
	}
	if q := w.requests[b.ordering]; q != nil && q.where == scheduler.StateStarting {
		q.where = "failed"
	}
	delete(w.boxes, c)
}

// next draws something that happens; more allows what adds to the platform.
func (w *site) next(more bool) scheduler.Event {
	rnd := w.rnd
	ev := scheduler.Event{At: w.now, Kind: decide.Tick, Took: time.Duration(rnd.Int64N(int64(time.Second)))}
	there := func(f *siteFunction) bool { return !f.removed }
	open := func(v *siteInvoker) bool { return !v.closed }
	in := func(stage decide.ContainerStatus) func(*siteBox) bool {
		return func(b *siteBox) bool { return b.stage == stage }
	}
	k := rnd.IntN(120)
	if !more && (k < 35 || k >= 95) {
		k = 35 + rnd.IntN(55)
	}
	switch {
	case k < 35:
		if f, ok := pick(rnd, w.functions, there); ok {
			ev.Kind, ev.Function, ev.Request = decide.Arrival, f, w.fresh()
			w.requests[ev.Request] = &siteRequest{f, scheduler.StateWaiting, w.now}
		}
	case k < 55:
		if c, ok := pick(rnd, w.boxes, in(decide.Initialising)); ok {
			w.boxes[c].stage = decide.Idle
			ev.Kind, ev.Container = decide.Ready, c
		}
	case k < 75:
		if c, ok := pick(rnd, w.boxes, in(decide.Busy)); ok {
			b := w.boxes[c]
			at := rnd.IntN(len(b.running))
			ev.Kind, ev.Container, ev.Request = decide.Completion, c, b.running[at]
			w.end(ev.Request, "done")
			if b.running = slices.Delete(b.running, at, at+1); len(b.running) == 0 {
				b.stage = decide.Idle
			}
		}
	case k < 85:
		if c, ok := pick(rnd, w.boxes, in(decide.Terminating)); ok {
			delete(w.boxes, c)
			ev.Kind, ev.Container = decide.Ended, c
		} else if c, ok := pick(rnd, w.late, func(bool) bool { return true }); ok {
			delete(w.late, c)
			ev.Kind, ev.Container = decide.Ended, c
		}
	case k < 90:
		if c, ok := pick(rnd, w.boxes, func(*siteBox) bool { return true }); ok {
			w.crash(c)
			ev.Kind, ev.Container = decide.Failed, c
		}
	case k < 94:
		if r, ok := pick(rnd, w.requests, func(*siteRequest) bool { return true }); ok {
			ev.Kind, ev.Request = decide.Cancelled, r
		}
	case k < 95:
		w.now = w.now.Add(5 * time.Second)
		ev.At = w.now
	case k < 99:
		if len(w.functions) < 12 {
			f := w.function()
			w.functions[f.ID] = &siteFunction{memory: f.Memory}
			ev.Kind, ev.Deploy = decide.Deployed, &f
		}
	case k < 103:
		if f, ok := pick(rnd, w.functions, there); ok {
			d := scheduler.Function{ID: f, Execution: time.Duration(1+rnd.IntN(3)) * time.Second}
			if rnd.IntN(2) == 0 {
				d.Memory, d.CPU = (60+40*int64(rnd.IntN(5)))<<20, 0.5+float64(rnd.IntN(2))
				w.functions[f].memory = d.Memory
			}
			ev.Kind, ev.Deploy = decide.Changed, &d
		}
	case k < 107:
		if len(w.invokers) < 5 {
			v := w.invoker()
			w.invokers[v.ID] = &siteInvoker{memory: v.Memory, cores: v.Cores}
			ev.Kind, ev.Join = decide.Joined, &v
		}
	case k < 114:
		w.adopt(&ev)
	case k == 114 && len(w.invokers) > 2:
		if i, ok := pick(rnd, w.invokers, open); ok {
			w.invokers[i].closed = true
			ev.Kind, ev.Invoker = decide.Drained, i
		}
	case k == 115 && len(w.invokers) > 2:
		i, _ := pick(rnd, w.invokers, func(*siteInvoker) bool { return true })
		for _, c := range slices.Sorted(maps.Keys(w.boxes)) {
			if w.boxes[c].i == i {
				w.crash(c)
			}
		}
		delete(w.invokers, i)
		ev.Kind, ev.Invoker = decide.Lost, i
	case k == 116 && rnd.IntN(3) == 0:
		if f, ok := pick(rnd, w.functions, there); ok {
			w.functions[f].removed = true
			ev.Kind, ev.Function = decide.Removed, f
		}
	}
	return ev
}

// adopt makes ev that of something that is there.
func (w *site) adopt(ev *scheduler.Event) {
	f, ok := pick(w.rnd, w.functions, func(f *siteFunction) bool { return !f.removed })
	if !ok {
		return
	}
	k := &scheduler.Known{Status: []decide.ContainerStatus{decide.Gone, decide.Initialising, decide.Idle, decide.Busy}[w.rnd.IntN(4)]}
	n := 0
	switch k.Status {
	case decide.Gone:
		n = 1 + w.rnd.IntN(3)
	case decide.Initialising:
		n = w.rnd.IntN(2)
	case decide.Busy:
		n = 1 + w.rnd.IntN(w.o.Concurrency)
	}
	where := map[decide.ContainerStatus]string{decide.Gone: scheduler.StateWaiting, decide.Initialising: scheduler.StateStarting, decide.Busy: scheduler.StateExecuting}[k.Status]
	if k.Status != decide.Gone {
		memory := w.functions[f].memory
		i, ok := pick(w.rnd, w.invokers, func(*siteInvoker) bool { return true })
		if !ok || w.used(i)+memory > w.invokers[i].memory {
			return
		}
		k.Container, ev.Invoker = 1, i
		for c := range w.past {
			k.Container = max(k.Container, c+1)
		}
		k.Container += w.rnd.Uint64N(5)
		w.past[k.Container] = true
		w.boxes[k.Container] = &siteBox{f: f, i: i, memory: memory, stage: k.Status}
	}
	for range n {
		r := scheduler.KnownRequest{ID: w.fresh(), Arrived: w.now.Add(-time.Duration(w.rnd.IntN(25)) * time.Second)}
		k.Requests = append(k.Requests, r)
		w.requests[r.ID] = &siteRequest{f, where, r.Arrived}
		if b := w.boxes[k.Container]; k.Status == decide.Busy {
			b.running = append(b.running, r.ID)
		} else if b != nil {
			b.ordering = r.ID
		}
	}
	ev.Kind, ev.Function, ev.Adopt = decide.Adopted, f, k
}

func (w *site) end(r uint64, how string) {
	delete(w.requests, r)
	w.ended[r] = how
}

// do applies what was ordered.
func (w *site) do(orders []scheduler.Order) error {
	h := fnv.New64a()
	fmt.Fprintf(h, "%x%+v", w.digest, orders)
	w.digest = h.Sum64()
	for _, o := range orders {
		b, q := w.boxes[o.Container], w.requests[o.Request]
		if o.Request != 0 && q == nil {
			return fmt.Errorf("%+v: there is no such request", o)
		}
		switch o.Kind {
		case decide.Create:
			if w.past[o.Container] {
				return fmt.Errorf("%+v: the container was there before", o)
			}
			f, v := w.functions[o.Function], w.invokers[o.Invoker]
			if v == nil || v.closed || f == nil || f.removed {
				return fmt.Errorf("%+v: the invoker takes nothing, or the function is not there", o)
			}
			w.past[o.Container] = true
			w.boxes[o.Container] = &siteBox{f: o.Function, i: o.Invoker, memory: f.memory, stage: decide.Initialising, ordering: o.Request}
			if q != nil {
				q.where = scheduler.StateStarting
			}
		case decide.Run:
			if b == nil || b.stage != decide.Idle && b.stage != decide.Busy || b.f != o.Function || len(b.running) >= w.o.Concurrency || q.where == scheduler.StateExecuting || q.f != b.f {
				return fmt.Errorf("%+v: in the container %+v, the request is %+v", o, b, q)
			}
			b.stage, b.running, q.where = decide.Busy, append(b.running, o.Request), scheduler.StateExecuting
		case decide.End:
			switch {
			case o.Cause == decide.StartLate: // it may have become ready or failed just now
				if w.late[o.Container] = true; b != nil {
					w.crash(o.Container)
				}
			case b != nil && b.stage == decide.Idle:
				b.stage = decide.Terminating
			default:
				return fmt.Errorf("%+v: the container is %+v", o, b)
			}
		case decide.Drop, decide.Report:
			if q.where == scheduler.StateExecuting {
				return fmt.Errorf("%+v: the request is %s", o, q.where)
			}
			w.end(o.Request, o.Kind.String())
		case decide.Stop:
			if o.Container == 0 {
				w.end(o.Request, "stop")
			} else if b == nil || !slices.Contains(b.running, o.Request) {
				return fmt.Errorf("%+v: the container is %+v", o, b)
			}
		case decide.Downgrade:
			if b == nil || b.stage != decide.Idle {
				return fmt.Errorf("%+v: the container is %+v", o, b)
			}
			v := w.c.Snapshot()
			b.f, b.memory = 0, v.Memory(v.LayerAt(o.Layer))
		case decide.Upgrade:
			if b == nil || b.stage != decide.Idle || b.f != 0 || w.invokers[b.i].closed {
				return fmt.Errorf("%+v: the container is %+v", o, b)
			}
			b.f, b.memory, b.stage, b.ordering = o.Function, w.functions[o.Function].memory, decide.Initialising, o.Request
			q.where = scheduler.StateStarting
		case decide.Resize:
			if b == nil || b.stage == decide.Terminating || !(o.Share > 0 && o.Share <= 1) {
				return fmt.Errorf("%+v: the container is %+v", o, b)
			}
		}
		if i := w.invokers[o.Invoker]; i != nil && w.used(o.Invoker) > i.memory {
			return fmt.Errorf("%+v: %d bytes are used on the invoker", o, w.used(o.Invoker))
		}
	}
	for _, b := range w.boxes {
		if b.stage != decide.Initialising {
			b.ordering = 0
		}
	}
	for _, q := range w.requests {
		if q.where == "failed" { // neither given up nor started: it waits
			q.where = scheduler.StateWaiting
		}
	}
	return nil
}

// compare holds the books of the Control against those of the site.
func (w *site) compare() error {
	v := w.c.Snapshot()
	var used, sum int64
	for i := range w.invokers {
		used += w.used(i)
	}
	for i := range decide.InvokerID(v.Invokers()) {
		sum += v.UsedMemory(i)
		if v.UsedMemory(i) > v.InvokerSpec(i).Memory || v.UsedMemory(i) < 0 || v.IdleMemory(i) < 0 || v.BusyCPU(i) < -1e-6 {
			return fmt.Errorf("invoker %d: %d bytes used, %d of idle containers, %g cores busy", i, v.UsedMemory(i), v.IdleMemory(i), v.BusyCPU(i))
		}
	}
	if used != sum {
		return fmt.Errorf("%d bytes are used, by the Control %d", used, sum)
	}
	if v.InSystemAll() != len(w.requests) {
		return fmt.Errorf("%d requests are there, by the Control %d", len(w.requests), v.InSystemAll())
	}
	for r, q := range w.requests {
		e := w.c.ExplainRequest(r)
		decided := q.where == scheduler.StateWaiting && e.State == scheduler.StateStarting && e.Container == 0 // nobody was told
		if e.State != q.where && !decided {
			return fmt.Errorf("request %d is %s, by the Control %s", r, q.where, e.State)
		}
		if e.State != scheduler.StateExecuting && (e.State == scheduler.StateWaiting || w.o.StartTimeout > 0) && w.c.Now().Sub(q.arrived) >= w.o.Timeout.Duration() {
			return fmt.Errorf("request %d arrived at %v, is still %s at %v", r, q.arrived, q.where, w.now)
		}
	}
	for c, b := range w.boxes {
		if e := w.c.ExplainContainer(c); e.State != b.stage.String() {
			return fmt.Errorf("container %d is %v, by the Control %s", c, b.stage, e.State)
		}
	}
	return nil
}

// nonsense draws an event that cannot have happened.
func (w *site) nonsense() scheduler.Event {
	rnd := w.rnd
	ev := scheduler.Event{At: w.now}
	f, _ := pick(rnd, w.functions, func(f *siteFunction) bool { return !f.removed })
	i, _ := pick(rnd, w.invokers, func(*siteInvoker) bool { return true })
	huge := uint64(1 << 63)
	known := func(k scheduler.Known) {
		ev.Kind, ev.Function, ev.Invoker, ev.Adopt = decide.Adopted, f, i, &k
	}
	switch rnd.IntN(24) {
	case 0:
		ev.Kind, ev.Function, ev.Request = decide.Arrival, huge, w.fresh()
	case 1:
		ev.Kind, ev.Function = decide.Arrival, f
	case 2: // told again
		ev.Kind, ev.Function = decide.Arrival, f
		if ev.Request, _ = pick(rnd, w.requests, func(*siteRequest) bool { return true }); ev.Request == 0 {
			ev.Request, _ = pick(rnd, w.ended, func(string) bool { return true })
		}
	case 3:
		ev.Kind, ev.Container = decide.Ready, huge
	case 4: // of one that was there
		ev.Kind, ev.Container = decide.Ended, huge
		for _, c := range slices.Sorted(maps.Keys(w.past)) {
			if w.boxes[c] == nil && !w.late[c] {
				ev.Container = c
				break
			}
		}
	case 5:
		ev.Kind, ev.Request = decide.Completion, 3
		ev.Container, _ = pick(rnd, w.boxes, func(*siteBox) bool { return true })
	case 6:
		ev.Kind, ev.Request = decide.Cancelled, huge
	case 7:
		ev.Kind, ev.Invoker = []decide.EventKind{decide.Lost, decide.Drained}[rnd.IntN(2)], huge
	case 8:
		ev.Kind, ev.At = decide.Tick, time.Unix(1<<55, 0)
	case 9:
		ev.Kind = 77
	case 10:
		ev.Kind, ev.Function = decide.Removed, huge
	case 11:
		ev.Kind, ev.Deploy = decide.Deployed, &scheduler.Function{ID: f, Memory: 1}
	case 12:
		ev.Kind, ev.Deploy = decide.Deployed, &scheduler.Function{ID: huge, Memory: 1 << 50}
	case 13:
		ev.Kind = []decide.EventKind{decide.Deployed, decide.Changed, decide.Joined, decide.Adopted}[rnd.IntN(4)]
	case 14:
		ev.Kind, ev.Deploy = decide.Changed, &scheduler.Function{ID: huge}
	case 15:
		ev.Kind, ev.Deploy = decide.Changed, &scheduler.Function{ID: f, CPU: math.Inf(1)}
	case 16:
		ev.Kind, ev.Join = decide.Joined, &scheduler.Invoker{ID: huge, Memory: 1, Cores: math.NaN()}
	case 17:
		ev.Kind, ev.Join = decide.Joined, &scheduler.Invoker{ID: i, Memory: 1, Cores: 1}
	case 18:
		known(scheduler.Known{Container: huge, Status: decide.Busy})
	case 19:
		known(scheduler.Known{Container: huge, Status: decide.Terminating})
	case 20:
		known(scheduler.Known{Container: huge, Status: decide.Idle, Requests: []scheduler.KnownRequest{{ID: huge, Arrived: w.now}}})
	case 21:
		known(scheduler.Known{Requests: []scheduler.KnownRequest{{ID: huge, Arrived: w.now}, {ID: huge, Arrived: w.now}}})
	case 22:
		known(scheduler.Known{Requests: []scheduler.KnownRequest{{ID: huge, Arrived: w.now}, {ID: huge + 1, Arrived: w.now.Add(time.Hour)}}})
	case 23:
		known(scheduler.Known{Container: huge, Status: decide.Idle})
		if ev.Invoker = huge; f == 0 {
			ev.Function = huge
		}
	}
	return ev
}

// summary is what an impossible event must leave as it was.
func (w *site) summary() string {
	v := w.c.Snapshot()
	at, _ := w.c.Wake()
	return fmt.Sprint(v.WaitingAll(), v.InSystemAll(), v.Now(), v.Containers(), v.Functions(), v.Invokers(), v.Requests(), v.Gains(), at)
}

// live plays n events, a few of them impossible, and then lets everything end. After every event between may
// put another Control in the place of the one that decides.
func (w *site) live(n int, between func(k int) error) error {
	for k := 0; k < n || len(w.requests) > 0; k++ {
		if k > n+3000 {
			return fmt.Errorf("%d requests have no end", len(w.requests))
		}
		if k < n && w.rnd.IntN(10) == 0 {
			before, ev := w.summary(), w.nonsense()
			if orders, err := w.c.Handle(ev); !errors.Is(err, scheduler.ErrImpossible) || len(orders) > 0 {
				return fmt.Errorf("event %d, %+v: got %v and %v", k, ev, orders, err)
			}
			if after := w.summary(); after != before {
				return fmt.Errorf("event %d, %+v: the state was %s and is %s", k, ev, before, after)
			}
			continue
		}
		w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(time.Second))))
		ev := w.next(k < n)
		orders, err := w.c.Handle(ev)
		if err == nil {
			err = w.do(orders)
		}
		if err == nil {
			err = w.compare()
		}
		if err == nil && between != nil {
			err = between(k)
		}
		if err != nil {
			return fmt.Errorf("event %d, %+v: %w", k, ev, err)
		}
	}
	return nil
}

// sited are all policies that a Control can run, and with which models.
func sited(t testing.TB) map[string]*scheduler.Models {
	out := map[string]*scheduler.Models{}
	for _, row := range scheduler.Baselines() {
		if !row.Clairvoyant {
			out[row.Name] = nil
		}
	}
	m, indexed := modeltest.Models(t), modeltest.Models(t)
	indexed.Index = &scheduler.IndexSettings{Options: index.DefaultOptions(), Envelope: envelope.DefaultOptions(), Used: true}
	for _, row := range scheduler.Learned() {
		if row.Name == scheduler.TrainedALPSName && m.Slices == nil {
			continue
		}
		out[row.Name], out[row.Name+", by the index"] = m, indexed
	}
	return out
}

// policyOf is the policy of a name of sited.
func policyOf(name string) string {
	policy, _, _ := strings.Cut(name, ",")
	return policy
}

// TestSite: over random sequences of all kinds of events, possible and impossible, under every policy,
// memory is kept, every request ends within its time-out, none is lost or run twice, and no
// container is used after its end.
func TestSite(t *testing.T) {
	for name, m := range sited(t) {
		t.Run(name, func(t *testing.T) {
			seeds, n := uint64(12), 400
			if testing.Short() {
				seeds, n = 2, 200
			}
			for seed := range seeds {
				w, err := siteOf(policyOf(name), m, seed)
				if err == nil {
					err = w.live(n, nil)
				}
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// FuzzSite is TestSite at other seeds.
func FuzzSite(f *testing.F) {
	all := sited(f)
	names := slices.Sorted(maps.Keys(all))
	f.Add(uint64(1), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, which uint8) {
		name := names[int(which)%len(names)]
		w, err := siteOf(policyOf(name), all[name], seed)
		if err == nil {
			err = w.live(300, nil)
		}
		if err != nil {
			t.Fatalf("%s, seed %d: %v", name, seed, err)
		}
	})
}

// TestClockOfThePlatform: a clock that is a day, a year or centuries ahead costs a bounded time under every policy, also
// those that forecast, and one that goes back counts as the last time.
func TestClockOfThePlatform(t *testing.T) {
	for name, m := range sited(t) {
		w, err := siteOf(policyOf(name), m, 1)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := pick(w.rnd, w.functions, func(*siteFunction) bool { return true })
		began := time.Now()
		for k, at := range []time.Time{noon, noon.AddDate(0, 0, 1), noon.AddDate(1, 0, 0), noon.AddDate(200, 0, 0), noon} {
			if _, err := w.c.Handle(scheduler.Event{At: at, Kind: decide.Arrival, Function: f, Request: uint64(1<<40 + k)}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: jumps took %v", name, took)
		}
		if now := w.c.Now(); !now.Equal(noon.AddDate(200, 0, 0)) {
			t.Errorf("%s: the time is %v", name, now)
		}
	}
}
