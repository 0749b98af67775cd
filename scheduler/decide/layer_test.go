package decide_test

import (
	"testing"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestLayers: a container is taken down and built upon again; memory follows, and a layer
// serves who it may serve only.
func TestLayers(t *testing.T) {
	const own, other, small = 0, 1, 2
	s, err := decide.NewState([]decide.Profile{
		own:   {Language: 0, Memory: 100, CPU: 1, Initialise: 10},
		other: {Language: 1, Memory: 100, CPU: 1, Initialise: 10},
		small: {Language: 0, Memory: 20, CPU: 1, Initialise: 10},
	}, []decide.InvokerSpec{{Memory: 150, Cores: 4}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	const language, bare = 3, 4
	if err := s.AddLayers([]decide.Layer{{Language: 0, Memory: 40, Start: 0.3}, {Language: decide.None, Memory: 10, Start: 0.6}}); err != nil {
		t.Fatal(err)
	}
	v := s.Snapshot()
	memory := func(used, idle int64) {
		t.Helper()
		if v.UsedMemory(0) != used || v.IdleMemory(0) != idle {
			t.Errorf("%d used, %d idle, want %d, %d", v.UsedMemory(0), v.IdleMemory(0), used, idle)
		}
	}
	can := func(c decide.ContainerID, f decide.FunctionID, want bool) {
		t.Helper()
		if v.CanUpgrade(c, f) != want {
			t.Errorf("function %d can be built on %d: %v", f, c, !want)
		}
	}
	if l, ok := v.Layer(bare); v.Functions() != 5 || !ok || l.Memory != 10 {
		t.Errorf("%d functions, layer %+v, %v", v.Functions(), l, ok)
	}
	c := s.NewContainer(own, 0, decide.None)
	s.Admit(0)
	s.Initialised(c, 10)
	can(c, own, false) // it is no layer
	memory(100, 100)

	s.Downgrade(c, language)
	memory(40, 40)
	if v.IdleCount(own) != 0 || v.FirstWarm(own) != decide.None || v.FirstWarm(language) != c {
		t.Error("the container still counts as one of the function")
	}
	can(c, own, true)
	can(c, other, false) // another language
	can(c, small, false) // smaller than the layer

	s.Downgrade(c, bare)
	memory(10, 10)
	can(c, other, true)
	can(c, small, true)

	s.Arrive(0, other)
	s.Dequeue(0)
	s.Upgrade(c, other, 0)
	memory(100, 0)
	if v.Status(c) != decide.Initialising || v.StartingCount(other) != 1 || v.CreatedFor(c) != 0 || v.FirstWarm(bare) != decide.None {
		t.Error("the container is not one of the function that is built")
	}
	if r := s.Initialised(c, 6); r != 0 || v.Initialise(other) != 10 {
		t.Errorf("built for %d; a part of an initialisation counts as one, %v", r, v.Initialise(other))
	}
	memory(100, 100)

	// 50 are free: an upgrade from 10 to 100 does not fit.
	d := s.NewContainer(small, 0, decide.None)
	s.Admit(0)
	s.Initialised(d, 10)
	s.Downgrade(d, bare)
	can(d, own, false)
	can(d, small, true)

	for _, bad := range []decide.Layer{{Memory: 0}, {Memory: 1, Start: 1.1}, {Memory: 1, Language: -2}} {
		if err := s.AddLayers([]decide.Layer{bad}); err == nil {
			t.Errorf("layer %+v is taken", bad)
		}
	}
}
