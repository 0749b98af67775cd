package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// upTo appends fresh to list until it has n.
func upTo[T any, N ~int32 | ~int](list []T, n N, fresh T) []T {
	for len(list) < int(n) {
		list = append(list, fresh)
	}
	return list
}

// machines are the invokers that ever were, taken together.
type machines struct {
	n             int
	memory, cores float64 // bytes and cores
}

func machinesOf(specs []decide.InvokerSpec) (m machines) {
	for i := range specs {
		m.add(specs[i])
	}
	return m
}

func (m *machines) add(spec decide.InvokerSpec) {
	m.n++
	m.memory += float64(spec.Memory)
	m.cores += spec.Cores
}

// Joined implements decide.Joiner.
func (m *machines) Joined(s decide.Snapshot, i decide.InvokerID) {
	if int(i) >= m.n {
		m.add(s.InvokerSpec(i))
	}
}
