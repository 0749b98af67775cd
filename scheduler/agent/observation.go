package agent

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Columns of an Observation's candidates. All lie in [0, 1] unless said; f is the
// function, c its initialisation time, d its execution time, n its waiting requests.
const (
	Priority       = iota // Signals.Priority
	QueueLength           // ln(1+n) / 8
	Lateness              // x / (1+x), x = wait of the oldest request / SLO
	Slack                 // 1 - wait of the oldest request / SLO, in [-1, 1]
	Warm                  // 1 if a container is available
	Busy                  // ln(1+executing containers) / 4
	NextFree              // x / (1+x), x = (d / executing containers) / c: the wait for a container that executes against that for a new one; 1 if none executes
	Initialisation        // ln(1+c in ms) / 12
	Execution             // ln(1+d in ms) / 12
	MemoryShare           // memory of a container / the room on the roomiest invoker, at most 1
	CPUShare              // v / (v + free cores on the freest invoker), v = cores that f can use
	Expected              // ln(1+lambda) / 8, lambda = forecast arrivals in this minute
	Offered               // x / (1+x), x = lambda d / 60 s: containers that the forecast keeps busy
	Eviction              // share of a new container's memory that idle containers must give up; 0 if Warm
	StartingUp            // ln(1+containers pending or initialising) / 4
	BatchWeight           // ln(1+((1-Warm) c + n d) / n in ms) / 12 (ESFF, arXiv 2310.16475)
	Worth                 // ln(1+1e6 priority / w) / 14, w = ((1-Warm) c + n d) / n in ms: weighted shortest processing time
	Density               // x / (1+x), x = priority / (memory / memory of all + cores / cores of all)

	Features // number of columns
)

// Columns of an Observation's global features, in [0, 1] unless said.
const (
	FreeMemory   = iota // unclaimed memory / memory of all invokers
	IdleMemory          // memory of idle containers / memory of all invokers
	CPULoad             // x / (1+x), x = cores that executions can use / cores
	Waiting             // ln(1+waiting requests) / 8
	Backlogged          // ln(1+functions with waiting requests) / 8
	Startable           // share of those functions that can start
	Executing           // ln(1+executing requests) / 8
	Initialising        // ln(1+containers initialising) / 4
	Urgent              // share of backlogged functions with 0 <= slack <= 0.2 SLO
	Late                // share of backlogged functions past the SLO
	MeanPriority        // of the waiting requests
	MinutePhase         // position within the minute of the forecast, [0, 1)

	Globals // number of columns
)

// urgentShare of the SLO is the slack below which a request is urgent
// (docs/models.md, decision 37).
const urgentShare = 0.2

// CandidateColumns returns the names of the candidate columns, in order.
func CandidateColumns() []string {
	return []string{
		"priority", "queue_length", "lateness", "slack", "warm", "busy", "next_free", "initialisation", "execution",
		"memory_share", "cpu_share", "expected", "offered", "eviction", "starting_up", "batch_weight", "worth", "density",
	}
}

// GlobalColumns returns the names of the global columns, in order.
func GlobalColumns() []string {
	return []string{
		"free_memory", "idle_memory", "cpu_load", "waiting", "backlogged", "startable", "executing", "initialising",
		"urgent", "late", "mean_priority", "minute_phase",
	}
}

// An Observation is what the agent sees at a decision. Rows from N on are zero.
//
// Of the 2K+1 actions, 2i starts the oldest request of candidate i in an available
// container (warm), 2i+1 starts it in a new one (cold), and 2K defers: nothing more
// starts until the next event.
type Observation struct {
	K, N       int                 // rows, and how many hold a candidate
	Candidates []float32           // (K, Features)
	Global     []float32           // (Globals)
	Mask       []float32           // (K): 1/N in the first N rows, else 0
	Functions  []decide.FunctionID // (K): None from row N on
	Legal      []bool              // (2K+1)
}

// NewObservation returns an empty observation of k candidates.
func NewObservation(k int) *Observation {
	return &Observation{
		K: k, Candidates: make([]float32, k*Features), Global: make([]float32, Globals),
		Mask: make([]float32, k), Functions: make([]decide.FunctionID, k), Legal: make([]bool, 2*k+1),
	}
}

// Defer is the action that starts nothing more.
func (o *Observation) Defer() int { return 2 * o.K }

// Options of an Encoder.
type Options struct {
	// Candidates is K, the functions that are compared at once, [1, 256]. Default 16.
	Candidates int `json:"candidates"`
	// SLO is the dispatch wait that a request should not exceed, > 0, at most a day. Default 500 ms
	// (docs/models.md, decision 35).
	SLO decide.Time `json:"slo_us"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Candidates: 16, SLO: 500 * decide.Millisecond} }

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "agent"}
	out.That(o.Candidates >= 1 && o.Candidates <= maxCandidates, "candidates", "must be in [1, %d], got %d", maxCandidates, o.Candidates)
	out.That(o.SLO > 0 && o.SLO <= day, "slo_us", "must be in (0, %d], got %d", day, o.SLO)
	return out.Err()
}

// An Encoder makes observations. It reuses its buffers and is not safe for concurrent use.
type Encoder struct {
	options Options
	signals decide.Signals
	entries []entry   // of the functions that can start
	top     [5]ranked // by density, slack, batch weight, age, worth
}

// An entry is a backlogged function that can start.
type entry struct {
	f       decide.FunctionID
	warm    bool
	cold    bool
	taken   bool
	n       int
	p       float64
	wait    decide.Time
	batch   float64 // ms
	worth   float64 // 1/ms
	density float64
}

// NewEncoder returns an encoder of what signals and the snapshots tell.
func NewEncoder(signals decide.Signals, o Options) (*Encoder, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	e := &Encoder{options: o, signals: signals}
	k := o.Candidates
	// Shares of the places: density, slack, batch weight and age have 12 : 8 : 8 : 4 of
	// 32; worth fills what the lists have in common.
	for i, share := range [5]int{12, 8, 8, 4, 32} {
		e.top[i] = ranked{items: make([]ranking, 0, max(k*share/32, 1))}
	}
	return e, nil
}

// Encode fills o, which must have K = Options.Candidates, and returns the number of
// starts that are legal.
//
// Deferring is waiting for a container (Incendio, Section VI-C: new or wait), so it is
// legal where each candidate has one to wait for, that executes or starts, and none can
// start warm. To hold back what could start now for no such reason gains next to
// nothing, and an agent that errs there lets a cluster idle: training on free deferral
// was tried, and now and then left requests waiting for their time-out. Nor is it legal if
// nothing executes, starts or terminates: no event might follow. Where nothing can start
// it is the only action.
//
// The candidates are the union of the best functions by density, by least slack of those
// that are not late, by least batch weight and by age, of those that can start; the
// places that are left go to the best by worth. Equal ones are in order of FunctionID.
func (e *Encoder) Encode(s decide.Snapshot, o *Observation) int {
	if o.K != e.options.Candidates {
		panic(fmt.Sprintf("agent: observation of %d candidates, encoder of %d", o.K, e.options.Candidates))
	}
	clear(o.Candidates)
	clear(o.Mask)
	clear(o.Legal)
	o.N = 0
	for i := range o.Functions {
		o.Functions[i] = decide.None
	}
	c := survey(s)
	e.scan(s, &c, o.Global)
	e.choose(o)
	legal, patient := 0, true
	for i := range o.N {
		x := &e.entries[o.Functions[i]] // an index until here
		e.row(s, &c, x, o.Candidates[i*Features:(i+1)*Features])
		o.Functions[i] = x.f
		o.Mask[i] = 1 / float32(o.N)
		o.Legal[2*i], o.Legal[2*i+1] = x.warm, x.cold
		if x.warm {
			legal++
		}
		if x.cold {
			legal++
		}
		patient = patient && !x.warm && s.Live(x.f) > 0
	}
	o.Legal[o.Defer()] = legal == 0 || patient && c.inFlight
	return legal
}

// A cluster is the invokers taken together.
type cluster struct {
	memory, unclaimed, idle int64
	cores, busy             float64
	executing, starting     int
	room                    int64   // on the roomiest invoker, evictions included
	unclaimedMax            int64   // on the emptiest invoker
	freeCPU                 float64 // on the freest invoker
	inFlight                bool    // something executes, starts or terminates
}

func survey(s decide.Snapshot) cluster {
	var c cluster
	for i := range decide.InvokerID(s.Invokers()) {
		spec, unclaimed, idle, cpu := s.InvokerSpec(i), s.Unclaimed(i), s.IdleMemory(i), s.BusyCPU(i)
		c.memory += spec.Memory
		c.cores += spec.Cores
		c.unclaimed += unclaimed
		c.idle += idle
		c.busy += cpu
		c.executing += s.Executing(i)
		c.starting += s.Starting(i)
		if i == 0 {
			c.room, c.unclaimedMax = unclaimed+idle, unclaimed
		}
		c.room = max(c.room, unclaimed+idle)
		c.unclaimedMax = max(c.unclaimedMax, unclaimed)
		c.freeCPU = max(c.freeCPU, spec.Cores-cpu)
		// Memory is used by what is idle, or something is happening to it.
		if s.UsedMemory(i) != idle || unclaimed+idle != spec.Memory {
			c.inFlight = true
		}
	}
	return c
}

// scan visits the backlog: it ranks what can start and fills the global features.
func (e *Encoder) scan(s decide.Snapshot, c *cluster, global []float32) {
	e.entries = e.entries[:0]
	for i := range e.top {
		e.top[i].items = e.top[i].items[:0]
	}
	now, slo := s.Now(), e.options.SLO
	backlog := s.Backlog()
	var urgent, late, requests int
	var priority float64
	for _, f := range backlog {
		n := s.Waiting(f)
		p := e.signals.Priority(s, f)
		_, arrival := s.Request(s.Oldest(f))
		wait := now - arrival
		switch {
		case wait > slo:
			late++
		case float64(slo-wait) <= urgentShare*float64(slo):
			urgent++
		}
		requests += n
		priority += p * float64(n)

		warm := s.Available(f) != decide.None
		// What has a container with room for the request, but no CPU, waits for that.
		cold := s.FirstWarm(f) == decide.None && s.Memory(f) <= c.room && s.AnyRoom(f)
		if !warm && !cold {
			continue
		}
		x := entry{f: f, warm: warm, cold: cold, n: n, p: p, wait: wait}
		d := s.Execution(f).Seconds()
		x.batch = d
		if !warm {
			x.batch += s.Initialise(f).Seconds() / float64(n)
		}
		x.batch *= 1e3
		x.worth = p / max(x.batch, 1e-3)
		x.density = p / (float64(s.Memory(f))/float64(c.memory) + s.CPU(f)/c.cores)
		at := len(e.entries)
		e.entries = append(e.entries, x)
		e.top[0].offer(ranking{x.density, f, at})
		// With one SLO for all, least slack would be age: what is late already has lost
		// its urgency (docs/models.md, decision 37), and age takes care of it.
		if wait <= slo {
			e.top[1].offer(ranking{float64(wait), f, at})
		}
		e.top[2].offer(ranking{-x.batch, f, at})
		e.top[3].offer(ranking{float64(wait), f, at})
		e.top[4].offer(ranking{x.worth, f, at})
	}
	memory, functions := float64(c.memory), float64(max(len(backlog), 1))
	global[FreeMemory] = float32(float64(c.unclaimed) / memory)
	global[IdleMemory] = float32(float64(c.idle) / memory)
	global[CPULoad] = squash(c.busy / c.cores)
	global[Waiting] = logCount(requests, 8)
	global[Backlogged] = logCount(len(backlog), 8)
	global[Startable] = float32(float64(len(e.entries)) / functions)
	global[Executing] = logCount(c.executing, 8)
	global[Initialising] = logCount(c.starting, 4)
	global[Urgent] = float32(float64(urgent) / functions)
	global[Late] = float32(float64(late) / functions)
	global[MeanPriority] = float32(priority / float64(max(requests, 1)))
	global[MinutePhase] = float32(float64(now%decide.Minute) / float64(decide.Minute))
}

// choose puts the candidates' indices into o.Functions and their number into o.N.
func (e *Encoder) choose(o *Observation) {
	take := func(at int) {
		if x := &e.entries[at]; !x.taken && o.N < o.K {
			x.taken = true
			o.Functions[o.N] = decide.FunctionID(at)
			o.N++
		}
	}
	for i := range e.top {
		for _, r := range e.top[i].items {
			take(r.at)
		}
	}
}

// row fills the features of one candidate.
func (e *Encoder) row(s decide.Snapshot, c *cluster, x *entry, row []float32) {
	f := x.f
	init, exec := s.Initialise(f).Seconds(), s.Execution(f).Seconds()
	memory, cpu := float64(s.Memory(f)), s.CPU(f)
	slo := e.options.SLO.Seconds()
	late := x.wait.Seconds() / slo
	busy := s.BusyCount(f)
	expected := e.signals.Expected(f)

	row[Priority] = float32(x.p)
	row[QueueLength] = logCount(x.n, 8)
	row[Lateness] = squash(late)
	row[Slack] = float32(max(1-late, -1))
	row[Busy] = logCount(busy, 4)
	row[NextFree] = 1
	if busy > 0 && exec > 0 {
		row[NextFree] = squash(exec / float64(busy) / max(init, 1e-6))
	} else if busy > 0 {
		row[NextFree] = 0
	}
	row[Initialisation] = logMillis(init * 1e3)
	row[Execution] = logMillis(exec * 1e3)
	row[MemoryShare] = 1
	if m := float64(c.room); m > memory {
		row[MemoryShare] = float32(memory / m)
	}
	row[CPUShare] = float32(cpu / (cpu + c.freeCPU))
	row[Expected] = float32(math.Min(math.Log1p(expected)/8, 1))
	row[Offered] = squash(expected * exec / 60)
	if x.warm {
		row[Warm] = 1
	} else {
		row[Eviction] = float32(min(max(memory-float64(c.unclaimedMax), 0)/memory, 1))
	}
	row[StartingUp] = logCount(s.StartingCount(f), 4)
	row[BatchWeight] = logMillis(x.batch)
	row[Worth] = float32(min(math.Log1p(1e6*x.worth)/14, 1))
	row[Density] = squash(x.density)
}

func squash(x float64) float32 { return float32(x / (1 + x)) }

func logCount(n int, scale float64) float32 { return float32(min(math.Log1p(float64(n))/scale, 1)) }

func logMillis(ms float64) float32 { return float32(min(math.Log1p(ms)/12, 1)) }

// A ranking is a function with the key that it is ranked by.
type ranking struct {
	key float64
	f   decide.FunctionID
	at  int
}

// ranked holds the items with the largest keys, largest first, as many as it has room for.
type ranked struct {
	items []ranking
}

func (r *ranked) offer(x ranking) {
	i := len(r.items)
	if i == cap(r.items) {
		if !above(x, r.items[i-1]) {
			return
		}
		i--
	} else {
		r.items = r.items[:i+1]
	}
	for ; i > 0 && above(x, r.items[i-1]); i-- {
		r.items[i] = r.items[i-1]
	}
	r.items[i] = x
}

func above(a, b ranking) bool { return a.key > b.key || a.key == b.key && a.f < b.f }
