package scheduler

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// ErrKnown is wrapped by the error of an arrival whose request is there, or was and is
// remembered: a message that was delivered twice. It wraps [ErrImpossible].
var ErrKnown = fmt.Errorf("%w: the request is known", ErrImpossible)

// A Control is a [Scheduler] for platforms: it names functions, invokers, containers and
// requests by ids that are never given twice, in the real time, and takes what an unreliable
// platform tells of them.
//
// Ids are positive; 0 stands for none. The platform gives those of functions, invokers and
// requests out, and Control those of containers, ascending from 1. Inside, each has a small
// number that is used again; a message about a former holder of one is an error. An event
// that cannot have happened is an error that wraps [ErrImpossible], and changes nothing.
//
// Like a Scheduler it reads no clock and is not safe for concurrent use; package
// scheduler/runner has one that is.
type Control struct {
	s        *Scheduler
	midnight time.Time // UTC: time 0
	names    names

	functions ids[decide.FunctionID]
	invokers  ids[decide.InvokerID]
	boxes     ids[decide.ContainerID]
	requests  ids[decide.RequestID]

	free   []decide.RequestID // numbers to use again
	next   uint64             // id of the next container
	former map[decide.ContainerID]uint64
	ended  map[uint64]bool // containers that took too long to start, and whose end was not told yet

	past   []uint64 // requests that have ended, a ring
	oldest int      // of past, once it is full
	gone   map[uint64]struct{}
	keep   int

	out []Order

	cfg     Config // Policy, Seed, Models and Functions as they decide now
	known   []datasets.Function
	runtime *forecast.Runtime // of the stack; nil without models
	lost    map[decide.InvokerSpec][]decide.InvokerID

	identity string  // of cfg.Models, once it was asked for
	saved    int     // bytes of the last saved state
	minutes  minutes // arrivals, for models to come
}

// A Function as it is deployed.
type Function struct {
	ID               uint64 // of this deployment
	Owner, App, Name string // match it with the functions of a bundle
	Language         string // that it is written in, for policies that share runtimes

	// Memory of a container in bytes, and the cores that an invocation can use. 0 stands for
	// what the bundle knows of the function; without that memory is an error, and 1 core.
	Memory int64
	CPU    float64
	// Execution, Initialise and Termination are the times to expect until some were measured.
	// 0 stands for what the bundle knows; without that, for what is assumed of a trace that
	// does not say ([datasets.DefaultExecution] and [datasets.Function.AssumeStartCost]).
	Execution, Initialise, Termination time.Duration
}

// An Invoker as it joins.
type Invoker struct {
	ID         uint64
	Memory     int64   // bytes
	Cores      float64 // > 0
	StartLimit int     // containers that may initialise at once; 0: no limit
}

// Config is what a Control begins with.
type Config struct {
	// Models of a bundle, see [Use]; nil for a Policy that needs none.
	Models *Models
	// Policy is a name of [Learned] or a specification that [Baseline] takes. Empty is
	// "incendio" with Models and "native" without.
	Policy string
	// Seed of policies that draw.
	Seed uint64

	Functions []Function
	Invokers  []Invoker // at least one

	// Start is the time at which the clock begins; events must not be before. History are
	// the arrivals of each of Functions in the minutes before the one of Start, the last
	// one last; it may be empty, then forecasts begin from nothing.
	Start   time.Time
	History [][]float64

	Options Options
	// Remember is how many requests that have ended are remembered, so that their arrivals, if
	// told again, are known for what they are; >= 0.
	Remember int
}

// DefaultRemember is how many ended requests DefaultConfig remembers.
const DefaultRemember = 1 << 16

// DefaultStartTimeout is the Options.StartTimeout of DefaultConfig: a platform loses containers while they start.
const DefaultStartTimeout = 5 * decide.Minute

// DefaultConfig returns a Config with the defaults of Options, Remember and StartTimeout.
func DefaultConfig() Config {
	cfg := Config{Options: DefaultOptions(), Remember: DefaultRemember}
	cfg.Options.StartTimeout = DefaultStartTimeout
	return cfg
}

// An Event is what happened on the platform.
type Event struct {
	At   time.Time
	Kind decide.EventKind

	// Ids of what it is about, as the kind says; others are ignored.
	Function  uint64
	Request   uint64
	Container uint64
	Invoker   uint64

	// Took is how long the execution took by a Completion, the initialisation by a Ready and
	// the termination by an Ended.
	Took time.Duration

	Deploy *Function `json:",omitempty"` // by a Deployed and a Changed
	Join   *Invoker  `json:",omitempty"` // by a Joined
	Adopt  *Known    `json:",omitempty"` // by an Adopted
}

// Known is what an Adopted tells to be there of Event.Function: a container with its requests, or
// requests that wait.
type Known struct {
	// Container is an id above all that the scheduler has given out or adopted; 0: there is none, and the
	// requests wait. It lives on Event.Invoker, and is Initialising, for no request or for one, Idle, or Busy
	// with as many requests as a container executes at once at most.
	Container uint64
	Status    decide.ContainerStatus
	Requests  []KnownRequest
}

// A KnownRequest is a request that arrived before it was told.
type KnownRequest struct {
	ID      uint64
	Arrived time.Time
}

// An Order is a [decide.Decision] in the ids of the platform.
type Order struct {
	Kind      decide.DecisionKind
	Function  uint64 // 0 by a Downgrade
	Request   uint64 // 0: none
	Container uint64 // 0: none
	Invoker   uint64 // 0: none
	Layer     int    // by a Downgrade: which of the policy's layers
	Share     float64

	Cause  decide.Cause  // of what is given up
	For    uint64        // the function whose container takes the room, where Cause is Evicted
	Waited time.Duration // by a Run: how long ago the request arrived
}

func newControl(remember int) *Control {
	return &Control{
		functions: newIDs[decide.FunctionID](), invokers: newIDs[decide.InvokerID](),
		boxes: newIDs[decide.ContainerID](), requests: newIDs[decide.RequestID](),
		names: newNames(), next: 1, former: map[decide.ContainerID]uint64{}, ended: map[uint64]bool{},
		gone: map[uint64]struct{}{}, keep: remember, lost: map[decide.InvokerSpec][]decide.InvokerID{},
	}
}

// NewControl returns the Control of a platform on which no container is.
func NewControl(cfg Config) (*Control, error) {
	out := option.Check{Package: "scheduler"}
	out.That(!cfg.Start.IsZero(), "start", "must be given")
	out.That(cfg.Remember >= 0, "remember", "must not be negative, got %d", cfg.Remember)
	out.That(len(cfg.Invokers) > 0, "invokers", "must be at least one")
	if err := errors.Join(out.Err(), cfg.Options.Validate()); err != nil {
		return nil, err
	}
	c := newControl(cfg.Remember)
	known := make([]datasets.Function, len(cfg.Functions))
	profiles := make([]decide.Profile, len(cfg.Functions))
	for i, f := range cfg.Functions {
		if err := c.functions.fresh("function", f.ID); err != nil {
			return nil, err
		}
		c.functions.put(f.ID, decide.FunctionID(i))
		known[i] = f.key(decide.FunctionID(i))
		profiles[i] = c.names.profile(f, cfg.Models)
	}
	specs := make([]decide.InvokerSpec, len(cfg.Invokers))
	for i, v := range cfg.Invokers {
		if err := c.invokers.fresh("invoker", v.ID); err != nil {
			return nil, err
		}
		c.invokers.put(v.ID, decide.InvokerID(i))
		specs[i] = decide.InvokerSpec{Memory: v.Memory, Cores: v.Cores, StartLimit: v.StartLimit}
	}
	minute := cfg.Start.Truncate(time.Minute)
	first := minute.Add(-time.Duration(len(cfg.History)) * time.Minute).UTC()
	c.midnight = time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, time.UTC)
	start := decide.FromDuration(minute.Sub(c.midnight))
	stack, rt, err := cfg.stack(known, profiles, specs, c.midnight, start, nil)
	if err != nil {
		return nil, err
	}
	c.runtime = rt
	if c.s, err = New(profiles, specs, stack, cfg.Options); err != nil {
		return nil, err
	}
	c.known, c.cfg = known, cfg
	c.minutes.begin(int(start/decide.Minute), cfg.History)
	c.cfg.History = nil
	if _, err := c.Handle(Event{At: cfg.Start, Kind: decide.Tick}); err != nil {
		return nil, err
	}
	return c, nil
}

// stack composes the policy of cfg. Where first is not nil, those are the forecasts of the minute
// at start, and the history is shown to the models without forecasts of its own minutes.
func (cfg *Config) stack(known []datasets.Function, profiles []decide.Profile, specs []decide.InvokerSpec, midnight time.Time, start decide.Time, first []forecast.Forecast) (Stack, *forecast.Runtime, error) {
	name := cfg.Policy
	switch learned := slices.ContainsFunc(Learned(), func(r LearnedRow) bool { return r.Name == name }); {
	case name == "" && cfg.Models == nil:
		name = "native"
	case name == "":
		name = IncendioName
	case learned && cfg.Models == nil:
		return Stack{}, nil, fmt.Errorf("scheduler: policy %q runs the models of a bundle, and there are none", name)
	case name == TrainedALPSName:
		stack, err := cfg.Models.TrainedALPS()
		return stack, nil, err
	case !learned:
		cfg.Models = nil
	}
	if cfg.Models == nil {
		build, err := Baseline(name, cfg.Seed)
		if err != nil {
			return Stack{}, nil, err
		}
		stack, err := build(policy.Site{Profiles: profiles, Invokers: specs, Start: start})
		return stack, nil, err
	}
	rt, err := forecast.NewRuntime(cfg.Models.Forecast, known, midnight)
	if err != nil {
		return Stack{}, nil, err
	}
	settle := forecast.Settle
	if first != nil {
		settle = 0
	}
	last, err := prime(rt, cfg.History, len(known), int(start/decide.Minute), settle)
	if err != nil {
		return Stack{}, nil, err
	}
	if first == nil {
		first = last
	}
	stack, err := cfg.Models.Variant(name, known, rt, first, start, cfg.Seed)
	return stack, rt, err
}

// prime shows the minutes before now to rt, and returns the forecasts of now; nil if there are none.
func prime(rt *forecast.Runtime, history [][]float64, functions, now, settle int) ([]forecast.Forecast, error) {
	var first []forecast.Forecast
	from := now - len(history)
	for k, counts := range history {
		if len(counts) != functions {
			return nil, fmt.Errorf("scheduler: history has %d counts in minute %d, expected one of each of %d functions", len(counts), k, functions)
		}
		if k < len(history)-settle {
			rt.Prime(from+k, counts)
		} else {
			first = rt.Step(from+k, counts)
		}
	}
	return slices.Clone(first), nil
}

// Name is the name of the policy.
func (c *Control) Name() string { return c.s.Name() }

// Snapshot is what the policy sees, by its own numbers.
func (c *Control) Snapshot() decide.Snapshot { return c.s.Snapshot() }

// Now is the time of the last event.
func (c *Control) Now() time.Time { return c.time(c.s.view.Now()) }

// Wake is when Handle wants a Tick if nothing happens before; false: never.
func (c *Control) Wake() (time.Time, bool) {
	at := c.s.Wake()
	if at > decide.Latest {
		return time.Time{}, false
	}
	return c.time(at), true
}

func (c *Control) time(t decide.Time) time.Time {
	// In two steps: a Duration of so many microseconds could overflow.
	return c.midnight.Add(time.Duration(t/decide.Second)*time.Second + time.Duration(t%decide.Second)*time.Microsecond)
}

// Handle takes in what happened and returns what to do, in that order. The slice is valid until
// the next call. A time before that of the last event counts as that of the last event.
func (c *Control) Handle(ev Event) ([]Order, error) {
	c.out = c.out[:0]
	clear(c.former)
	if ev.Kind >= decide.Deployed && ev.Kind <= decide.Adopted {
		return c.grow(&ev)
	}
	in, err := c.enter(&ev)
	if err != nil || in.Kind == nothing {
		return c.out, err
	}
	ds, err := c.s.Handle(in)
	if err != nil {
		c.refuse(&in)
		return nil, c.outside(&ev, err)
	}
	if in.Kind == decide.Arrival {
		c.requests.put(ev.Request, in.Request)
		if c.cfg.Models != nil {
			c.minutes.add(int(c.s.view.Now()/decide.Minute), in.Function)
		}
	}
	for i := range ds {
		c.order(&ds[i])
	}
	c.leave(&ev, &in)
	return c.out, nil
}

// nothing is the kind of an event that changes nothing.
const nothing = decide.EventKind(math.MaxUint8)

// enter translates ev.
func (c *Control) enter(ev *Event) (decide.Event, error) {
	at, err := c.when(ev)
	in := decide.Event{
		At: at, Kind: ev.Kind, Took: decide.FromDuration(ev.Took),
		Function: decide.None, Request: decide.None, Container: decide.None, Invoker: decide.None,
	}
	if err == nil && ev.Took < 0 {
		err = c.impossible(ev, "it must not have taken a negative time, got %v", ev.Took)
	}
	if err != nil {
		return in, err
	}
	ok := true
	switch ev.Kind {
	case decide.Tick:
	case decide.Arrival:
		if in.Function, ok = c.functions.get(ev.Function); !ok {
			return in, c.impossible(ev, "there is no function %d", ev.Function)
		}
		if err := c.unknown(ev, ev.Request); err != nil {
			return in, err
		}
		in.Request = c.number()
	case decide.Cancelled:
		if in.Request, ok = c.requests.get(ev.Request); !ok {
			return in, c.impossible(ev, "there is no request %d", ev.Request)
		}
	case decide.Drained, decide.Lost:
		if in.Invoker, ok = c.invokers.get(ev.Invoker); !ok {
			return in, c.impossible(ev, "there is no invoker %d", ev.Invoker)
		}
	case decide.Removed:
		if in.Function, ok = c.functions.get(ev.Function); !ok {
			return in, c.impossible(ev, "there is no function %d", ev.Function)
		}
	case decide.Ready, decide.Completion, decide.Ended, decide.Failed:
		if c.ended[ev.Container] && (ev.Kind == decide.Ended || ev.Kind == decide.Failed) {
			delete(c.ended, ev.Container)
			in.Kind = nothing // it was ordered, and its memory is accounted for
			return in, nil
		}
		if in.Container, ok = c.container(ev.Container); !ok {
			return in, c.impossible(ev, "there is no container %d", ev.Container)
		}
		if ev.Kind == decide.Completion {
			if in.Request, ok = c.requests.get(ev.Request); !ok {
				return in, c.impossible(ev, "there is no request %d", ev.Request)
			}
		}
	default:
		return in, c.impossible(ev, "events of this kind are not known")
	}
	return in, nil
}

// when is the time of ev inside.
func (c *Control) when(ev *Event) (decide.Time, error) {
	switch at := ev.At.Sub(c.midnight); {
	case at < 0:
		return 0, c.impossible(ev, "its time is before %v, at which time begins", c.midnight)
	case at == math.MaxInt64:
		return 0, c.impossible(ev, "its time is later than can be counted")
	default:
		return decide.FromDuration(at), nil
	}
}

// unknown reports an id that a request that is told by ev cannot have.
func (c *Control) unknown(ev *Event, id uint64) error {
	if id == 0 {
		return c.impossible(ev, "the id of a request must not be 0")
	}
	if _, there := c.requests.get(id); there {
		return fmt.Errorf("scheduler: %w: request %d is there already", ErrKnown, id)
	}
	if _, was := c.gone[id]; was {
		return fmt.Errorf("scheduler: %w: request %d has ended", ErrKnown, id)
	}
	return nil
}

// refuse takes back what enter has done for an event that was refused after all.
func (c *Control) refuse(in *decide.Event) {
	if in.Kind == decide.Arrival {
		c.free = append(c.free, in.Request)
	}
}

// leave forgets what ev has ended.
func (c *Control) leave(ev *Event, in *decide.Event) {
	switch ev.Kind {
	case decide.Completion:
		c.finish(in.Request)
	case decide.Ended, decide.Failed:
		if c.boxes.id(in.Container) == ev.Container {
			c.boxes.remove(ev.Container)
		}
	case decide.Lost:
		c.invokers.remove(ev.Invoker)
		spec := c.s.view.InvokerSpec(in.Invoker)
		spec.CPULimit = 0
		c.lost[spec] = append(c.lost[spec], in.Invoker)
	case decide.Removed:
		c.functions.retire(ev.Function) // its containers that execute end later
	}
}

// number returns a number for a request.
func (c *Control) number() decide.RequestID {
	if n := len(c.free); n > 0 {
		r := c.free[n-1]
		c.free = c.free[:n-1]
		return r
	}
	return decide.RequestID(len(c.requests.of))
}

// numbers are what the next n calls of number will return.
func (c *Control) numbers(n int) []decide.RequestID {
	var out []decide.RequestID
	for k := range n {
		if free := len(c.free) - 1 - k; free >= 0 {
			out = append(out, c.free[free])
		} else {
			out = append(out, decide.RequestID(len(c.requests.of)-1-free))
		}
	}
	return out
}

// finish forgets request r, which is in the system no longer, but for its id.
func (c *Control) finish(r decide.RequestID) {
	id := c.requests.id(r)
	if id == 0 || c.s.view.Present(r) {
		return
	}
	c.requests.remove(id)
	c.free = append(c.free, r)
	switch {
	case c.keep == 0:
		return
	case len(c.past) < c.keep:
		c.past = append(c.past, id)
	default:
		delete(c.gone, c.past[c.oldest])
		c.past[c.oldest] = id
		c.oldest = (c.oldest + 1) % c.keep
	}
	c.gone[id] = struct{}{}
}

// container returns the number of the container with that id, if the platform has it.
func (c *Control) container(id uint64) (decide.ContainerID, bool) {
	n, ok := c.boxes.get(id)
	if !ok {
		return n, false
	}
	switch c.s.view.Status(n) {
	case decide.Gone, decide.Pending: // what had the number is gone, nobody was told of what has it
		return n, false
	}
	return n, true
}

// name gives the container with number n its id.
func (c *Control) name(n decide.ContainerID, id uint64) {
	if old := c.boxes.id(n); old != 0 {
		c.former[n] = old
		c.boxes.remove(old)
	}
	c.boxes.put(id, n)
}

// order appends d.
func (c *Control) order(d *decide.Decision) {
	o := Order{Kind: d.Kind, Share: d.Share, Cause: d.Cause}
	switch {
	case d.Cause == decide.Evicted:
		o.For = c.functions.id(d.For)
	case d.Kind == decide.Run:
		_, arrival := c.s.view.Request(d.Request)
		o.Waited = (c.s.view.Now() - arrival).Duration()
	}
	if d.Invoker != decide.None {
		o.Invoker = c.invokers.id(d.Invoker)
	}
	if d.Kind == decide.Downgrade {
		o.Layer = c.s.view.LayerNumber(d.Function)
	} else if d.Function != decide.None {
		o.Function = c.functions.id(d.Function)
	}
	if d.Request != decide.None {
		o.Request = c.requests.id(d.Request)
	}
	switch n := d.Container; {
	case n == decide.None:
	case d.Kind == decide.Create:
		o.Container = c.next
		c.name(n, c.next)
		c.next++
	case d.Kind == decide.Drop || d.Kind == decide.Report: // in a container that is gone
		if o.Container = c.former[n]; o.Container == 0 {
			o.Container = c.boxes.id(n)
		}
	default:
		o.Container = c.boxes.id(n)
		if d.Cause == decide.StartLate {
			c.ended[o.Container] = true
		}
	}
	c.out = append(c.out, o)
	if d.Request != decide.None && (d.Kind == decide.Drop || d.Kind == decide.Report || d.Kind == decide.Stop) {
		c.finish(d.Request)
	}
}

// impossible says in the ids of the platform why ev cannot have happened.
func (c *Control) impossible(ev *Event, format string, args ...any) error {
	return fmt.Errorf("scheduler: %w: %v at %v: %s", ErrImpossible, ev.Kind, ev.At.UTC().Format(time.RFC3339Nano), fmt.Sprintf(format, args...))
}

// outside is err, of the event that ev is inside, in the ids of the platform.
func (c *Control) outside(ev *Event, err error) error {
	var e *impossibleEvent
	if !errors.As(err, &e) {
		return err
	}
	switch ev.Kind {
	case decide.Ready, decide.Completion, decide.Ended, decide.Failed:
		return c.impossible(ev, "container %d: %s", ev.Container, e.why)
	case decide.Drained, decide.Lost:
		return c.impossible(ev, "invoker %d: %s", ev.Invoker, e.why)
	}
	return c.impossible(ev, "%s", e.why)
}
