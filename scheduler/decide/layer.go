package decide

import "fmt"

// AddLayers makes layers known; it is called once, before anything happens.
func (s *State) AddLayers(layers []Layer) error {
	for k, l := range layers {
		if l.Language < None || l.Memory <= 0 || !(l.Start >= 0 && l.Start <= 1) {
			return fmt.Errorf("decide: layer %d: language must be a number or None, memory positive and start in [0, 1], got %+v", k, l)
		}
		fn := newFunction(Profile{App: None, Language: l.Language, Memory: l.Memory, CPU: 1})
		fn.layer = int32(k)
		s.layerAt = append(s.layerAt, FunctionID(len(s.functions)))
		s.functions = append(s.functions, fn)
	}
	s.layers = layers
	return nil
}

// Layer returns the layer that f stands for; false if f is a function.
func (v Snapshot) Layer(f FunctionID) (Layer, bool) {
	if k := v.s.functions[f].layer; k != None {
		return v.s.layers[k], true
	}
	return Layer{}, false
}

// LayerNumber is which of the layers f stands for, from 0; None if f is a function.
func (v Snapshot) LayerNumber(f FunctionID) int { return int(v.s.functions[f].layer) }

// LayerAt is the number of layer k among the functions.
func (v Snapshot) LayerAt(k int) FunctionID { return v.s.layerAt[k] }

// CanUpgrade reports whether one of f can be built on container c now: it is a layer of f's
// language, or of none, that is no larger than a container of f, and its invoker has the memory
// free that f needs beyond it, and a start and CPU to spare.
func (v Snapshot) CanUpgrade(c ContainerID, f FunctionID) bool {
	box := &v.s.containers[c]
	l, ok := v.Layer(box.function)
	if !ok || box.status != Idle || l.Language != None && l.Language != v.Language(f) || l.Memory > v.Memory(f) {
		return false
	}
	inv := &v.s.invokers[box.invoker]
	return !inv.closed && inv.used+inv.pending+v.Memory(f)-l.Memory <= inv.Memory && inv.hasCPU(v.CPU(f)) &&
		(inv.StartLimit == 0 || int(inv.starting) < inv.StartLimit)
}

// Downgrade takes the idle container c down to a layer, which is free to be built upon.
func (s *State) Downgrade(c ContainerID, layer FunctionID) {
	s.leaveIdle(c)
	box := &s.containers[c]
	s.changes.add(box.function)
	s.changes.add(layer)
	s.gains++
	memory, _ := s.size(c)
	s.invokers[box.invoker].used -= memory - s.functions[layer].Memory
	box.function = layer
	s.resize(c)
	s.makeIdle(c)
	s.linkWarm(c)
}

// Upgrade begins to build a container of f on the layer c, for request r.
func (s *State) Upgrade(c ContainerID, f FunctionID, r RequestID) {
	s.leaveIdle(c)
	box := &s.containers[c]
	s.changes.add(box.function)
	s.changes.add(f)
	inv, fn := &s.invokers[box.invoker], &s.functions[f]
	memory, _ := s.size(c)
	inv.used += fn.Memory - memory
	inv.starting++
	inv.promised += fn.CPU
	fn.starting++
	box.function, box.request = f, r
	s.resize(c)
	box.status, box.since, box.created = Initialising, s.now, s.now
	box.used, box.upgraded = false, true
	if r != None {
		s.requests[r].prev = RequestID(c)
	}
}

// leaveIdle takes c out of the lists of its function and its invoker.
func (s *State) leaveIdle(c ContainerID) {
	s.unlinkWarm(c)
	s.unlinkIdle(c)
	s.functions[s.containers[c].function].idle--
}
