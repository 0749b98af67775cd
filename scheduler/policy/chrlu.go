package policy

import (
	"cmp"
	"iter"
	"slices"
	"sort"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// CHRLUOptions are the parameters of [CHRLU].
type CHRLUOptions struct {
	Keep    decide.Time // that idle containers are kept, >= 0
	Bound   float64     // load per core up to which an invoker takes requests, > 0
	Popular float64     // share of the functions that count as popular, in [0, 1]
	VNodes  int         // points of an invoker on the ring, >= 1
}

// DefaultCHRLUOptions are three points on the ring as in the authors' code, and a bound of
// 1.2 for the most popular tenth of the functions, which that code has no defaults for.
func DefaultCHRLUOptions() CHRLUOptions {
	return CHRLUOptions{Keep: NativeKeepAlive, Bound: 1.2, Popular: 0.1, VNodes: 3}
}

const (
	chrluRefresh = decide.Minute // after which popularity is measured again; ours
	chrluSigma   = 0.1           // standard deviation of the virtual load, as in the authors' code
)

// CHRLU is consistent hashing with random load updates: Fuerst and Sharma, "Locality-aware
// Load-Balancing for Serverless Clusters" (HPDC 2022), whose code is part of Iluvatar. A
// request is bound to the first invoker, on the ring from the hash of its function on,
// whose load stays within a bound. So the containers of a function gather on one invoker,
// and on the next ones only as far as load makes it: bounded loads, after Mirrokni, Thorup
// and Zadimoghaddam (SODA 2018).
//
// Requests of popular functions arrive in bursts that a measured load does not show yet.
// For them an invoker counts as loaded by a random amount more, N(rate/cores, 0.1) per
// core, so that they are forwarded somewhat early, and not all at once; rate is the mean
// rate of all functions in requests a second. Where that alone kept an invoker from being
// chosen and none was found, the ring is walked again without it; where all are above the
// bound, the function's first invoker takes the request.
//
// Three things differ from the code: the bound holds for all functions, as in the paper,
// where the code has it for popular ones alone; the ring is walked to its end, where the
// code stops after four points; and the load is the CPU of the requests that are bound to
// an invoker, per core and known at once, where theirs is measured and late.
func CHRLU(profiles []decide.Profile, invokers []decide.InvokerSpec, o CHRLUOptions, rnd uint64) Stack {
	members := make([]decide.InvokerID, len(invokers))
	for i := range members {
		members[i] = decide.InvokerID(i)
	}
	p := &chrlu{
		opts:    o,
		ring:    newRing(members, o.VNodes),
		key:     seed.Key(rnd, "chrlu virtual load"),
		popular: make([]bool, len(profiles)),
		begin:   decide.None,
	}
	stack := early(o.Keep, p.route)
	stack.Pool = &chrluPool{stack.Pool.(*boundLRU), p}
	return stack
}

// chrlu is the router of [CHRLU].
type chrlu struct {
	opts CHRLUOptions
	ring *ring
	key  uint64 // of the virtual loads
	draw uint64 // how many there were

	popular []bool      // by function
	rate    float64     // mean of all functions, in requests a second
	begin   decide.Time // of the first request
	next    decide.Time // when popularity is measured again
}

func (p *chrlu) route(s decide.Snapshot, b *binding, f decide.FunctionID) decide.InvokerID {
	p.measure(s)
	home, second := decide.InvokerID(decide.None), decide.InvokerID(decide.None)
	for i := range p.ring.from(uint64(f)) {
		spec := s.InvokerSpec(i)
		if spec.Memory < s.Memory(f) {
			continue
		}
		if home == decide.None {
			home = i
		}
		load := (b.lanes[i].cpu + s.CPU(f)) / spec.Cores
		if load > p.opts.Bound {
			continue
		}
		if int(f) >= len(p.popular) || !p.popular[f] {
			return i
		}
		if second == decide.None {
			second = i
		}
		p.draw++
		if load+max(0, p.rate/spec.Cores+chrluSigma*seed.Normal(p.key, p.draw)) <= p.opts.Bound {
			return i
		}
	}
	if second != decide.None {
		return second
	}
	return home
}

// chrluPool is the pool of [CHRLU].
type chrluPool struct {
	*boundLRU
	router *chrlu
}

// Joined implements decide.Joiner.
func (p *chrluPool) Joined(s decide.Snapshot, i decide.InvokerID) {
	r := p.router.ring
	if int(i) >= len(r.met) {
		r.join(i, p.router.opts.VNodes)
	}
}

// measure finds the popular functions: those with the most requests so far.
func (p *chrlu) measure(s decide.Snapshot) {
	if p.begin == decide.None {
		p.begin, p.next = s.Now(), s.Now()+chrluRefresh
	}
	if s.Now() < p.next {
		return
	}
	p.next = s.Now() + chrluRefresh
	p.popular = upTo(p.popular, s.Functions(), false)
	clear(p.popular)
	order := make([]decide.FunctionID, 0, len(p.popular))
	var arrivals int64
	for f := range decide.FunctionID(len(p.popular)) {
		if n := s.Arrivals(f); n > 0 {
			order = append(order, f)
			arrivals += n
		}
	}
	slices.SortFunc(order, func(a, b decide.FunctionID) int {
		return cmp.Or(cmp.Compare(s.Arrivals(b), s.Arrivals(a)), cmp.Compare(a, b))
	})
	for _, f := range order[:int(p.opts.Popular*float64(len(order))+0.5)] {
		p.popular[f] = true
	}
	p.rate = float64(arrivals) / float64(len(order)) / (s.Now() - p.begin).Seconds()
}

// A ring is consistent hashing (Karger et al., STOC 1997): every member has some points on
// a circle of hashes, and a function belongs to the member whose point follows its own.
// Without a member, only what was its goes elsewhere.
type ring struct {
	points []point // by hash
	n      int     // members
	met    []int   // by member: the walk in which it was met last
	walks  int
}

type point struct {
	hash    uint64
	invoker decide.InvokerID
}

// Streams of the hashes.
var (
	ringInvokers  = seed.Key(0, "ring invokers")
	ringFunctions = seed.Key(0, "ring functions")
)

func newRing(members []decide.InvokerID, vnodes int) *ring {
	r := &ring{}
	for _, i := range members {
		r.add(i, vnodes)
	}
	slices.SortFunc(r.points, point.compare)
	return r
}

// add appends the points of member i.
func (r *ring) add(i decide.InvokerID, vnodes int) {
	for k := range vnodes {
		r.points = append(r.points, point{hashOf(ringInvokers, uint64(i)<<32|uint64(k)), i})
	}
	for int(i) >= len(r.met) {
		r.met = append(r.met, 0)
	}
	r.n++
}

// join makes i a member of the ring.
func (r *ring) join(i decide.InvokerID, vnodes int) {
	n := len(r.points)
	r.add(i, vnodes)
	for _, x := range slices.Clone(r.points[n:]) {
		at, _ := slices.BinarySearchFunc(r.points[:n], x, point.compare)
		copy(r.points[at+1:n+1], r.points[at:n])
		r.points[at] = x
		n++
	}
}

func (a point) compare(b point) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.invoker, b.invoker))
}

func hashOf(key, x uint64) uint64 { return uint64(seed.Uniform(key, x) * (1 << 53)) }

// from yields the members on the ring from the hash of x on, each once.
func (r *ring) from(x uint64) iter.Seq[decide.InvokerID] {
	return func(yield func(decide.InvokerID) bool) {
		h := hashOf(ringFunctions, x)
		start := sort.Search(len(r.points), func(k int) bool { return r.points[k].hash >= h })
		r.walks++
		for k, left := 0, r.n; left > 0; k++ {
			i := r.points[(start+k)%len(r.points)].invoker
			if r.met[i] == r.walks {
				continue
			}
			r.met[i] = r.walks
			left--
			if !yield(i) {
				return
			}
		}
	}
}

var chrluRow = row(Row{Name: "chrlu", Source: "Fuerst and Sharma, CH-RLU, HPDC 2022: consistent hashing with bounded loads and random load updates"}, DefaultCHRLUOptions(), []field[CHRLUOptions]{
	keepFor(func(o *CHRLUOptions) *decide.Time { return &o.Keep }),
	number("bound", "load per core up to which an invoker takes requests", 0.1, 100, func(o *CHRLUOptions) *float64 { return &o.Bound }),
	number("popular", "share of the functions that are popular", 0, 1, func(o *CHRLUOptions) *float64 { return &o.Popular }),
	whole("vnodes", "points of an invoker on the ring", 1, 1000, func(o *CHRLUOptions) *int { return &o.VNodes }),
}, func(s Site, o CHRLUOptions) Stack {
	return CHRLU(s.Profiles, s.Invokers, o, s.Seed)
})
