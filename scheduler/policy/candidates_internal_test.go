package policy

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestCandidates compares them with a search through everything that waits, on a platform
// to which things happen at random; sometimes nobody asks for a while.
func TestCandidates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		concurrency := rapid.IntRange(1, 2).Draw(t, "concurrency")
		limit := rapid.SampledFrom([]float64{0, 1, 2}).Draw(t, "limit")
		const functions = 6
		profiles := make([]decide.Profile, functions)
		for f := range profiles {
			profiles[f] = decide.Profile{Memory: int64(1 + f/2), CPU: []float64{0.25, 0.5, 2}[f%3], Execution: 1000, Initialise: 1500}
		}
		spec := decide.InvokerSpec{Memory: 7, Cores: 2, CPULimit: limit}
		state, err := decide.NewState(profiles, []decide.InvokerSpec{spec, spec}, concurrency)
		if err != nil {
			t.Fatal(err)
		}
		s := state.Snapshot()
		wants := func(f decide.FunctionID) bool { return worth(s, f, s.Initialise(f)) }
		var c candidates
		now := decide.Time(0)
		var free []decide.RequestID
		last := decide.RequestID(0)
		with := func(status decide.ContainerStatus) []decide.ContainerID {
			var list []decide.ContainerID
			for b := range decide.ContainerID(s.Containers()) {
				if s.Status(b) == status {
					list = append(list, b)
				}
			}
			return list
		}
		pick := func(list []decide.ContainerID) decide.ContainerID {
			return list[rapid.IntRange(0, len(list)-1).Draw(t, "container")]
		}
		execute := func(r decide.RequestID, b decide.ContainerID) {
			state.Execute(r, b)
		}
		admit := func() {
			for i := range decide.InvokerID(2) {
				for ok := true; ok; {
					_, ok = state.Admit(i)
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now++
			state.Advance(now)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2, 3:
				r := last
				if n := len(free); n > 0 && rapid.Bool().Draw(t, "again") {
					r, free = free[n-1], free[:n-1]
				} else {
					last++
				}
				state.Arrive(r, decide.FunctionID(rapid.IntRange(0, functions-1).Draw(t, "function")))
			case 4, 5:
				if list := with(decide.Initialising); len(list) > 0 {
					b := pick(list)
					if r := state.Initialised(b, 1500); r != decide.None {
						execute(r, b)
					}
				}
			case 6, 7:
				if list := with(decide.Busy); len(list) > 0 {
					b := pick(list)
					r := s.FirstExecuting(b)
					if free = append(free, r); state.Completed(r, b, 1000) && s.IsRetiring(b) {
						state.Terminate(b)
					}
				}
			case 8:
				switch list := with(decide.Idle); {
				case len(list) > 0 && rapid.Bool().Draw(t, "deflate"):
					state.Resize(pick(list), 0.5)
				case len(list) > 0:
					state.Terminate(pick(list))
				default:
					if list := with(decide.Busy); len(list) > 0 {
						state.Retire(pick(list))
					}
				}
			case 9:
				if list := with(decide.Terminating); len(list) > 0 {
					state.Terminated(pick(list), 1)
					admit()
				}
			}
			for rapid.IntRange(0, 3).Draw(t, "ask") > 0 {
				got := make(map[decide.FunctionID]decide.Start)
				c.each(s, wants, func(f decide.FunctionID, st decide.Start) {
					if _, twice := got[f]; twice {
						t.Fatalf("function %d twice", f)
					}
					got[f] = st
				})
				want := make(map[decide.FunctionID]decide.Start)
				for _, f := range s.Backlog() {
					st := decide.Start{Request: s.Oldest(f), Container: s.Available(f)}
					if st.Container != decide.None || s.FirstWarm(f) == decide.None && wants(f) && s.AnyRoom(f) {
						want[f] = st
					}
				}
				if !maps.Equal(got, want) {
					t.Fatalf("can start %v, want %v", got, want)
				}
				if len(got) == 0 || rapid.Bool().Draw(t, "stop") {
					break
				}
				// The first of them starts.
				f := decide.FunctionID(0)
				st, ok := got[f]
				for ; !ok; st, ok = got[f] {
					f++
				}
				state.Dequeue(st.Request)
				if st.Container != decide.None {
					execute(st.Request, st.Container)
					continue
				}
				for i := range decide.InvokerID(2) {
					if !s.Room(i, f) {
						continue
					}
					for s.Unclaimed(i) < s.Memory(f) {
						state.Terminate(s.IdleHead(i))
					}
					state.NewContainer(f, i, st.Request)
					admit()
					break
				}
			}
		}
	})
}
