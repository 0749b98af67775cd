package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// FCFS starts requests in order of arrival, with one exception. A request whose
// function has an available container starts in it at once, past those that wait
// for memory: it takes no memory from them. Cold starts never overtake one another:
// the oldest request that finds no room keeps the room that is made for itself.
//
// OpenWhisk has one buffer per invoker, of which only the head is tried when something
// becomes free, and its balancer keeps a function to few invokers. With one queue
// for all invokers a strict head would block functions that in OpenWhisk have
// nothing to do with it, so this is the kinder reading of the two.
type FCFS struct{}

// Next implements decide.Dispatcher.
func (FCFS) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	oldest := s.OldestAll()
	if oldest == decide.None {
		return decide.Start{}, false
	}
	head, _ := s.Request(oldest)
	if c := s.Available(head); c != decide.None {
		return decide.Start{Request: oldest, Container: c}, true
	}
	if st, ok := overtake(s, ev); ok {
		return st, true
	}
	if s.FirstWarm(head) != decide.None || !s.AnyRoom(head) {
		return decide.Start{}, false
	}
	return decide.Start{Request: oldest, Container: decide.None}, true
}

// overtake returns the oldest request whose function has an available container.
func overtake(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if s.InvokerSpec(0).CPULimit == 0 {
		// A container becomes available by the event alone, so no function but the
		// event's can have both a container and a waiting request.
		f := ev.Function
		if ev.Kind != decide.Arrival && ev.Kind != decide.Ready && ev.Kind != decide.Completion || s.Waiting(f) == 0 {
			return decide.Start{}, false
		}
		st := decide.Start{Request: s.Oldest(f), Container: s.Available(f)}
		return st, st.Container != decide.None
	}
	// With a CPU limit the end of one function makes room for another.
	st := decide.Start{Request: decide.None}
	var since decide.Time
	for _, f := range s.Backlog() {
		c := s.Available(f)
		if c == decide.None {
			continue
		}
		r := s.Oldest(f)
		if _, at := s.Request(r); st.Request == decide.None || at < since || at == since && r < st.Request {
			st, since = decide.Start{Request: r, Container: c}, at
		}
	}
	return st, st.Request != decide.None
}

// Strict starts requests in order of arrival, and none overtakes another: while the
// oldest one finds neither a container nor room, all wait. It is the queue of textbooks,
// with the head-of-line blocking that [FCFS] avoids: the floor for orders of starting.
type Strict struct{}

// Next implements decide.Dispatcher.
func (Strict) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	oldest := s.OldestAll()
	if oldest == decide.None {
		return decide.Start{}, false
	}
	f, _ := s.Request(oldest)
	st := decide.Start{Request: oldest, Container: s.Available(f)}
	if st.Container != decide.None {
		return st, true
	}
	// A warm container that lacks nothing but CPU is worth waiting for.
	return st, s.FirstWarm(f) == decide.None && s.AnyRoom(f)
}

var fcfsRow = kept(Row{Name: "fcfs", Source: "strict order of arrival: while the oldest request waits for room, all do"},
	func(keep decide.Time) Stack {
		s := Native(keep)
		s.Dispatcher = Strict{}
		return s
	})
