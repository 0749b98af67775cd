package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// SCLOptions are the parameters of [SCL].
type SCLOptions struct {
	// Window over which the shares hold, > 0. Default 60 s.
	Window decide.Time
	// ByApp: tenants are applications; else they are owners, the default.
	ByApp bool
	// CPUShare limits what executes at once on an invoker to this multiple of its cores,
	// >= 0; 0 is no limit. Default 1.
	CPUShare float64
}

// DefaultSCLOptions returns the defaults.
func DefaultSCLOptions() SCLOptions { return SCLOptions{Window: 60 * decide.Second, CPUShare: 1} }

// SCL is fairness between tenants in the spirit of scheduler-cooperative locks (Patel et
// al., "Avoiding Scheduler Subversion using Scheduler-Cooperative Locks", EuroSys 2020):
// not the number of times that somebody gets what all want counts, but for how
// long, and the opportunity is proportional to shares. There it is a lock, here the CPU of
// the platform. Every tenant has tokens for its share of the CPU of a window, all
// shares being equal; what its requests execute, in core seconds, is taken off. The waiting
// request of the tenant that has used the least starts next, and while some tenant that
// has tokens waits, one without does not start anything, also if that one's request
// would fit and this one's not: else who needs little memory would always be first.
// When nobody with tokens waits, the CPU is anybody's.
//
// A request is charged with its expected execution when it starts, and with the true one,
// instead, when it completes. At the end of a window all is forgotten, so that nobody
// saves tokens up. Containers are kept and placed as under [Native].
//
// It divides CPU only where requests wait for it, so the stack that has it limits what
// executes at once. From the locks it has the accounting; their slices, in which the
// owner alone may take the lock again and again, are not needed where no request
// takes anything twice.
func SCL(profiles []decide.Profile, invokers []decide.InvokerSpec, o SCLOptions) Stack {
	p := &scl{window: o.Window, byApp: o.ByApp}
	for f := range profiles {
		p.deployed(decide.FunctionID(f), profiles[f])
	}
	p.machines = machinesOf(invokers)
	return Stack{Dispatcher: p, Pool: &sclPool{LRU{Keep: NativeKeepAlive}, p}, Placer: LeastLoaded{}, CPUShare: o.CPUShare}
}

type scl struct {
	candidates
	byApp  bool
	window decide.Time
	machines
	tenant   []int32 // by function
	accounts []account
	charges  []charge // by request, of those that have started

	number int64 // of the window
	active int   // tenants that asked for something in this window
}

// An account is what a tenant has used in the window.
type account struct {
	used   float64 // core microseconds
	window int64   // in which it asked last, from 1
}

type charge struct {
	expected float64
	window   int64
}

// turn begins the next window where it is time.
func (p *scl) turn(s decide.Snapshot) {
	n := int64(s.Now()/p.window) + 1
	if n == p.number {
		return
	}
	p.number, p.active = n, 0
	for i := range p.accounts {
		p.accounts[i].used = 0
	}
	for _, f := range s.Backlog() {
		p.ask(f)
	}
}

// ask notes that the tenant of f has demand in this window.
func (p *scl) ask(f decide.FunctionID) {
	if a := &p.accounts[p.tenant[f]]; a.window != p.number {
		a.window = p.number
		p.active++
	}
}

func (p *scl) observe(s decide.Snapshot, ev decide.Event) {
	p.turn(s)
	switch ev.Kind {
	case decide.Arrival:
		p.ask(ev.Function)
	case decide.Completion:
		if int(ev.Request) >= len(p.charges) {
			return // it executed before it was known
		}
		c := p.charges[ev.Request]
		p.charges[ev.Request] = charge{}
		took := float64(ev.Took) * s.CPU(ev.Function)
		if c.window == p.number { // else it belongs to a window that is over
			p.accounts[p.tenant[ev.Function]].used += took - c.expected
		}
	}
}

// Next implements decide.Dispatcher.
func (p *scl) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	tokens := p.machines.cores * float64(p.window) / float64(max(1, p.active))
	entitled := false
	for _, f := range s.Backlog() {
		if p.accounts[p.tenant[f]].used < tokens {
			entitled = true
			break
		}
	}
	st, ok := p.best(s, always, func(f decide.FunctionID, _ bool) float64 {
		used := p.accounts[p.tenant[f]].used
		if entitled && used >= tokens {
			return never
		}
		return used
	})
	if ok {
		f, _ := s.Request(st.Request)
		for int(st.Request) >= len(p.charges) {
			p.charges = append(p.charges, charge{})
		}
		expected := float64(s.Execution(f)) * s.CPU(f)
		p.charges[st.Request] = charge{expected, p.number}
		p.accounts[p.tenant[f]].used += expected
	}
	return st, ok
}

// deployed makes f known.
func (p *scl) deployed(f decide.FunctionID, profile decide.Profile) {
	tenant := profile.Owner
	if p.byApp {
		tenant = profile.App
	}
	p.tenant = upTo(p.tenant, f+1, tenant)
	p.accounts = upTo(p.accounts, tenant+1, account{})
}

// Deployed implements decide.Deployer.
func (p *sclPool) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.dispatcher.deployed(f, profile)
}

// Joined implements decide.Joiner.
func (p *sclPool) Joined(s decide.Snapshot, i decide.InvokerID) { p.dispatcher.machines.Joined(s, i) }

// sclPool is native's pool, which shows what it sees to the dispatcher.
type sclPool struct {
	LRU
	dispatcher *scl
}

// Observe implements decide.Pool.
func (p *sclPool) Observe(s decide.Snapshot, ev decide.Event) { p.dispatcher.observe(s, ev) }

var sclRow = row(Row{Name: "scl", Source: "after Patel et al., scheduler-cooperative locks, EuroSys 2020: deficit accounting between tenants", Reconstruction: true}, DefaultSCLOptions(), []field[SCLOptions]{
	timed("window_s", "over which every tenant shall have its share, in seconds", decide.Second, 0.1, 86400, func(o *SCLOptions) *decide.Time { return &o.Window }),
	onOff("by_app", "1: tenants are applications, 0: owners", func(o *SCLOptions) *bool { return &o.ByApp }),
	number("cpu_share", "limit of what executes at once, in multiples of the cores", 0.1, 1000, func(o *SCLOptions) *float64 { return &o.CPUShare }),
}, func(s Site, o SCLOptions) Stack {
	return SCL(s.Profiles, s.Invokers, o)
})
