package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// NativePick is [Native] with one difference: of the idle containers of a function it uses
// the one whose invoker has the least CPU in use per core, where native uses the one that was
// used last. It learns nothing. It is here to tell what the choice of an invoker is worth from
// what everything else that a stack does is worth: where cores are shared, a request
// beside twenty others takes longer than one that is alone.
func NativePick(keep decide.Time) Stack {
	return Stack{Dispatcher: picking{}, Pool: &LRU{Keep: keep}, Placer: LeastLoaded{}}
}

// picking is [FCFS] that chooses among warm containers.
type picking struct{ FCFS }

// Next implements decide.Dispatcher.
func (p picking) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	st, ok := p.FCFS.Next(s, ev)
	if ok && st.Container != decide.None {
		f, _ := s.Request(st.Request)
		st.Container = LeastLoadedWarm(s, f)
	}
	return st, ok
}

// warmLooks is at how many containers LeastLoadedWarm looks: with more there is nearly
// always one among them whose invoker is about as free as any.
const warmLooks = 64

// LeastLoadedWarm is the available container of f, of the 64 used last, whose invoker has the
// least CPU in use per core, the requests counted that containers are being created for;
// among equals the one used last. None if there is none.
func LeastLoadedWarm(s decide.Snapshot, f decide.FunctionID) decide.ContainerID {
	best, least := decide.ContainerID(decide.None), 0.0
	for c, n := s.Available(f), 0; c != decide.None && n < warmLooks; c, n = s.NextAvailable(c), n+1 {
		if load := s.Load(s.Invoker(c)); best == decide.None || load < least {
			if best, least = c, load; load == 0 {
				break
			}
		}
	}
	return best
}

var nativePickRow = kept(Row{Name: "native-pick", Source: "native, in the idle container whose invoker is the least loaded: what the choice of an invoker is worth"}, NativePick)
