package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// Landlord is Young's file caching algorithm (SODA 1998), one of the keep-alive
// policies of FaasCache (ASPLOS 2021). A container has a credit: its mean
// initialisation in seconds, given anew by every use. When room is needed on an
// invoker, its idle containers pay rent in proportion to their memory until one has no
// credit left, and that one is evicted. Nothing ends otherwise.
//
// Unlike [FaasCache] it does not know how often a function is used, only how lately:
// a container that is costly to start and small stays longer than others, and one
// that is not used again pays in the end.
//
// Instead of lowering all credits the rent that a megabyte has paid so far is kept, and
// with each container the level at which its credit is gone.
//
// Requests start under [FCFS] and wait for room, as in [FaasCache].
func Landlord(profiles []decide.Profile) Stack {
	return Stack{Dispatcher: FCFS{}, Pool: &landlord{weight: weights(profiles)}, Placer: LeastLoaded{}}
}

type landlord struct {
	cache
	weight []float64 // credit per MB after a use, by function
	rent   []float64 // per MB that idle containers have paid so far, by invoker
	gone   []float64 // the rent at which its credit is gone, by container
}

// Observe implements decide.Pool.
func (p *landlord) Observe(s decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Ready, decide.Completion:
		c, i := ev.Container, s.Invoker(ev.Container)
		for int(c) >= len(p.gone) {
			p.gone = append(p.gone, 0)
		}
		for int(i) >= len(p.rent) {
			p.rent = append(p.rent, 0)
		}
		p.gone[c] = p.rent[i] + p.weight[ev.Function]
		p.add(s, c, p.gone[c])
	case decide.Ended:
		p.ended(ev.Container)
	}
}

// Deployed implements decide.Deployer.
func (p *landlord) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.weight = upTo(p.weight, f+1, 0)
	p.weight[f] = weightOf(profile)
}

// KeepAlive implements decide.Pool.
func (*landlord) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time { return decide.Forever }

// Evict implements decide.Pool.
func (p *landlord) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, _ bool) (decide.ContainerID, bool) {
	c, gone, ok := p.take(s, i, func(c decide.ContainerID) float64 { return p.gone[c] })
	if !ok {
		return decide.None, false
	}
	p.rent[i] = max(p.rent[i], gone)
	return c, true
}

// Adjust implements decide.Pool: nothing is prewarmed.
func (*landlord) Adjust(decide.Snapshot) (decide.Adjustment, bool) { return decide.Adjustment{}, false }

// Wake implements decide.Pool.
func (*landlord) Wake() decide.Time { return decide.Forever }

var landlordRow = plain(Row{Name: "landlord", Source: "FaasCache's variant Landlord: Young, SODA 1998"},
	func(s Site) Stack { return Landlord(s.Profiles) })
