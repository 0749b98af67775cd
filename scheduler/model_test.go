package scheduler_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// A world is a platform in the slowest and most obvious form: what a scheduler orders is done
// and held against what can be done.
type world struct {
	profiles    []decide.Profile
	invokers    []decide.InvokerSpec
	concurrency int
	boxes       map[decide.ContainerID]*worldBox
	requests    map[decide.RequestID]string // where it is
	closed      map[decide.InvokerID]bool
	removed     map[decide.FunctionID]bool
	ended       map[string]int // requests by how they ended
	arrived     int
	memory      func(decide.FunctionID) int64 // of layers too, which only the scheduler knows
}

type worldBox struct {
	f        decide.FunctionID
	i        decide.InvokerID
	stage    string
	running  []decide.RequestID
	stopped  []decide.RequestID // of running
	ordering decide.RequestID
}

func newWorld(concurrency int) *world {
	w := &world{
		concurrency: concurrency, boxes: map[decide.ContainerID]*worldBox{}, requests: map[decide.RequestID]string{},
		closed: map[decide.InvokerID]bool{}, removed: map[decide.FunctionID]bool{}, ended: map[string]int{},
		invokers: []decide.InvokerSpec{{Memory: 400, Cores: 2, StartLimit: 2}, {Memory: 300, Cores: 1}, {Memory: 250, Cores: 4}},
	}
	for f := range 5 {
		w.profiles = append(w.profiles, decide.Profile{
			Owner: int32(f % 2), App: int32(f / 2), Memory: int64(60 + 40*f), CPU: 0.5 + float64(f%2),
			Execution: decide.Second, Initialise: 500 * decide.Millisecond, Termination: 100 * decide.Millisecond,
		})
	}
	return w
}

// do applies what the scheduler decided.
func (w *world) do(ds []decide.Decision) error {
	for _, d := range ds {
		b := w.boxes[d.Container]
		if d.Kind != decide.Create && d.Container != decide.None && b == nil && d.Kind != decide.Drop && d.Kind != decide.Report {
			return fmt.Errorf("%+v: there is no such container", d)
		}
		at, there := w.requests[d.Request]
		if d.Request != decide.None && !there {
			return fmt.Errorf("%+v: there is no such request", d)
		}
		switch d.Kind {
		case decide.Create:
			if b != nil {
				return fmt.Errorf("%+v: the container is there", d)
			}
			if w.closed[d.Invoker] || w.removed[d.Function] {
				return fmt.Errorf("%+v: the invoker is closed or the function removed", d)
			}
			w.boxes[d.Container] = &worldBox{f: d.Function, i: d.Invoker, stage: "starting", ordering: d.Request}
			var used int64
			for _, b := range w.boxes {
				if b.i == d.Invoker {
					used += w.memory(b.f)
				}
			}
			if used > w.invokers[d.Invoker].Memory {
				return fmt.Errorf("%+v: %d bytes on the invoker", d, used)
			}
			if d.Request != decide.None {
				w.requests[d.Request] = "ordered"
			}
		case decide.Run:
			if b.stage != "idle" && b.stage != "busy" || b.f != d.Function || len(b.running) >= w.concurrency || at == "running" {
				return fmt.Errorf("%+v: in a container that is %s with %v, the request is %s", d, b.stage, b.running, at)
			}
			b.stage, b.running = "busy", append(b.running, d.Request)
			w.requests[d.Request] = "running"
		case decide.End:
			if b.stage != "idle" {
				return fmt.Errorf("%+v: the container is %s", d, b.stage)
			}
			b.stage = "ending"
		case decide.Drop, decide.Report:
			if at == "running" && d.Kind == decide.Drop {
				return fmt.Errorf("%+v: the request is %s", d, at)
			}
			w.end(d.Request, d.Kind.String())
		case decide.Stop:
			if d.Container == decide.None {
				w.end(d.Request, "stop")
			} else {
				b.stopped = append(b.stopped, d.Request)
			}
		case decide.Resize:
		case decide.Downgrade:
			if b.stage != "idle" {
				return fmt.Errorf("%+v: the container is %s", d, b.stage)
			}
			b.f = d.Function
		case decide.Upgrade:
			if b.stage != "idle" || at != "waiting" && at != "failed" || w.closed[b.i] {
				return fmt.Errorf("%+v: the container is %s, the request %s", d, b.stage, at)
			}
			b.f, b.stage, b.ordering = d.Function, "starting", d.Request
			w.requests[d.Request] = "ordered"
		}
	}
	return nil
}

func (w *world) end(r decide.RequestID, how string) {
	delete(w.requests, r)
	w.ended[how]++
}

// crash takes a container away; what ran there waits until the scheduler says otherwise.
func (w *world) crash(c decide.ContainerID) {
	b := w.boxes[c]
	for _, r := range b.running {
		w.requests[r] = "failed"
	}
	if b.stage == "starting" && b.ordering != decide.None && w.requests[b.ordering] == "ordered" {
		w.requests[b.ordering] = "failed"
	}
	delete(w.boxes, c)
}

// next draws something that can happen.
func (w *world) next(rnd *rand.Rand, now decide.Time) decide.Event {
	ev := decide.Event{At: now, Kind: decide.Tick, Function: decide.None, Request: decide.None, Container: decide.None, Invoker: decide.None}
	var starting, busy, ending, all []decide.ContainerID
	for c := range decide.ContainerID(200) {
		b := w.boxes[c]
		if b == nil {
			continue
		}
		all = append(all, c)
		switch b.stage {
		case "starting":
			starting = append(starting, c)
		case "busy":
			busy = append(busy, c)
		case "ending":
			ending = append(ending, c)
		}
	}
	pick := func(l []decide.ContainerID) decide.ContainerID { return l[rnd.IntN(len(l))] }
	ev.Took = decide.Time(rnd.Int64N(int64(decide.Second)))
	switch k := rnd.IntN(100); {
	case k < 35:
		f := decide.FunctionID(rnd.IntN(len(w.profiles)))
		if w.removed[f] {
			break
		}
		r := decide.RequestID(0)
		for w.requests[r] != "" {
			r++
		}
		w.requests[r] = "waiting"
		w.arrived++
		ev.Kind, ev.Function, ev.Request = decide.Arrival, f, r
	case k < 55 && len(starting) > 0:
		c := pick(starting)
		w.boxes[c].stage = "idle"
		ev.Kind, ev.Container = decide.Ready, c
	case k < 75 && len(busy) > 0:
		c := pick(busy)
		b := w.boxes[c]
		r := b.running[rnd.IntN(len(b.running))]
		b.running = slices.DeleteFunc(b.running, func(x decide.RequestID) bool { return x == r })
		if len(b.running) == 0 {
			b.stage = "idle"
		}
		w.end(r, "done")
		ev.Kind, ev.Container, ev.Request = decide.Completion, c, r
	case k < 85 && len(ending) > 0:
		c := pick(ending)
		delete(w.boxes, c)
		ev.Kind, ev.Container = decide.Ended, c
	case k < 90 && len(all) > 0:
		c := pick(all)
		w.crash(c)
		ev.Kind, ev.Container = decide.Failed, c
	case k < 92:
		for r := range decide.RequestID(50) {
			if w.requests[r] != "" && rnd.IntN(3) == 0 {
				ev.Kind, ev.Request = decide.Cancelled, r
				break
			}
		}
	case k == 92 && rnd.IntN(8) == 0 && !w.closed[1]:
		w.closed[1] = true
		ev.Kind, ev.Invoker = decide.Drained, 1
	case k == 93 && rnd.IntN(8) == 0 && !w.closed[2]:
		w.closed[2] = true
		for _, c := range all {
			if w.boxes[c].i == 2 {
				w.crash(c)
			}
		}
		ev.Kind, ev.Invoker = decide.Lost, 2
	case k == 94 && rnd.IntN(8) == 0 && !w.removed[4]:
		w.removed[4] = true
		ev.Kind, ev.Function = decide.Removed, 4
	}
	return ev
}

// nonsense draws an event that cannot have happened.
func (w *world) nonsense(rnd *rand.Rand, now decide.Time) decide.Event {
	ev := decide.Event{At: now}
	switch rnd.IntN(8) {
	case 0:
		ev.Kind, ev.Function = decide.Arrival, decide.FunctionID(len(w.profiles)+rnd.IntN(3))
	case 1:
		ev.Kind, ev.Request = decide.Arrival, 1<<24
	case 2:
		ev.Kind, ev.Container = decide.Ready, 1<<20
	case 3:
		ev.Kind, ev.Container, ev.Request = decide.Completion, decide.ContainerID(rnd.IntN(4)), 99
	case 4:
		ev.Kind, ev.Request = decide.Cancelled, 1<<20
	case 5:
		ev.Kind, ev.Invoker = decide.Lost, 17
	case 6:
		ev.Kind, ev.At = decide.Tick, decide.Forever
	case 7:
		ev.Kind = 77
	}
	return ev
}

// live plays n events, a few of them impossible, and then lets everything end.
func live(name string, seed uint64, n int) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	o := scheduler.DefaultOptions()
	o.Timeout, o.Retries, o.Concurrency = 20*decide.Second, int(seed%3), 1+int(seed%2)
	w := newWorld(o.Concurrency)
	build, err := scheduler.Baseline(name, seed)
	if err != nil {
		return err
	}
	stack, err := build(policy.Site{Profiles: w.profiles, Invokers: w.invokers})
	if err != nil {
		return err
	}
	s, err := scheduler.New(w.profiles, w.invokers, stack, o)
	if err != nil {
		return err
	}
	w.memory = s.Snapshot().Memory
	now := decide.Time(0)
	for k := range n + 400 {
		if k < n && rnd.IntN(10) == 0 {
			before := fmt.Sprint(s.Snapshot().WaitingAll(), s.Snapshot().Now(), s.Snapshot().Containers())
			ev := w.nonsense(rnd, now)
			if ds, err := s.Handle(ev); !errors.Is(err, scheduler.ErrImpossible) || len(ds) > 0 {
				return fmt.Errorf("event %d, %+v: got %v and %v", k, ev, ds, err)
			}
			if after := fmt.Sprint(s.Snapshot().WaitingAll(), s.Snapshot().Now(), s.Snapshot().Containers()); after != before {
				return fmt.Errorf("event %d, %+v: the state was %s and is %s", k, ev, before, after)
			}
			continue
		}
		now += decide.Time(rnd.Int64N(int64(decide.Second)))
		var ev decide.Event
		if k < n {
			ev = w.next(rnd, now)
		} else { // nothing new
			for ev = w.next(rnd, now); ev.Kind == decide.Arrival; ev = w.next(rnd, now) {
				delete(w.requests, ev.Request)
				w.arrived--
			}
		}
		ds, err := s.Handle(ev)
		if err != nil {
			return fmt.Errorf("event %d, %+v: %w", k, ev, err)
		}
		if err := w.do(ds); err != nil {
			return fmt.Errorf("event %d, %+v: %w", k, ev, err)
		}
		for r, at := range w.requests {
			if at == "failed" { // neither given up nor started: it waits
				w.requests[r] = "waiting"
			}
		}
		if err := w.compare(s.Snapshot()); err != nil {
			return fmt.Errorf("event %d, %+v: %w", k, ev, err)
		}
	}
	sum := len(w.requests)
	for _, n := range w.ended {
		sum += n
	}
	if sum != w.arrived {
		return fmt.Errorf("%d requests arrived, %d ended (%v) or are there", w.arrived, sum, w.ended)
	}
	return nil
}

// compare holds the scheduler's books against the world's.
func (w *world) compare(v decide.Snapshot) error {
	for i := range w.invokers {
		var used int64
		for _, b := range w.boxes {
			if int(b.i) == i {
				used += w.memory(b.f)
			}
		}
		if got := v.UsedMemory(decide.InvokerID(i)); got != used {
			return fmt.Errorf("invoker %d: %d bytes are used, by the scheduler %d", i, used, got)
		}
	}
	n := 0
	for r := range w.requests {
		if n++; !v.Present(r) {
			return fmt.Errorf("request %d is %s, the scheduler has none", r, w.requests[r])
		}
	}
	for r := range decide.RequestID(v.Requests()) {
		if v.Present(r) {
			n--
		}
	}
	if n != 0 {
		return fmt.Errorf("the scheduler has %d requests more than there are", -n)
	}
	return nil
}

// TestLifeAgainstModel: over random sequences of all kinds of events, possible and impossible, every
// policy keeps memory, loses no request, runs none twice and uses no container after its end.
func TestLifeAgainstModel(t *testing.T) {
	for _, row := range scheduler.Baselines() {
		if row.Clairvoyant {
			continue
		}
		for seed := range uint64(20) {
			if err := live(row.Name, seed, 300); err != nil {
				t.Errorf("%s, seed %d: %v", row.Name, seed, err)
				break
			}
		}
	}
}

// FuzzLife is TestLifeAgainstModel at other seeds.
func FuzzLife(f *testing.F) {
	names := []string{"native", "faascache", "lass", "histogram", "hermod", "incendio-index"}
	f.Add(uint64(1), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, which uint8) {
		name := names[int(which)%len(names)]
		if err := live(name, seed, 200); err != nil {
			t.Fatalf("%s, seed %d: %v", name, seed, err)
		}
	})
}
