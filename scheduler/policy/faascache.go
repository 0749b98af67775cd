package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// FaasCache is the keep-alive policy of Fuerst and Sharma, "FaasCache" (ASPLOS
// 2021): idle containers are a cache under Greedy-Dual-Size-Frequency. They are kept
// until the room is needed, and then the ones with the least
//
//	priority = clock + frequency * cost / size
//
// are evicted first. Clock is that of the function's last use, frequency its number
// of requests since it last had no container, cost its mean initialisation in
// seconds, size its memory in MB. The clock rises to the priority of what is evicted.
//
// All containers of a function share one priority, as each use renews all of them; among
// them the one that has been idle the longest goes first.
//
// It differs from the paper in one thing: a request that finds no room waits, up to
// the time-out, where the paper's simulator drops it at once. Requests start under
// [FCFS]. The profiles give cost and size.
func FaasCache(profiles []decide.Profile) Stack {
	p := &gdsf{
		weight:    weights(profiles),
		frequency: make([]float64, len(profiles)),
		priority:  make([]float64, len(profiles)),
	}
	return Stack{Dispatcher: FCFS{}, Pool: p, Placer: LeastLoaded{}}
}

// weights are cost / size of each function: its mean initialisation in seconds over
// the memory of a container in MB.
func weights(profiles []decide.Profile) []float64 {
	w := make([]float64, len(profiles))
	for f, p := range profiles {
		w[f] = weightOf(p)
	}
	return w
}

func weightOf(p decide.Profile) float64 {
	return p.Initialise.Seconds() / (float64(p.Memory) / (1 << 20))
}

// gdsf is a cache whose priorities only rise while their function has containers.
type gdsf struct {
	cache
	clock     float64
	weight    []float64 // cost / size by function
	frequency []float64
	priority  []float64
}

// Observe implements decide.Pool.
func (p *gdsf) Observe(s decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Arrival:
		f := ev.Function
		p.frequency[f]++
		p.priority[f] = p.clock + p.frequency[f]*p.weight[f]
	case decide.Ready, decide.Completion:
		p.add(s, ev.Container, p.priority[ev.Function])
	case decide.Ended:
		p.ended(ev.Container)
	}
}

// Deployed implements decide.Deployer.
func (p *gdsf) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.weight, p.frequency, p.priority = upTo(p.weight, f+1, 0), upTo(p.frequency, f+1, 0), upTo(p.priority, f+1, 0)
	p.weight[f] = weightOf(profile)
}

// KeepAlive implements decide.Pool.
func (*gdsf) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time { return decide.Forever }

// Evict implements decide.Pool.
func (p *gdsf) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, _ bool) (decide.ContainerID, bool) {
	c, priority, ok := p.take(s, i, func(c decide.ContainerID) float64 { return p.priority[s.Function(c)] })
	if !ok {
		return decide.None, false
	}
	p.clock = max(p.clock, priority)
	if f := s.Function(c); s.Live(f) == 1 { // this one
		p.frequency[f] = 0
	}
	return c, true
}

// Adjust implements decide.Pool: nothing is prewarmed.
func (*gdsf) Adjust(decide.Snapshot) (decide.Adjustment, bool) { return decide.Adjustment{}, false }

// Wake implements decide.Pool.
func (*gdsf) Wake() decide.Time { return decide.Forever }

var faascacheRow = plain(Row{Name: "faascache", Source: "Fuerst and Sharma, FaasCache, ASPLOS 2021: GDSF; requests wait for room up to the time-out"},
	func(s Site) Stack { return FaasCache(s.Profiles) })
