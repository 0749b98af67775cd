package scheduler_test

import (
	"testing"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// scripted is native with adjustments that a test asks for.
type scripted struct {
	decide.Pool
	todo []decide.Adjustment
}

func (p *scripted) Adjust(decide.Snapshot) (decide.Adjustment, bool) {
	if len(p.todo) == 0 {
		return decide.Adjustment{}, false
	}
	a := p.todo[0]
	p.todo = p.todo[1:]
	return a, true
}

// TestAdjustments: what retires takes no more requests and ends when it is done, what
// is deflated is told to the platform once.
func TestAdjustments(t *testing.T) {
	const s = decide.Second
	native := policy.Native(policy.NativeKeepAlive)
	pool := &scripted{Pool: native.Pool}
	o := scheduler.DefaultOptions()
	o.Concurrency = 2
	e, err := scheduler.New(
		[]decide.Profile{{Memory: 100, CPU: 1, Execution: s, Initialise: s}},
		[]decide.InvokerSpec{{Memory: 250, Cores: 4}},
		scheduler.Stack{Dispatcher: native.Dispatcher, Pool: pool, Placer: native.Placer}, o)
	if err != nil {
		t.Fatal(err)
	}
	v := e.Snapshot()
	tick := func(at decide.Time, want string, todo ...decide.Adjustment) {
		t.Helper()
		pool.todo = todo
		play(t, e, []turn{{decide.Event{At: at, Kind: decide.Tick}, want}})
	}
	retire := func(c decide.ContainerID) decide.Adjustment {
		return decide.Adjustment{Kind: decide.Retire, Container: c}
	}
	deflate := func(c decide.ContainerID, share float64) decide.Adjustment {
		return decide.Adjustment{Kind: decide.Deflate, Container: c, Share: share}
	}

	tick(0, "create r-1 c0, create r-1 c1", decide.Adjustment{Kind: decide.Prewarm}, decide.Adjustment{Kind: decide.Prewarm})
	tick(0, "", decide.Adjustment{Kind: decide.Prewarm}) // no room for a third
	play(t, e, []turn{{container(s, decide.Ready, 0), ""}, {container(s, decide.Ready, 1), ""}})
	play(t, e, []turn{{arrival(2*s, 0), "run r0 c1"}})
	tick(2*s, "resize r-1 c1", deflate(1, 0.5), deflate(1, 0.5))
	if v.Share(1) != 0.5 || v.BusyCPU(0) != 0.5 {
		t.Errorf("share %g, %g cores busy, want half of one", v.Share(1), v.BusyCPU(0))
	}
	tick(2*s, "resize r-1 c1, end r-1 c0", deflate(1, 1), retire(0), retire(1), retire(1))
	if v.Live(0) != 0 || v.RetiringCount(0) != 1 || v.BusyCount(0) != 1 {
		t.Errorf("%d live, %d retiring, %d busy", v.Live(0), v.RetiringCount(0), v.BusyCount(0))
	}
	// A second request does not join the first in the container that retires.
	play(t, e, []turn{
		{container(3*s, decide.Ended, 0), ""},
		{arrival(3*s, 1), "create r1 c0"},
		{container(4*s, decide.Completion, 1), "end r-1 c1"},
	})
	tick(4*s, "", retire(0), retire(1), deflate(1, 0.5)) // 1 terminates
	play(t, e, []turn{
		{arrival(4*s, 2), ""}, // decided on, as soon as 1 is gone
		{container(5*s, decide.Ready, 0), "run r1 c0"},
		{container(6*s, decide.Completion, 0), "end r-1 c0"},
		{container(7*s, decide.Ended, 1), "create r2 c2"},
	})
}
