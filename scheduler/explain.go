package scheduler

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// An Explanation says where a request or a container is, and why it goes no further.
type Explanation struct {
	Subject   string    `json:"subject"` // "request" or "container"
	ID        uint64    `json:"id"`
	State     string    `json:"state"`               // see the constants; of a container also a decide.ContainerStatus
	Since     time.Time `json:"since,omitzero"`      // of a request: its arrival; of a container: the state
	Function  uint64    `json:"function,omitempty"`  // 0: not known any more
	Container uint64    `json:"container,omitempty"` // of a request: where it executes, or what is created for it
	Invoker   uint64    `json:"invoker,omitempty"`
	Why       []Reason  `json:"why"` // the first one weighs most
}

// The states of a request.
const (
	StateUnknown   = "unknown"   // never heard of, or forgotten
	StateEnded     = "ended"     // it is over
	StateWaiting   = "waiting"   // nothing was decided yet
	StateStarting  = "starting"  // a container is created for it
	StateExecuting = "executing" // in Container
)

// A Reason is a part of an explanation.
type Reason struct {
	Code  string    `json:"code"`           // one of the constants
	Text  string    `json:"text"`           // in words, without a full stop
	Until time.Time `json:"until,omitzero"` // when it ends at the latest if nothing else happens
}

// Codes of reasons.
const (
	WhyHeld         = "held"          // the policy holds it, and says until when
	WhyNoInvoker    = "no_invoker"    // no invoker takes containers
	WhyNoMemory     = "no_memory"     // no invoker has any for it
	WhyNoCPU        = "no_cpu"        // no invoker with memory may execute more
	WhyNotAvailable = "not_available" // its function has warm containers, on invokers that may not execute more
	WhyBusy         = "busy"          // the containers of its function are busy or start
	WhyPolicy       = "policy"        // it could start, and the policy waits or lets others
	WhyTimeout      = "timeout"       // when it is given up
	WhyPending      = "pending"       // its container waits for memory or for other starts
	WhyInitialising = "initialising"  // the container does
	WhyExecuting    = "executing"     // nothing keeps it from that
	WhyKeepAlive    = "keep_alive"    // the container is idle, and kept
	WhyRetiring     = "retiring"      // the container takes no more
	WhyTerminating  = "terminating"   // the container was told to end
	WhyEnded        = "ended"         // it is over
	WhyNotKnown     = "not_known"     // nobody knows of it
)

// String is the explanation in one sentence.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d is %s", e.Subject, e.ID, e.State)
	if !e.Since.IsZero() {
		fmt.Fprintf(&b, " since %s", clock(e.Since))
	}
	for i, r := range e.Why {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(r.Text)
		if !r.Until.IsZero() {
			fmt.Fprintf(&b, " until %s", clock(r.Until))
		}
	}
	return b.String()
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

func megabytes(bytes int64) string { return fmt.Sprintf("%.4g MB", float64(bytes)/(1<<20)) }

// ExplainRequest says where the request with that id is, and why it does not execute.
func (c *Control) ExplainRequest(id uint64) Explanation {
	e := Explanation{Subject: "request", ID: id, State: StateUnknown, Why: []Reason{{Code: WhyNotKnown, Text: "it has not arrived, or has ended long ago"}}}
	if _, was := c.gone[id]; was {
		e.State, e.Why = StateEnded, []Reason{{Code: WhyEnded, Text: "it has completed, or was given up or cancelled"}}
		return e
	}
	r, ok := c.requests.get(id)
	if !ok {
		return e
	}
	v := c.s.view
	f, arrival := v.Request(r)
	e.Function, e.Since = c.functions.id(f), c.time(arrival)
	if v.IsWaiting(r) {
		e.State = StateWaiting
		e.Why = append(c.waits(r, f), Reason{Code: WhyTimeout, Text: "it may wait", Until: c.time(arrival + c.s.opts.Timeout)})
		return e
	}
	n := v.In(r)
	e.Container, e.Invoker = c.boxes.id(n), c.invokers.id(v.Invoker(n))
	switch {
	case v.Executes(n, r):
		e.State = StateExecuting
		e.Why = []Reason{{Code: WhyExecuting, Text: fmt.Sprintf("it runs in container %d, and is expected to take %v", e.Container, v.Execution(f).Duration())}}
	case v.Status(n) == decide.Pending:
		e.State, e.Container = StateStarting, 0 // nobody was told of it
		e.Why = []Reason{c.pends(n)}
	default:
		e.State = StateStarting
		e.Why = []Reason{{
			Code: WhyInitialising, Text: fmt.Sprintf("container %d was created for it and initialises, which is expected to last", e.Container),
			Until: c.time(v.Since(n) + v.Initialise(f)),
		}}
	}
	return e
}

// pends says why the container n, which is decided on, does not start.
func (c *Control) pends(n decide.ContainerID) Reason {
	v := c.s.view
	i := v.Invoker(n)
	if spec := v.InvokerSpec(i); spec.StartLimit > 0 && v.Starting(i) >= spec.StartLimit {
		return Reason{Code: WhyPending, Text: fmt.Sprintf("its container waits on invoker %d, where %d initialise already, as many as may at once", c.invokers.id(i), v.Starting(i))}
	}
	return Reason{Code: WhyPending, Text: fmt.Sprintf("its container waits on invoker %d for the %s of containers that end there", c.invokers.id(i), megabytes(v.Memory(v.Function(n))))}
}

// waits says why the waiting request r of f does not start.
func (c *Control) waits(r decide.RequestID, f decide.FunctionID) (why []Reason) {
	v := c.s.view
	hold, held := c.s.Explain(r)
	if held {
		reason := Reason{Code: WhyHeld, Text: hold.Reason}
		if hold.Invoker != decide.None {
			reason.Text += fmt.Sprintf(" (invoker %d)", c.invokers.id(hold.Invoker))
		}
		if hold.Until < decide.Forever {
			reason.Until = c.time(hold.Until)
		}
		why = append(why, reason)
	}
	available := v.Available(f) != decide.None
	if !available {
		if v.FirstWarm(f) != decide.None {
			why = append(why, Reason{Code: WhyNotAvailable, Text: "the invokers of its function's warm containers execute as much as they may"})
		}
		if busy, starting := v.BusyCount(f), v.StartingCount(f); busy+starting > 0 {
			why = append(why, Reason{Code: WhyBusy, Text: fmt.Sprintf("of the containers of its function %d are busy and %d start, and %d requests wait for them", busy, starting, v.Waiting(f))})
		}
		if reason, none := c.noRoom(f); none {
			return append(why, reason)
		}
	}
	if !held {
		text := "a new container would fit"
		if available {
			text = "a container of its function could take it"
		}
		why = append(why, Reason{Code: WhyPolicy, Text: fmt.Sprintf("%s, and policy %q waits or prefers others of the %d requests that wait", text, c.Name(), v.WaitingAll())})
	}
	return why
}

// noRoom says why no invoker can take a container of f, and reports whether that is so.
func (c *Control) noRoom(f decide.FunctionID) (Reason, bool) {
	v := c.s.view
	open, best, most, cpu := 0, decide.InvokerID(decide.None), int64(math.MinInt64), false
	for i := range decide.InvokerID(v.Invokers()) {
		if v.Room(i, f) {
			return Reason{}, false
		}
		if !v.Open(i) {
			continue
		}
		open++
		room := v.Unclaimed(i) + v.IdleMemory(i)
		cpu = cpu || room >= v.Memory(f)
		if room > most {
			best, most = i, room
		}
	}
	switch {
	case open == 0:
		return Reason{Code: WhyNoInvoker, Text: "every invoker is drained or lost"}, true
	case cpu:
		return Reason{Code: WhyNoCPU, Text: "the invokers with memory for a container of its function execute as much as they may"}, true
	}
	return Reason{Code: WhyNoMemory, Text: fmt.Sprintf("a container of its function needs %s, and the most that an invoker has or could free of idle containers is %s, on invoker %d",
		megabytes(v.Memory(f)), megabytes(max(0, most)), c.invokers.id(best))}, true
}

// ExplainContainer says what the container with that id does, and why it is kept or is to end.
func (c *Control) ExplainContainer(id uint64) Explanation {
	e := Explanation{Subject: "container", ID: id, State: decide.Gone.String(), Why: []Reason{{Code: WhyEnded, Text: "it has ended or failed, or never was"}}}
	n, ok := c.container(id)
	if !ok {
		return e
	}
	v := c.s.view
	f, i := v.Function(n), v.Invoker(n)
	e.State, e.Since, e.Invoker = v.Status(n).String(), c.time(v.Since(n)), c.invokers.id(i)
	layer := v.LayerNumber(f)
	if layer == decide.None {
		e.Function = c.functions.id(f)
	}
	e.Why = nil
	switch v.Status(n) {
	case decide.Initialising:
		text := "it was created ahead of requests, and is expected to initialise"
		if r := v.CreatedFor(n); r != decide.None {
			text = fmt.Sprintf("it was created for request %d, and is expected to initialise", c.requests.id(r))
		}
		e.Why = append(e.Why, Reason{Code: WhyInitialising, Text: text, Until: c.time(v.Since(n) + v.Initialise(f))})
	case decide.Idle:
		reason := Reason{Code: WhyKeepAlive, Text: "it is kept for requests to come, as long as nobody needs its memory"}
		if at := c.s.timers[n].deadline; at < decide.Forever {
			reason.Until = c.time(at)
		}
		e.Why = append(e.Why, reason)
	case decide.Busy:
		e.Why = append(e.Why, Reason{Code: WhyExecuting, Text: fmt.Sprintf("it executes %d of %d requests", v.Running(n), v.Concurrency())})
	case decide.Terminating:
		e.Why = append(e.Why, Reason{Code: WhyTerminating, Text: "it was told to end, and holds its memory until it has"})
	}
	if v.IsRetiring(n) && v.Status(n) != decide.Terminating {
		e.Why = append(e.Why, Reason{Code: WhyRetiring, Text: "it takes no more requests (" + c.s.retiring(n).String() + "), and ends when it is idle"})
	}
	return e
}
