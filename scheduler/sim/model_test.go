package sim_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A model is native OpenWhisk or FaasCache on processor sharing, written again as plainly
// as possible: lists that are searched from the start at every event.
type model struct {
	functions []datasets.Function
	o         sim.Options
	faascache bool
	now       int64
	stamp     int // counts what happens, to tell what was first
	waiting   []*modelRequest
	all       []*modelRequest
	boxes     map[int]*modelBox
	progress  map[int]int64 // by invoker: of a request that was always alone in a container, in 2^-20 us

	clock     float64 // of FaasCache
	frequency map[int]float64
	priority  map[int]float64
}

type modelRequest struct {
	f             int
	arrival, work int64
	class         sim.Class
	start, done   int64
	finish        int64 // progress of its container when it is done
	began         int   // stamp of the start
}

type modelBox struct {
	f, invoker int
	stage      string // pending, starting, idle, busy, ending
	at         int64  // when the stage ends: ready, gone, expired
	stamp      int    // when the stage began
	ready      int64
	request    *modelRequest // created for
	own        bool
	used       bool

	touched  int // stamp of the last start or end of a request, or of being ready
	running  []*modelRequest
	progress int64 // of a request that was always in it, at the last start or end of one
	since    int64 // progress of its invoker then
}

func (m *model) next() int64 {
	next := int64(1) << 62
	for _, b := range m.boxes {
		if b.stage == "starting" || b.stage == "idle" || b.stage == "ending" {
			next = min(next, b.at)
		}
	}
	for i := range m.o.Cluster.Invokers {
		if d, _, _ := m.completion(i); d < next {
			next = d
		}
	}
	if len(m.waiting) > 0 {
		next = min(next, m.waiting[0].arrival+int64(m.o.Scheduler.Timeout))
	}
	return next
}

// rate of progress on invoker i: the cores over the sum of CPU, at most 1.
func (m *model) rate(i int) int64 {
	var demand int64
	for _, b := range m.boxes {
		if b.stage == "busy" && b.invoker == i {
			demand += int64(m.functions[b.f].CPU * (1 << 16))
		}
	}
	cores := int64(m.o.Cluster.Cores * (1 << 16))
	if demand <= cores {
		return 1 << 20
	}
	return cores << 20 / demand
}

// completion is when the next request on invoker i is done, the container it is in, and
// which it is. The n requests of a container get an n-th of its progress each.
func (m *model) completion(i int) (int64, *modelBox, *modelRequest) {
	var box *modelBox
	var first *modelRequest
	var at int64
	for _, b := range m.boxes {
		if b.stage != "busy" || b.invoker != i {
			continue
		}
		next := slices.MinFunc(b.running, func(x, y *modelRequest) int {
			return cmp.Or(cmp.Compare(x.finish, y.finish), cmp.Compare(x.began, y.began))
		})
		end := b.since + max(0, next.finish-b.progress)*int64(len(b.running))
		if first == nil || end < at || end == at && next.began < first.began {
			box, first, at = b, next, end
		}
	}
	if first == nil {
		return 1 << 62, nil, nil
	}
	r := m.rate(i)
	return m.now + (max(0, at-m.progress[i])+r-1)/r, box, first
}

func (m *model) advance(to int64) {
	for i := range m.o.Cluster.Invokers {
		m.progress[i] += (to - m.now) * m.rate(i)
	}
	m.now = to
}

// touch notes the progress in b before a request joins or leaves it.
func (m *model) touch(b *modelBox) {
	m.stamp++
	b.touched = m.stamp
	if n := int64(len(b.running)); n > 0 {
		b.progress += (m.progress[b.invoker] - b.since) / n
	}
	b.since = m.progress[b.invoker]
}

// step does what is next: completions, then containers, then what times out.
func (m *model) step() {
	at := m.next()
	for i := range m.o.Cluster.Invokers {
		if d, b, r := m.completion(i); d == at {
			m.advance(at)
			m.expire()
			m.touch(b)
			r.done = m.now
			b.running = slices.DeleteFunc(b.running, func(x *modelRequest) bool { return x == r })
			if len(b.running) == 0 {
				m.set(b, "idle")
				b.at = m.now + int64(10*time.Minute/time.Microsecond)
				if m.faascache {
					b.at = 1 << 62
				}
			}
			m.dispatch()
			return
		}
	}
	m.advance(at)
	var due *modelBox
	for _, b := range m.boxes {
		if (b.stage == "starting" || b.stage == "ending") && b.at == at && (due == nil || b.stamp < due.stamp) {
			due = b
		}
	}
	m.expire()
	switch {
	case due == nil:
		m.dispatch()
	case due.stage == "starting":
		m.set(due, "idle")
		m.touch(due)
		due.ready = m.now
		r := due.request
		due.request = nil
		m.run(r, due)
		m.admit(due.invoker)
		m.dispatch()
	default:
		i := due.invoker
		for k, b := range m.boxes {
			if b == due {
				delete(m.boxes, k)
			}
		}
		m.admit(i)
		m.dispatch()
	}
}

func (m *model) set(b *modelBox, stage string) {
	m.stamp++
	b.stage, b.stamp = stage, m.stamp
}

func (m *model) expire() {
	for len(m.waiting) > 0 && m.waiting[0].arrival+int64(m.o.Scheduler.Timeout) <= m.now {
		r := m.waiting[0]
		m.waiting = m.waiting[1:]
		r.class = sim.Dropped
		r.start = r.arrival + int64(m.o.Scheduler.Timeout)
		r.done = r.start + r.work
	}
	for {
		var due *modelBox
		for _, b := range m.boxes {
			if b.stage == "idle" && b.at <= m.now && (due == nil || b.at < due.at) {
				due = b
			}
		}
		if due == nil {
			return
		}
		m.end(due)
	}
}

func (m *model) end(b *modelBox) {
	m.set(b, "ending")
	b.at = m.now + m.functions[b.f].Termination.Value[0].Microseconds()
}

func (m *model) run(r *modelRequest, b *modelBox) {
	switch {
	case b.own && !b.used, b.ready > r.arrival && (!b.used || b.ready == m.now):
		r.class = sim.Cold
	case m.now == r.arrival:
		r.class = sim.Warm
	default:
		r.class = sim.DelayedWarm
	}
	if b.stage == "idle" {
		m.set(b, "busy")
	}
	m.touch(b)
	r.start, r.finish = m.now, b.progress+r.work<<20
	r.began = b.touched
	b.used = true
	b.running = append(b.running, r)
}

// available is the container of f with room for a request that was used last.
func (m *model) available(f int) *modelBox {
	var best *modelBox
	for _, b := range m.boxes {
		if (b.stage == "idle" || b.stage == "busy") && b.f == f && len(b.running) < m.o.Scheduler.Concurrency && (best == nil || b.touched > best.touched) {
			best = b
		}
	}
	return best
}

// memory on invoker i that is not held or promised, now and with idle containers evicted.
func (m *model) memory(i int) (unclaimed, room int64) {
	unclaimed = int64(m.o.Cluster.MemoryMB) << 20
	for _, b := range m.boxes {
		if b.invoker == i && b.stage != "ending" {
			unclaimed -= m.functions[b.f].Memory
			if b.stage == "idle" {
				room += m.functions[b.f].Memory
			}
		}
	}
	return unclaimed, room + unclaimed
}

func (m *model) load(i int) float64 {
	var sum float64
	for _, b := range m.boxes {
		if b.stage == "busy" && b.invoker == i {
			sum += m.functions[b.f].CPU
		}
	}
	return sum
}

// place: no eviction before eviction; then the least loaded, then the most memory.
func (m *model) place(f int) int {
	var fit []int
	for i := range m.o.Cluster.Invokers {
		if _, room := m.memory(i); room >= m.functions[f].Memory {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return slices.MinFunc(fit, func(a, b int) int {
		freeA, _ := m.memory(a)
		freeB, _ := m.memory(b)
		evictA, evictB := freeA < m.functions[f].Memory, freeB < m.functions[f].Memory
		switch {
		case evictA != evictB && evictA:
			return 1
		case evictA != evictB:
			return -1
		case evictA:
			return cmp.Compare(freeB, freeA)
		}
		return cmp.Or(cmp.Compare(m.load(a), m.load(b)), cmp.Compare(freeB, freeA))
	})
}

// dispatch: whoever has a container, then the oldest as long as there is room for it.
func (m *model) dispatch() {
	for len(m.waiting) > 0 {
		started := false
		for k, r := range m.waiting {
			if b := m.available(r.f); b != nil {
				m.waiting = slices.Delete(m.waiting, k, k+1)
				m.run(r, b)
				started = true
				break
			}
		}
		if started {
			continue
		}
		r := m.waiting[0]
		i := m.place(r.f)
		if i < 0 {
			return
		}
		for free, _ := m.memory(i); free < m.functions[r.f].Memory; free, _ = m.memory(i) {
			m.evict(i)
		}
		m.waiting = m.waiting[1:]
		b := &modelBox{f: r.f, invoker: i, request: r, own: true}
		m.set(b, "pending")
		m.boxes[m.stamp] = b
		m.admit(i)
	}
}

// arrive counts a request to f, for FaasCache: each renews the priority of its function.
func (m *model) arrive(f int) {
	m.frequency[f]++
	fn := &m.functions[f]
	m.priority[f] = m.clock + m.frequency[f]*fn.Initialisation.Mean().Seconds()/(float64(fn.Memory)/(1<<20))
}

// evict ends an idle container of invoker i: the one that has been idle the longest, for
// FaasCache of those with the least priority.
func (m *model) evict(i int) {
	var victim *modelBox
	for _, b := range m.boxes {
		if b.stage != "idle" || b.invoker != i {
			continue
		}
		switch {
		case victim == nil:
			victim = b
		case m.faascache && m.priority[b.f] != m.priority[victim.f]:
			if m.priority[b.f] < m.priority[victim.f] {
				victim = b
			}
		case b.stamp < victim.stamp:
			victim = b
		}
	}
	m.clock = max(m.clock, m.priority[victim.f])
	m.end(victim)
	for _, b := range m.boxes {
		if b.f == victim.f && b.stage != "ending" {
			return
		}
	}
	m.frequency[victim.f] = 0 // that was its last container
}

// admit starts the pending containers of invoker i, in order, whose memory is free.
func (m *model) admit(i int) {
	for {
		held, starting := int64(0), 0
		var first *modelBox
		for _, b := range m.boxes {
			switch {
			case b.invoker != i:
			case b.stage == "pending":
				if first == nil || b.stamp < first.stamp {
					first = b
				}
			default:
				held += m.functions[b.f].Memory
				if b.stage == "starting" {
					starting++
				}
			}
		}
		limit := m.o.Cluster.StartLimit
		if first == nil || held+m.functions[first.f].Memory > int64(m.o.Cluster.MemoryMB)<<20 || limit > 0 && starting >= limit {
			return
		}
		m.set(first, "starting")
		first.at = m.now + m.functions[first.f].Initialisation.Value[0].Microseconds()
	}
}

// outcomes collects what the simulator says.
type outcomes struct{ all []sim.Outcome }

func (o *outcomes) Handled(decide.Snapshot, decide.Event, []decide.Decision) {}
func (o *outcomes) Finished(x sim.Outcome)                                   { o.all = append(o.all, x) }

// TestAgainstModel compares class, start and end of every request. Times have
// microseconds at random, so that nothing happens at the same time but what must.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		between := func(low, high time.Duration) time.Duration {
			return (low + time.Duration(rnd.Int64N(int64(high-low)))).Truncate(time.Microsecond)
		}
		o := sim.DefaultOptions()
		o.Cluster = sim.Cluster{
			Invokers: rapid.IntRange(1, 3).Draw(t, "invokers"), Cores: float64(rapid.IntRange(1, 4).Draw(t, "cores")),
			MemoryMB: rapid.SampledFrom([]int{256, 512, 1024}).Draw(t, "memory"), StartLimit: rapid.IntRange(0, 2).Draw(t, "limit"), Sharing: sim.PS,
		}
		o.Scheduler.Concurrency = rapid.IntRange(1, 3).Draw(t, "concurrency")
		o.Scheduler.Timeout = decide.FromDuration(between(time.Second, 20*time.Second))
		var functions []datasets.Function
		for range rapid.IntRange(1, 5).Draw(t, "functions") {
			functions = append(functions, function("f", 32*int64(1+rnd.IntN(8)), float64(1+rnd.IntN(8))/4,
				time.Second, between(time.Millisecond, 3*time.Second), between(time.Millisecond, 2*time.Second)))
		}
		n := rapid.IntRange(1, 80).Draw(t, "requests")
		invocations := make([]datasets.Invocation, n)
		at := time.Duration(0)
		for k := range invocations {
			gap := 400 * time.Millisecond
			if rnd.IntN(20) == 0 {
				gap = 11 * time.Minute // lets containers expire
			}
			at += between(time.Microsecond, gap)
			invocations[k] = datasets.Invocation{
				Function: datasets.FunctionID(rnd.IntN(len(functions))), Arrival: at, Duration: between(time.Millisecond, 2*time.Second),
			}
		}
		tr := counts(functions, nil)
		tr.Span.To = int(at/time.Minute) + 1
		var got outcomes
		o.Observer = &got
		w, err := sim.Single(tr, invocations, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		name := rapid.SampledFrom([]string{sim.Native, "faascache"}).Draw(t, "policy")
		policy, err := sim.Baseline(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = sim.Run(context.Background(), tr, w, policy.New, o); err != nil {
			t.Fatal(err)
		}

		m := &model{
			functions: tr.Functions, o: o, faascache: name != sim.Native, boxes: make(map[int]*modelBox), progress: make(map[int]int64),
			frequency: make(map[int]float64), priority: make(map[int]float64),
		}
		for _, inv := range invocations {
			for m.next() <= inv.Arrival.Microseconds() {
				m.step()
			}
			m.advance(inv.Arrival.Microseconds())
			m.expire()
			r := &modelRequest{f: int(inv.Function), arrival: m.now, work: inv.Duration.Microseconds()}
			m.all, m.waiting = append(m.all, r), append(m.waiting, r)
			m.arrive(r.f)
			m.dispatch()
		}
		for m.next() < 1<<62 {
			m.step()
		}
		slices.SortFunc(got.all, func(a, b sim.Outcome) int { return cmp.Compare(a.Number, b.Number) })
		if len(got.all) != n {
			t.Fatalf("%d outcomes of %d requests", len(got.all), n)
		}
		for k, r := range m.all {
			x := got.all[k]
			if x.Class != r.class || int64(x.Start) != r.start || int64(x.Done) != r.done {
				t.Fatalf("request %d of function %d at %d: %v, start %d, done %d; the model says %v, %d, %d",
					k, r.f, r.arrival, x.Class, x.Start, x.Done, r.class, r.start, r.done)
			}
		}
	})
}
