package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// HermodOptions are the parameters of [Hermod] that a platform may choose.
type HermodOptions struct {
	Keep decide.Time // that idle containers are kept, >= 0
	Pack float64     // load per core up to which an invoker is packed, >= 0
}

// DefaultHermodOptions are as published, with OpenWhisk's keep-alive.
func DefaultHermodOptions() HermodOptions { return HermodOptions{Keep: NativeKeepAlive, Pack: 1} }

// Hermod is the load balancer of Kaffes, Yadwadkar and Kozyrakis, "Hermod: Principled and
// Practical Scheduling for Serverless Functions" (SoCC 2022). A request is bound to an
// invoker when it arrives, and shares the CPU there with all others at once: late binding
// lets short invocations wait behind long ones. Which invoker it is depends on the load:
//
//	while some invoker has CPU to spare, the first of these that has and is not short of
//	memory: one that executes and has an idle container of the function; one that
//	executes; an empty one with such a container; an empty one
//
//	else the least loaded, and among equals one with such a container
//
// So low load is packed on few invokers, where it finds its containers, and high load is
// spread. An invoker has CPU to spare while what is bound to it can use less than pack
// (1, as published) times its cores. Among equals the lowest number goes first.
//
// This follows the paper as the simulator dslab implements it, with its option to avoid
// invokers where the request would wait for memory. The order of an invoker is processor
// sharing, the default of package sim; under another discipline this is the placement
// alone. Idle containers are kept for a time, and the least recently used is
// evicted, which the paper leaves to OpenWhisk.
func Hermod(o HermodOptions) Stack {
	return early(o.Keep, func(s decide.Snapshot, b *binding, f decide.FunctionID) decide.InvokerID {
		if i := packed(s, b, f, o.Pack); i != decide.None {
			return i
		}
		return spread(s, b, f)
	})
}

// packed is the invoker of a request of f at low load, or None.
func packed(s decide.Snapshot, b *binding, f decide.FunctionID, pack float64) decide.InvokerID {
	best, rank := decide.InvokerID(decide.None), -1
	for i := range decide.InvokerID(s.Invokers()) {
		l := &b.lanes[i]
		if l.cpu >= pack*s.InvokerSpec(i).Cores {
			continue
		}
		warm := warmOn(s, f, i) != decide.None
		if !warm && (l.head != decide.None || !s.Room(i, f)) {
			continue // it would wait
		}
		r := 0
		if l.bound > 0 {
			r += 2
		}
		if warm {
			r++
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return best
}

// spread is the invoker of a request of f at high load: of those where it does not wait for
// memory, or of all that are large enough, the one with the least load per core.
func spread(s decide.Snapshot, b *binding, f decide.FunctionID) decide.InvokerID {
	best, bestLoad, bestWarm, bestWaits := decide.InvokerID(decide.None), 0.0, false, false
	for i := range decide.InvokerID(s.Invokers()) {
		spec := s.InvokerSpec(i)
		if spec.Memory < s.Memory(f) {
			continue
		}
		load := b.lanes[i].cpu / spec.Cores
		warm := warmOn(s, f, i) != decide.None
		waits := !warm && (b.lanes[i].head != decide.None || !s.Room(i, f))
		switch {
		case best == decide.None, bestWaits && !waits:
		case waits && !bestWaits, load > bestLoad, load == bestLoad && (bestWarm || !warm):
			continue
		}
		best, bestLoad, bestWarm, bestWaits = i, load, warm, waits
	}
	return best
}

var hermodRow = row(Row{Name: "hermod", Source: "Kaffes et al., Hermod, SoCC 2022: early binding, packed at low load and spread at high load"}, DefaultHermodOptions(), []field[HermodOptions]{
	keepFor(func(o *HermodOptions) *decide.Time { return &o.Keep }),
	number("pack", "load per core up to which an invoker is packed", 0, 4, func(o *HermodOptions) *float64 { return &o.Pack }),
}, func(s Site, o HermodOptions) Stack {
	return Hermod(o)
})
