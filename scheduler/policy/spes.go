package policy

import (
	"slices"

	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// SPESOptions are the parameters of [SPES], all in minutes.
type SPESOptions struct {
	Prewarm int // before a predicted invocation that a container is prewarmed, >= 0
	GiveUp  int // without an invocation after which most functions are let go, >= 1
	Dense   int // the same of dense functions, and the bound that makes one dense, >= 1
	Pulsed  int // the same of pulsed functions, >= 1
}

// DefaultSPESOptions are those of the authors' code: 2, 1, 5 and 3.
func DefaultSPESOptions() SPESOptions { return SPESOptions{Prewarm: 2, GiveUp: 1, Dense: 5, Pulsed: 3} }

const (
	spesPeriod = decide.Minute
	spesWaits  = 64   // waiting times that a function is judged by; ours
	spesFew    = 3    // waiting times, or runs, that say nothing yet
	spesModes  = 3    // most frequent waiting times that appro-regular functions have
	spesCover  = 0.9  // of all waiting times that those must be
	spesIdle   = 1e-3 // share of minutes without an invocation below which a function is always warm
	spesCV     = 0.01 // coefficient of variation of regular waiting times
	spesRun    = 10   // minutes that each run of a successive function has at least
	spesCalls  = 11   // or the invocations
	spesLag    = 10   // minutes after another function's in which a correlated one's run begins, at most
	spesCorr   = 0.5  // share of the runs of both that do; ours
	spesPeers  = 16   // functions of an application among which correlation is looked for, at most; ours
)

// SPES is the differentiated scheduler of Lee et al., "SPES: Towards Optimizing
// Performance-Resource Trade-Off for Serverless Functions" (ICDE 2024), after parts of the authors'
// code. It tells functions apart by their waiting times, the numbers of minutes without
// an invocation between two runs of minutes that have one, and gives each type its own rule; the first
// type that fits is taken:
//
//	always warm    fewer than 0.1 % idle minutes                      kept
//	regular        P95 - P5 < 1 minute, or a CV of at most 0.01        prewarmed at the median
//	appro-regular  the three most frequent ones are 90 % of all        prewarmed at each of those
//	dense          P90 below 5 minutes                                 kept for 5
//	successive     all runs have 10 minutes or 11 invocations          kept for 1
//	correlated     runs begin at one lag of 1 to 10 minutes after      prewarmed at that lag
//	               those of another function of the application
//	pulsed         others, most waits are 3 minutes at most            kept for 3
//	possible       others, most waits are values that repeat           prewarmed at each of those
//	unknown                                                            kept for 1
//
// A prewarmed container is there from two minutes before the predicted one until a minute
// after it; every function is kept for the give-up time of its type after an invocation, 1
// minute if the table does not say otherwise. A type is judged anew when a run begins.
//
// This is a reconstruction in these things. SPES classifies offline, on twelve days, and forgets the
// oldest days where a function fits no type; here a function begins unknown, and the
// last 64 waiting times count. It decides between the last four types by trying them on a
// validation part; here it is by the share of waiting times that a rule covers. It
// predicts functions, not containers: here a function gets as many as it used at once in its
// last minute with an invocation. Waiting times are not merged across stray invocations.
//
// Requests start under [FCFS]; for one that finds no room, and not for a prewarm, the least
// recently used container ends.
func SPES(profiles []decide.Profile, o SPESOptions) Stack {
	p := &spes{
		LRU: LRU{Keep: decide.Forever}, periods: newPeriods(spesPeriod, len(profiles)), opts: o,
		functions: make([]spesFunction, len(profiles)),
	}
	p.members = make(map[int32][]decide.FunctionID)
	for f := range profiles {
		p.members[profiles[f].App] = append(p.members[profiles[f].App], decide.FunctionID(f))
	}
	for f := range profiles {
		if m := p.members[profiles[f].App]; len(m) > 1 && len(m) <= spesPeers {
			p.functions[f].peers = m
		}
	}
	return Stack{Dispatcher: FCFS{}, Pool: p, Placer: LeastLoaded{}}
}

// spes is the pool of [SPES].
type spes struct {
	LRU
	periods
	fleet
	opts      SPESOptions
	functions []spesFunction
	members   map[int32][]decide.FunctionID // of applications
	begun     []decide.FunctionID           // whose runs began in the minute that ends
}

// spesFunction is what is known of a function. Minutes are those of the clock.
type spesFunction struct {
	spesSeries
	spesRule
	peers  []decide.FunctionID // of its application, itself among them; nil: none are looked at
	after  [][spesLag + 1]int  // runs that began so many minutes after one of that peer
	expect int                 // minute in which its partner says that a run begins
	peak   int                 // requests at once in the last minute with an invocation
}

// Deployed implements decide.Deployer. A function that comes later is a peer of those of its
// application, as long as these are few.
func (p *spes) Deployed(s decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.periods.Deployed(s, f, profile)
	if int(f) < len(p.functions) {
		return // it has changed
	}
	p.functions = upTo(p.functions, f+1, spesFunction{})
	m := append(slices.Clone(p.members[profile.App]), f)
	p.members[profile.App] = m
	if len(m) < 2 || len(m) > spesPeers {
		return
	}
	for _, id := range m {
		x := &p.functions[id]
		if x.peers = m; x.after != nil {
			x.after = append(x.after, [spesLag + 1]int{})
		}
	}
}

// Wake implements decide.Pool.
func (p *spes) Wake() decide.Time { return p.periods.Wake() }

// Adjust implements decide.Pool.
func (p *spes) Adjust(s decide.Snapshot) (decide.Adjustment, bool) { return p.fleet.Adjust(s) }

// Evict implements decide.Pool.
func (p *spes) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	if prewarm {
		return decide.None, false
	}
	return p.LRU.Evict(s, i, f, prewarm)
}

// Observe implements decide.Pool.
func (p *spes) Observe(s decide.Snapshot, ev decide.Event) {
	if !p.see(s, ev) {
		return
	}
	minute := int(ev.At / spesPeriod) // that begins now
	p.begun = p.begun[:0]
	for _, id := range p.active {
		f := &p.functions[id]
		_, peak, arrivals := p.take(s, id)
		if arrivals > 0 {
			f.peak = peak
		}
		if f.minute(minute-1, arrivals) {
			p.begun = append(p.begun, id)
		} else if f.kind == spesWarm && arrivals == 0 {
			p.judge(f)
		}
	}
	for _, id := range p.begun {
		p.follow(id)
		p.judge(&p.functions[id])
	}
	p.announce()
	p.done(func(id decide.FunctionID) bool {
		f := &p.functions[id]
		n := 0
		if f.wanted(minute, &p.opts) {
			n = max(1, f.peak)
		}
		p.want(s, id, n)
		return n == 0 && s.Live(id) == 0 && !f.ahead(minute, &p.opts)
	})
	p.settle(s)
}

// judge finds the type of f.
func (p *spes) judge(f *spesFunction) {
	f.spesRule = f.classify(&p.opts)
	if f.kind > spesCorrelated {
		if peer, lag, ok := f.leader(p.functions); ok {
			f.spesRule = spesRule{kind: spesCorrelated, partner: peer, lag: lag}
		}
	}
}

// follow counts for how long the runs of id's peers had begun when its own did.
func (p *spes) follow(id decide.FunctionID) {
	f := &p.functions[id]
	if f.peers != nil && f.after == nil {
		f.after = make([][spesLag + 1]int, len(f.peers))
	}
	for k, peer := range f.peers {
		g := &p.functions[peer]
		if lag := f.began - g.began; peer != id && g.runs > 0 && lag >= 1 && lag <= spesLag {
			f.after[k][lag]++
		}
	}
}

// leader is the peer whose runs the runs of f follow, at which lag, if there is one: where
// several are, the one that is followed most often.
func (f *spesFunction) leader(all []spesFunction) (peer decide.FunctionID, lag int, ok bool) {
	most := spesFew
	for k := range f.after {
		g := &all[f.peers[k]]
		for l, n := range f.after[k] {
			if n > most && float64(n) >= spesCorr*float64(max(f.runs, g.runs)) {
				most, peer, lag, ok = n, f.peers[k], l, true
			}
		}
	}
	return peer, lag, ok
}

// announce tells the functions that follow those whose runs have begun.
func (p *spes) announce() {
	for _, id := range p.begun {
		for _, peer := range p.functions[id].peers {
			if f := &p.functions[peer]; f.kind == spesCorrelated && f.partner == id {
				f.expect = p.functions[id].began + f.lag
				p.stir(peer)
			}
		}
	}
}

// wanted reports whether f shall have containers in the minute t.
func (f *spesFunction) wanted(t int, o *SPESOptions) bool {
	give := o.GiveUp
	switch f.kind {
	case spesWarm:
		return true
	case spesDense:
		give = o.Dense
	case spesPulsed:
		give = o.Pulsed
	case spesCorrelated:
		if f.expect-o.Prewarm <= t && t <= f.expect+o.GiveUp {
			return true
		}
	}
	if t-f.last <= give {
		return true
	}
	for _, w := range f.waits {
		if at := f.last + 1 + w; at-o.Prewarm <= t && t <= at+o.GiveUp {
			return true
		}
	}
	return false
}

// ahead reports whether f may be wanted after the minute t though no invocation comes.
func (f *spesFunction) ahead(t int, o *SPESOptions) bool {
	if f.kind == spesCorrelated && t < f.expect+o.GiveUp {
		return true
	}
	for _, w := range f.waits {
		if t < f.last+1+w+o.GiveUp {
			return true
		}
	}
	return t-f.last < max(o.GiveUp, o.Dense, o.Pulsed)
}

// A spesKind is a type of functions, in the order in which they are tried.
type spesKind uint8

const (
	spesWarm spesKind = iota + 1
	spesRegular
	spesApproximate
	spesDense
	spesSuccessive
	spesCorrelated
	spesPulsed
	spesPossible
	spesUnknown
)

// A spesRule says when containers of a function are wanted.
type spesRule struct {
	kind    spesKind
	waits   []int // predicted minutes without an invocation
	partner decide.FunctionID
	lag     int
}

// spesSeries is the series of minutes with an invocation.
type spesSeries struct {
	waiting     []int // the last waiting times, a ring
	waited      int   // of them
	first, last int   // minutes with an invocation
	now         int   // the last minute that was looked at
	began       int   // minute in which the run began
	runs        int
	minutes     int // with an invocation
	calls       int // of the run
	shortest    int // minutes of a run that is over
	fewest      int // and invocations
}

// minute takes in a minute and its invocations, and reports whether a run began.
func (f *spesSeries) minute(m, arrivals int) bool {
	f.now = m
	if arrivals == 0 {
		return false
	}
	begins := f.runs == 0 || m > f.last+1
	if begins {
		if f.runs == 0 {
			f.first, f.shortest, f.fewest = m, math.MaxInt, math.MaxInt
		} else {
			if f.waiting == nil {
				f.waiting = make([]int, spesWaits)
			}
			f.waiting[f.waited%spesWaits] = m - f.last - 1
			f.waited++
			f.shortest, f.fewest = min(f.shortest, f.last-f.began+1), min(f.fewest, f.calls)
		}
		f.began, f.calls = m, 0
		f.runs++
	}
	f.last = m
	f.calls += arrivals
	f.minutes++
	return begins
}

var spesRow = row(Row{Name: "spes", Source: "Lee et al., SPES, ICDE 2024: functions by types of their waiting times, each with its rule", Reconstruction: true}, DefaultSPESOptions(), []field[SPESOptions]{
	whole("prewarm_min", "minutes before a predicted invocation that a container is prewarmed", 0, 60, func(o *SPESOptions) *int { return &o.Prewarm }),
	whole("give_up_min", "minutes without an invocation after which most functions are let go", 1, 60, func(o *SPESOptions) *int { return &o.GiveUp }),
	whole("dense_min", "the same of dense functions, and the bound that makes one dense", 1, 60, func(o *SPESOptions) *int { return &o.Dense }),
	whole("pulsed_min", "the same of pulsed functions", 1, 60, func(o *SPESOptions) *int { return &o.Pulsed }),
}, func(s Site, o SPESOptions) Stack {
	return SPES(s.Profiles, o)
})
