package sim

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Faults are what fails in a simulation. The zero value lets nothing fail.
//
// A request whose container fails is tried again as often as scheduler.Options.Retries says; one
// that is given up counts as dropped. The draws of a request are functions of (seed, request,
// attempt), so that every policy meets the same; those of invokers are functions of (seed, invoker).
type Faults struct {
	// Crash is the probability that an execution ends with a crash of its container, after a
	// part of its work that is drawn uniformly. In [0, 1].
	Crash float64 `json:"crash"`
	// Start is the probability that a container is not there when it should have initialised.
	// In [0, 1].
	Start float64 `json:"start"`
	// Invoker is how often an invoker is lost in an hour, in the mean of an exponential
	// distribution, >= 0. All that lives there is gone, and a minute later it is back, empty.
	Invoker float64 `json:"invoker"`
}

// invokerDown is how long a lost invoker is away.
const invokerDown = decide.Minute

// any reports whether something fails.
func (f Faults) any() bool { return f != Faults{} }

// Validate reports all rates that are out of range.
func (f Faults) Validate() error {
	var errs []error
	for _, r := range []struct {
		name string
		v    float64
	}{{"crash", f.Crash}, {"start", f.Start}} {
		if !(r.v >= 0 && r.v <= 1) {
			errs = append(errs, fmt.Errorf("sim: faults %s must be a probability in [0, 1], got %g", r.name, r.v))
		}
	}
	if !(f.Invoker >= 0 && f.Invoker <= 60) {
		errs = append(errs, fmt.Errorf("sim: faults invoker must be a rate per hour in [0, 60], got %g", f.Invoker))
	}
	return errors.Join(errs...)
}

// ParseFaults reads "crash=0.01,start=0.02,invoker=0.1", any of them.
func ParseFaults(text string) (Faults, error) {
	var f Faults
	seen := map[string]bool{}
	for _, item := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(item, "=")
		to := map[string]*float64{"crash": &f.Crash, "start": &f.Start, "invoker": &f.Invoker}[name]
		v, err := strconv.ParseFloat(value, 64)
		if to == nil || err != nil || seen[name] {
			return f, fmt.Errorf("sim: faults %q: must be crash=RATE, start=RATE and invoker=RATE, each once at most, got %q", text, item)
		}
		*to, seen[name] = v, true
	}
	return f, f.Validate()
}

// FaultFigures are what failed in a run and what it cost, the warm-up included.
type FaultFigures struct {
	Crashes      int64 `json:"crashes"`       // of containers that executed
	FailedStarts int64 `json:"failed_starts"` // of containers
	LostInvokers int64 `json:"lost_invokers"`
	Retried      int64 `json:"retried"`  // executions and starts for a request that were tried again
	GivenUp      int64 `json:"given_up"` // requests out of retries or of time, which count as dropped
}

// faults inject what fails into a machine.
type faults struct {
	Faults
	crash, start, prewarm, part, loss uint64   // keys of the draws
	runs, starts                      []uint32 // attempts by RequestID
	prewarms                          uint64
	next                              []decide.Time // by invoker: when it is lost, or back
	away                              []bool
	drawn                             []uint64 // by invoker
	figures                           FaultFigures
}

func newFaults(f Faults, rnd uint64, invokers int, now decide.Time) *faults {
	x := &faults{
		Faults: f, crash: seed.Key(rnd, "crash"), part: seed.Key(rnd, "crash part"), start: seed.Key(rnd, "failed start"),
		prewarm: seed.Key(rnd, "failed prewarm"), loss: seed.Key(rnd, "lost invoker"),
		next: make([]decide.Time, invokers), away: make([]bool, invokers), drawn: make([]uint64, invokers),
	}
	for i := range x.next {
		x.next[i] = now + x.gap(i)
	}
	return x
}

// gap is the time to the next loss of invoker i.
func (x *faults) gap(i int) decide.Time {
	if x.Invoker == 0 {
		return decide.Latest
	}
	u := seed.Uniform(x.loss, uint64(i)<<32|x.drawn[i])
	x.drawn[i]++
	return 1 + decide.Time(-math.Log1p(-u)/x.Invoker*60*float64(decide.Minute))
}

// at is when the next invoker is lost or back.
func (x *faults) at() decide.Time {
	if x == nil {
		return decide.Forever
	}
	at := decide.Forever
	for _, t := range x.next {
		at = min(at, t)
	}
	return at
}

// attempt numbers the attempts of the request with that number in the workload.
func attempt(of *[]uint32, id decide.RequestID, number uint64) uint64 {
	for int(id) >= len(*of) {
		*of = append(*of, 0)
	}
	(*of)[id]++
	return number<<8 | uint64((*of)[id]&0xff)
}

// arrived forgets the attempts of the former request of that number.
func (x *faults) arrived(id decide.RequestID) {
	for _, of := range [][]uint32{x.runs, x.starts} {
		if int(id) < len(of) {
			of[id] = 0
		}
	}
}

// fault lets the next invoker be lost or come back.
func (m *machine) fault() error {
	x := m.faults
	at, i := x.at(), 0
	for x.next[i] != at {
		i++
	}
	m.clock(at)
	id := decide.InvokerID(i)
	ev := decide.Event{At: at, Kind: decide.Returned, Function: decide.None, Request: decide.None, Container: decide.None, Invoker: id}
	if x.away[i] {
		x.away[i], x.next[i] = false, at+x.gap(i)
		return m.handle(ev)
	}
	x.away[i], x.next[i] = true, at+invokerDown
	x.figures.LostInvokers++
	for c := range m.containers {
		if box := &m.containers[c]; box.stage != absent && box.invoker == id {
			m.gone(decide.ContainerID(c))
		}
	}
	inv := &m.invokers[i]
	inv.ps = ps{cores: inv.ps.cores, rate: workUnit}
	inv.other = m.processor(i)
	m.finish.set(id, decide.Forever)
	ev.Kind = decide.Lost
	return m.handle(ev)
}

// gone takes container c away. What it was to execute, or executed, waits until the scheduler
// says what becomes of it.
func (m *machine) gone(c decide.ContainerID) {
	box := &m.containers[c]
	inv := &m.invokers[box.invoker]
	if box.stage == initialising {
		inv.starting--
	}
	if box.stage == busy {
		m.tally.working -= box.memory
	}
	if box.stage == busy || box.stage == initialising && box.request != decide.None {
		for id := range m.jobs {
			j := &m.jobs[id]
			if j.stage == busy && j.container == c || j.stage == ordered && decide.RequestID(id) == box.request {
				j.stage = waiting
				m.tally.waiting++
				m.faults.figures.Retried++ // unless it is given up
			}
		}
	}
	box.stage = absent
	inv.memory -= box.memory
	m.tally.live -= box.memory
}

// crashed ends the container of the job id, which executed it alone.
func (m *machine) crashed(c decide.ContainerID, at decide.Time) error {
	m.clock(at)
	m.faults.figures.Crashes++
	m.gone(c)
	return m.handle(decide.Event{At: at, Kind: decide.Failed, Function: decide.None, Request: decide.None, Container: c})
}

// stillborn tells whether a container that is created now fails to start.
func (x *faults) stillborn(id decide.RequestID, number uint64) bool {
	if x.Start == 0 {
		return false
	}
	if id == decide.None {
		x.prewarms++
		return seed.Uniform(x.prewarm, x.prewarms) < x.Start
	}
	return seed.Uniform(x.start, attempt(&x.starts, id, number)) < x.Start
}

// abort is the part of its work after which the execution of a request crashes; false if it
// does not.
func (x *faults) abort(id decide.RequestID, number uint64) (float64, bool) {
	if x.Crash == 0 {
		return 0, false
	}
	n := attempt(&x.runs, id, number)
	return seed.Uniform(x.part, n), seed.Uniform(x.crash, n) < x.Crash
}
