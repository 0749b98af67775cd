package sim

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// downgrade takes the upper layers of an idle container down, at once. Ending what is left
// takes as long as ending all of it would have.
func (m *machine) downgrade(d *decide.Decision) error {
	box := m.container(d.Container)
	if box == nil {
		return noContainer(d.Container)
	}
	s := m.sched.Snapshot()
	layer, ok := s.Layer(d.Function)
	switch {
	case box.stage != idle:
		return fmt.Errorf("%w: container %d is taken down and is not idle", ErrInvariant, d.Container)
	case !ok:
		return fmt.Errorf("%w: container %d is taken down to %d, which is no layer", ErrInvariant, d.Container, d.Function)
	case layer.Memory > box.memory:
		return fmt.Errorf("%w: container %d of %d bytes is taken down to a layer of %d", ErrInvariant, d.Container, box.memory, layer.Memory)
	case layer.Language != decide.None && layer.Language != s.Language(box.function):
		return fmt.Errorf("%w: container %d of language %d is taken down to a layer of language %d", ErrInvariant, d.Container, s.Language(box.function), layer.Language)
	}
	m.invokers[box.invoker].memory -= box.memory - layer.Memory
	m.tally.live -= box.memory - layer.Memory
	box.memory, box.function = layer.Memory, d.Function
	return nil
}

// upgrade builds a container of a function on a layer. It takes the part that the layer says
// of what the request's cold start would take.
func (m *machine) upgrade(d *decide.Decision) error {
	box, j := m.container(d.Container), m.job(d.Request)
	if box == nil {
		return noContainer(d.Container)
	}
	if j == nil {
		return noRequest(d.Request)
	}
	s := m.sched.Snapshot()
	layer, ok := s.Layer(box.function)
	inv := &m.invokers[box.invoker]
	switch {
	case box.stage != idle || !ok:
		return fmt.Errorf("%w: container %d is built upon and is no idle layer", ErrInvariant, d.Container)
	case layer.Language != decide.None && layer.Language != s.Language(d.Function):
		return fmt.Errorf("%w: a function of language %d is built on container %d of language %d", ErrInvariant, s.Language(d.Function), d.Container, layer.Language)
	case j.stage != waiting || j.function != d.Function:
		return fmt.Errorf("%w: a container of function %d is built for request %d of function %d, which does not wait for one", ErrInvariant, d.Function, d.Request, j.function)
	case layer.Memory > m.memory[d.Function]:
		return fmt.Errorf("%w: a container of %d bytes is built on a layer of %d", ErrInvariant, m.memory[d.Function], layer.Memory)
	case inv.memory+m.memory[d.Function]-box.memory > inv.capacity:
		return fmt.Errorf("%w: invoker %d holds %d bytes of %d and is to hold %d more", ErrInvariant, box.invoker, inv.memory, inv.capacity, m.memory[d.Function]-box.memory)
	case inv.limit > 0 && inv.starting >= inv.limit:
		return fmt.Errorf("%w: invoker %d initialises %d containers, the limit, and is to build one more", ErrInvariant, box.invoker, inv.starting)
	}
	j.stage, j.dispatch = ordered, m.now
	m.tally.waiting--
	initialise, terminate := m.draws.container(d.Function, j.number, true)
	inv.memory += m.memory[d.Function] - box.memory
	inv.starting++
	m.tally.live += m.memory[d.Function] - box.memory
	*box = container{
		function: d.Function, invoker: box.invoker, stage: initialising, request: d.Request,
		since: m.now, terminate: terminate, memory: m.memory[d.Function], cpu: m.cpu[d.Function], share: 1,
	}
	m.initialise(d.Container, decide.Time(math.Ceil(layer.Start*float64(initialise))))
	return nil
}
