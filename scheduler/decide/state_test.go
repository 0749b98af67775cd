package decide_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A box is a container as the model knows it.
type box struct {
	id      decide.ContainerID
	f       decide.FunctionID
	invoker decide.InvokerID
	status  decide.ContainerStatus
	running int

	retiring bool
	share    float64
}

// A model keeps everything in lists, in the order in which it came to be.
type model struct {
	queue   []decide.RequestID // waiting, in order of arrival
	of      map[decide.RequestID]decide.FunctionID
	boxes   []*box // not gone
	warm    []*box // available, last used last
	idle    []*box // in order of becoming idle
	pending []*box

	inSystem [3]int // by function: arrived, not completed, not abandoned

	dropped     int64
	droppedWork decide.Time
}

func remove[T comparable](list []T, x T) []T {
	i := slices.Index(list, x)
	return slices.Delete(list, i, i+1)
}

// TestStateAgainstModel applies random changes and compares everything that a
// Snapshot tells with lists that are counted through.
func TestStateAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		concurrency := rapid.IntRange(1, 3).Draw(t, "concurrency")
		profiles := []decide.Profile{
			{Memory: 100, CPU: 1, Execution: 10, Initialise: 5}, {Memory: 250, CPU: 0.5, Execution: 10, Initialise: 5}, {Memory: 30, CPU: 2, Execution: 10, Initialise: 5},
		}
		specs := []decide.InvokerSpec{{Memory: 400, Cores: 2, StartLimit: rapid.IntRange(0, 2).Draw(t, "limit")}, {Memory: 300, Cores: 1}}
		s, err := decide.NewState(profiles, specs, concurrency)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{of: make(map[decide.RequestID]decide.FunctionID)}
		v := s.Snapshot()
		next, now := decide.RequestID(0), decide.Time(0)
		pick := func(list []*box, what string) *box { return list[rapid.IntRange(0, len(list)-1).Draw(t, what)] }
		with := func(keep func(b *box) bool) []*box {
			var out []*box
			for _, b := range m.boxes {
				if keep(b) {
					out = append(out, b)
				}
			}
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) {
				now += decide.Time(rapid.IntRange(0, 3).Draw(t, "dt"))
				s.Advance(now)
				f := decide.FunctionID(rapid.IntRange(0, 2).Draw(t, "f"))
				s.Arrive(next, f)
				m.queue, m.of[next] = append(m.queue, next), f
				m.inSystem[f]++
				next++
			},
			"dequeue": func(t *rapid.T) {
				if len(m.queue) == 0 {
					return
				}
				r := m.queue[rapid.IntRange(0, len(m.queue)-1).Draw(t, "r")]
				s.Dequeue(r)
				m.queue = remove(m.queue, r)
			},
			"abandon": func(t *rapid.T) {
				if len(m.queue) > 0 {
					r := m.queue[rapid.IntRange(0, len(m.queue)-1).Draw(t, "r")]
					s.Abandon(r)
					m.queue = remove(m.queue, r)
					m.inSystem[m.of[r]]--
					m.dropped++
					m.droppedWork += v.Execution(m.of[r])
				}
			},
			"create": func(t *rapid.T) {
				b := &box{f: decide.FunctionID(rapid.IntRange(0, 2).Draw(t, "f")), invoker: decide.InvokerID(rapid.IntRange(0, 1).Draw(t, "i")), status: decide.Pending, share: 1}
				if v.Unclaimed(b.invoker) < profiles[b.f].Memory {
					return
				}
				b.id = s.NewContainer(b.f, b.invoker, decide.None)
				if slices.ContainsFunc(m.boxes, func(o *box) bool { return o.id == b.id }) {
					t.Fatalf("container %d is given out twice", b.id)
				}
				m.boxes, m.pending = append(m.boxes, b), append(m.pending, b)
			},
			"admit": func(t *rapid.T) {
				i := decide.InvokerID(rapid.IntRange(0, 1).Draw(t, "i"))
				k := slices.IndexFunc(m.pending, func(b *box) bool { return b.invoker == i })
				starting := len(with(func(b *box) bool { return b.invoker == i && b.status == decide.Initialising }))
				free := specs[i].Memory
				for _, b := range with(func(b *box) bool { return b.invoker == i && b.status != decide.Pending }) {
					free -= profiles[b.f].Memory
				}
				want := k >= 0 && profiles[m.pending[k].f].Memory <= free && (specs[i].StartLimit == 0 || starting < specs[i].StartLimit)
				c, ok := s.Admit(i)
				if ok != want || ok && c != m.pending[k].id {
					t.Fatalf("Admit(%d) = %d, %v, want %v", i, c, ok, want)
				}
				if ok {
					m.pending[k].status = decide.Initialising
					m.pending = slices.Delete(m.pending, k, k+1)
				}
			},
			"cancel": func(t *rapid.T) {
				if len(m.pending) > 0 {
					b := pick(m.pending, "pending")
					s.Cancel(b.id)
					m.pending, m.boxes = remove(m.pending, b), remove(m.boxes, b)
				}
			},
			"ready": func(t *rapid.T) {
				if list := with(func(b *box) bool { return b.status == decide.Initialising }); len(list) > 0 {
					b := pick(list, "initialising")
					s.Initialised(b.id, 5)
					b.status = decide.Idle
					m.idle, m.warm = append(m.idle, b), append(m.warm, b)
				}
			},
			"execute": func(t *rapid.T) {
				if len(m.warm) == 0 {
					return
				}
				b := pick(m.warm, "warm")
				s.Arrive(next, b.f)
				s.Dequeue(next)
				m.of[next] = b.f
				m.inSystem[b.f]++
				s.Execute(next, b.id)
				next++
				if b.status == decide.Idle {
					m.idle = remove(m.idle, b)
				}
				b.status = decide.Busy
				b.running++
				m.warm = remove(m.warm, b)
				if b.running < concurrency && !b.retiring {
					m.warm = append(m.warm, b)
				}
			},
			"retire": func(t *rapid.T) {
				list := with(func(b *box) bool {
					return b.status == decide.Pending || b.status == decide.Initialising || b.status == decide.Busy
				})
				if len(list) == 0 {
					return
				}
				b := pick(list, "retiring")
				s.Retire(b.id)
				if b.status == decide.Busy && b.running < concurrency && !b.retiring {
					m.warm = remove(m.warm, b)
				}
				b.retiring = true
			},
			"resize": func(t *rapid.T) {
				if list := with(func(b *box) bool { return b.status != decide.Terminating }); len(list) > 0 {
					b := pick(list, "resized")
					b.share = float64(rapid.IntRange(1, 4).Draw(t, "quarters")) / 4
					s.Resize(b.id, b.share)
				}
			},
			"complete": func(t *rapid.T) {
				if list := with(func(b *box) bool { return b.running > 0 }); len(list) > 0 {
					b := pick(list, "busy")
					if b.running < concurrency && !b.retiring {
						m.warm = remove(m.warm, b)
					}
					b.running--
					m.inSystem[b.f]--
					if !b.retiring || b.running == 0 {
						m.warm = append(m.warm, b)
					}
					if idle := s.Completed(v.FirstExecuting(b.id), b.id, 10); idle != (b.running == 0) {
						t.Fatalf("container %d with %d running: idle %v", b.id, b.running, idle)
					}
					if b.running == 0 {
						b.status = decide.Idle
						m.idle = append(m.idle, b)
					}
				}
			},
			"terminate": func(t *rapid.T) {
				if len(m.idle) > 0 {
					b := pick(m.idle, "idle")
					s.Terminate(b.id)
					b.status = decide.Terminating
					m.idle, m.warm = remove(m.idle, b), remove(m.warm, b)
				}
			},
			"ended": func(t *rapid.T) {
				if list := with(func(b *box) bool { return b.status == decide.Terminating }); len(list) > 0 {
					b := pick(list, "terminating")
					if i := s.Terminated(b.id, 3); i != b.invoker {
						t.Fatalf("container %d ended on %d, want %d", b.id, i, b.invoker)
					}
					m.boxes = remove(m.boxes, b)
				}
			},
			"": func(t *rapid.T) { m.compare(t, v, profiles, specs) },
		})
	})
}

func (m *model) compare(t *rapid.T, v decide.Snapshot, profiles []decide.Profile, specs []decide.InvokerSpec) {
	equal := func(what string, got, want int) {
		if got != want {
			t.Fatalf("%s: got %d, want %d", what, got, want)
		}
	}
	var queue []decide.RequestID
	for r := v.OldestAll(); r != decide.None; r = v.After(r) {
		queue = append(queue, r)
	}
	if !slices.Equal(queue, m.queue) || v.WaitingAll() != len(m.queue) {
		t.Fatalf("queue %v, want %v", queue, m.queue)
	}
	equal("in system", v.InSystemAll(), m.inSystem[0]+m.inSystem[1]+m.inSystem[2])
	if v.Dropped() != m.dropped || v.DroppedWork() != m.droppedWork {
		t.Fatalf("dropped %d of %d us, want %d of %d", v.Dropped(), v.DroppedWork(), m.dropped, m.droppedWork)
	}
	backlog := slices.Clone(v.Backlog())
	slices.Sort(backlog)
	var wantBacklog []decide.FunctionID
	for f := range decide.FunctionID(len(profiles)) {
		waiting, oldest := 0, decide.RequestID(decide.None)
		for _, r := range m.queue {
			if m.of[r] == f {
				if waiting == 0 {
					oldest = r
				}
				waiting++
			}
		}
		if waiting > 0 {
			wantBacklog = append(wantBacklog, f)
		}
		equal("waiting", v.Waiting(f), waiting)
		equal("in system", v.InSystem(f), m.inSystem[f])
		equal("oldest", int(v.Oldest(f)), int(oldest))
		count, retiring, last := make(map[decide.ContainerStatus]int), 0, 0
		for _, b := range m.boxes {
			if b.f == f {
				count[b.status]++
				if v.Status(b.id) != b.status || v.Running(b.id) != b.running || v.IsRetiring(b.id) != b.retiring || v.Share(b.id) != b.share {
					t.Fatalf("container %d is %v with %d, want %v with %d", b.id, v.Status(b.id), v.Running(b.id), b.status, b.running)
				}
				if b.retiring && b.status != decide.Idle && b.status != decide.Terminating {
					retiring++
				}
			}
		}
		equal("idle", v.IdleCount(f), count[decide.Idle])
		equal("busy", v.BusyCount(f), count[decide.Busy])
		equal("starting", v.StartingCount(f), count[decide.Pending]+count[decide.Initialising])
		// An idle one that retires is about to end, which the scheduler does at once.
		for _, b := range m.idle {
			if b.f == f && b.retiring {
				last++
			}
		}
		equal("retiring", v.RetiringCount(f), retiring+last)
		equal("live", v.Live(f), count[decide.Idle]+count[decide.Busy]+count[decide.Pending]+count[decide.Initialising]-retiring-last)
		var warm, wantWarm []decide.ContainerID
		for c := v.Available(f); c != decide.None; c = v.NextAvailable(c) {
			warm = append(warm, c)
		}
		for _, b := range slices.Backward(m.warm) {
			if b.f == f {
				wantWarm = append(wantWarm, b.id)
			}
		}
		if !slices.Equal(warm, wantWarm) {
			t.Fatalf("available of %d: %v, want %v", f, warm, wantWarm)
		}
	}
	if !slices.Equal(backlog, wantBacklog) {
		t.Fatalf("backlog %v, want %v", backlog, wantBacklog)
	}
	for i := range decide.InvokerID(len(specs)) {
		var used, unclaimed, idleMemory int64
		var cpu, wanted float64
		var idle, wantIdle []decide.ContainerID
		executing, starting := 0, 0
		unclaimed = specs[i].Memory
		for _, b := range m.boxes {
			if b.invoker != i {
				continue
			}
			size := profiles[b.f].Memory
			if b.status != decide.Pending {
				used += size
			}
			if b.status != decide.Terminating {
				unclaimed -= size
			}
			if b.status == decide.Initialising {
				starting++
			}
			executing += b.running
			if b.running > 0 { // its requests share its CPU
				cpu += profiles[b.f].CPU * b.share
				wanted += profiles[b.f].CPU
			}
		}
		for _, b := range m.idle {
			if b.invoker == i {
				wantIdle = append(wantIdle, b.id)
				idleMemory += profiles[b.f].Memory
			}
		}
		for c := v.IdleHead(i); c != decide.None; c = v.IdleNext(c) {
			idle = append(idle, c)
		}
		if !slices.Equal(idle, wantIdle) {
			t.Fatalf("idle on %d: %v, want %v", i, idle, wantIdle)
		}
		equal("used", int(v.UsedMemory(i)), int(used))
		equal("unclaimed", int(v.Unclaimed(i)), int(unclaimed))
		equal("idle memory", int(v.IdleMemory(i)), int(idleMemory))
		equal("executing", v.Executing(i), executing)
		equal("initialising", v.Starting(i), starting)
		if v.BusyCPU(i) != cpu { // halves and integers: sums are exact
			t.Fatalf("CPU on %d: %g, want %g", i, v.BusyCPU(i), cpu)
		}
		if cores := specs[i].Cores; v.Load(i) != cpu/cores || v.Demand(i) != wanted/cores { // nothing is created for a request
			t.Fatalf("load of %d: %g, were nothing deflated %g, want %g and %g", i, v.Load(i), v.Demand(i), cpu/cores, wanted/cores)
		}
		for f := range decide.FunctionID(len(profiles)) {
			if got, want := v.Room(i, f), unclaimed+idleMemory >= profiles[f].Memory; got != want {
				t.Fatalf("room on %d for %d: %v, want %v", i, f, got, want)
			}
		}
	}
}

// TestCPULimit: an invoker takes what fits below its limit, and anything when it is
// empty; what it has promised to requests whose containers initialise counts.
func TestCPULimit(t *testing.T) {
	s, err := decide.NewState([]decide.Profile{{Memory: 1, CPU: 1}, {Memory: 1, CPU: 3}},
		[]decide.InvokerSpec{{Memory: 100, Cores: 2, CPULimit: 2}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	v := s.Snapshot()
	if !v.Room(0, 0) || !v.Room(0, 1) {
		t.Fatal("an empty invoker takes anything")
	}
	s.Arrive(0, 0)
	s.Dequeue(0)
	c := s.NewContainer(0, 0, 0)
	if !v.Room(0, 0) || v.Room(0, 1) {
		t.Fatal("1 of 2 cores is promised: one more function of 1 core, none of 3")
	}
	s.Admit(0)
	if r := s.Initialised(c, 0); r != 0 {
		t.Fatalf("created for %d, want 0", r)
	}
	s.Execute(0, c)
	idle := s.NewContainer(0, 0, decide.None)
	s.Admit(0)
	s.Initialised(idle, 0)
	if v.Available(0) != idle {
		t.Fatal("the second core is free")
	}
	s.Arrive(1, 0)
	s.Dequeue(1)
	s.Execute(1, idle)
	third := s.NewContainer(0, 0, decide.None)
	s.Admit(0)
	s.Initialised(third, 0)
	if v.Available(0) != decide.None || v.FirstWarm(0) != third || v.AnyRoom(0) {
		t.Fatal("both cores are busy: the third container is warm and not available")
	}
	s.Completed(v.FirstExecuting(c), c, 1)
	if v.Available(0) == decide.None {
		t.Fatal("a core is free again")
	}
}

func TestNewStateRejects(t *testing.T) {
	good, spec := decide.Profile{Memory: 1, CPU: 1}, decide.InvokerSpec{Memory: 10, Cores: 1}
	for name, c := range map[string]struct {
		p           decide.Profile
		specs       []decide.InvokerSpec
		concurrency int
	}{
		"concurrency": {good, []decide.InvokerSpec{spec}, 0},
		"no invokers": {good, nil, 1},
		"no cores":    {good, []decide.InvokerSpec{{Memory: 10}}, 1},
		"no memory":   {decide.Profile{CPU: 1}, []decide.InvokerSpec{spec}, 1},
		"no CPU":      {decide.Profile{Memory: 1}, []decide.InvokerSpec{spec}, 1},
		"too large":   {decide.Profile{Memory: 11, CPU: 1}, []decide.InvokerSpec{spec}, 1},
	} {
		if _, err := decide.NewState([]decide.Profile{c.p}, c.specs, c.concurrency); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFunctionSet against a map, with functions enough for more than one level.
func TestFunctionSet(t *testing.T) {
	const n = 10000
	profiles := make([]decide.Profile, n)
	for f := range profiles {
		profiles[f] = decide.Profile{Memory: int64(1 + f*7919%n/3), CPU: 1} // three of each
	}
	s, err := decide.NewState(profiles, []decide.InvokerSpec{{Memory: n, Cores: 1}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	set := s.Snapshot().NewFunctionSet()
	rapid.Check(t, func(t *rapid.T) {
		set.Clear()
		in := make(map[decide.FunctionID]bool)
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			f := decide.FunctionID(rapid.IntRange(0, n-1).Draw(t, "function"))
			if rapid.Bool().Draw(t, "add") {
				set.Add(f)
				in[f] = true
			} else {
				set.Remove(f)
				delete(in, f)
			}
			if set.Has(f) != in[f] {
				t.Fatalf("function %d: %v", f, set.Has(f))
			}
		}
		want := slices.SortedFunc(maps.Keys(in), func(a, b decide.FunctionID) int {
			return cmp.Or(cmp.Compare(profiles[a].Memory, profiles[b].Memory), cmp.Compare(a, b))
		})
		var got []decide.FunctionID
		for f := set.First(); f != decide.None; f = set.After(f) {
			got = append(got, f)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// TestChanges: whoever follows the changes knows of every function that has changed, and
// whoever falls far behind is told so.
func TestChanges(t *testing.T) {
	profiles := make([]decide.Profile, 100)
	for f := range profiles {
		profiles[f] = decide.Profile{Memory: 1, CPU: 1}
	}
	s, err := decide.NewState(profiles, []decide.InvokerSpec{{Memory: 100, Cores: 1}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	v := s.Snapshot()
	_, seen, known := v.Changes(0)
	if known {
		t.Fatal("nothing is known before the first call")
	}
	gains := v.Gains()
	s.Arrive(0, 7)
	s.Dequeue(0)
	c := s.NewContainer(7, 0, 0)
	s.Admit(0)
	if v.Gains() != gains {
		t.Error("an order gives nothing back")
	}
	s.Initialised(c, 1)
	s.Execute(0, c)
	gains = v.Gains()
	s.Completed(v.FirstExecuting(c), c, 1)
	if v.Gains() == gains {
		t.Error("a completion gives CPU back")
	}
	list, seen, known := v.Changes(seen)
	if !known || len(list) == 0 || slices.ContainsFunc(list, func(f decide.FunctionID) bool { return f != 7 }) {
		t.Errorf("changes %v, %v: want 7 alone", list, known)
	}
	if list, _, known := v.Changes(seen); !known || len(list) != 0 {
		t.Errorf("nothing has changed since, got %v", list)
	}
	for k := range 5000 {
		s.Arrive(1, decide.FunctionID(k%100))
		s.Dequeue(1)
		if k%300 == 0 {
			if list, seen, known = v.Changes(seen); !known || !slices.Contains(list, decide.FunctionID(k%100)) {
				t.Fatalf("after %d arrivals: %v", k, known)
			}
		}
	}
	for range 3000 {
		s.Arrive(1, 2)
		s.Dequeue(1)
	}
	if list, seen, known = v.Changes(seen); known {
		t.Errorf("6000 changes ago: %d functions, want none known", len(list))
	}
	if _, _, known = v.Changes(seen); !known {
		t.Error("up to date again")
	}
}
