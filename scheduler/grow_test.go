package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

func deploys(at float64, f scheduler.Function) scheduler.Event {
	return scheduler.Event{At: after(at), Kind: decide.Deployed, Deploy: &f}
}

func adopts(at float64, f, i uint64, k scheduler.Known) scheduler.Event {
	return scheduler.Event{At: after(at), Kind: decide.Adopted, Function: f, Invoker: i, Adopt: &k}
}

// TestGrowth: functions and invokers that come later are used at once, containers and requests that
// are there go on, and the size of a function is that of its next container.
func TestGrowth(t *testing.T) {
	c := door(t, "native", nil)
	f := scheduler.Function{ID: 20, Memory: 200, CPU: 1, Execution: time.Second, Initialise: time.Second, Termination: time.Second}
	changed := func(at float64, memory int64) scheduler.Event {
		return scheduler.Event{At: after(at), Kind: decide.Changed, Deploy: &scheduler.Function{ID: 20, Memory: memory}}
	}
	tell(t, c,
		message{arrives(0, 1, 20), "!there is no function 20"},
		message{deploys(0, f), ""},
		message{deploys(0, f), "!function 20 is there already"},
		message{arrives(0, 1, 20), "create f20 r1 c1 i5"},
		message{arrives(0, 2, 20), ""}, // no room for another
		message{scheduler.Event{At: after(1), Kind: decide.Joined, Join: &scheduler.Invoker{ID: 6, Memory: 400, Cores: 4}}, "create f20 r2 c2 i6"},
		message{happens(1, decide.Ready, 1), "run f20 r1 c1 i5"},
		message{happens(1, decide.Ready, 2), "run f20 r2 c2 i6"},
		message{completes(2, 2, 2), ""},
		message{changed(2, 50), "end f20 r0 c2 i6"}, // the idle one, and the busy one after its request
		message{arrives(2, 3, 20), "create f20 r3 c3 i6"},
		message{completes(3, 1, 1), "end f20 r0 c1 i5"},
		message{happens(3, decide.Ended, 1), ""}, message{happens(3, decide.Ended, 2), ""},
		message{changed(3, 500), "!fits no invoker"},
		message{adopts(4, 20, 5, scheduler.Known{Container: 3, Status: decide.Idle}), "!above those that were given out"},
		message{adopts(4, 20, 5, scheduler.Known{Container: 9, Status: decide.Busy, Requests: []scheduler.KnownRequest{{ID: 50, Arrived: noon}}}), ""},
		message{adopts(4, 20, 0, scheduler.Known{Requests: []scheduler.KnownRequest{{ID: 50, Arrived: noon}}}), "!is there already"},
		message{completes(5, 50, 9), ""},
		message{adopts(5, 20, 0, scheduler.Known{Requests: []scheduler.KnownRequest{{ID: 51, Arrived: after(1)}, {ID: 52, Arrived: after(-90)}}}), "drop f20 r52 c0 i0, run f20 r51 c9 i5"},
		message{arrives(6, 4, 12), "create f12 r4 c10 i6"},
		message{scheduler.Event{At: after(7), Kind: decide.Lost, Invoker: 6}, "drop f12 r4 c10 i0, drop f20 r3 c3 i0"},
		message{scheduler.Event{At: after(8), Kind: decide.Joined, Join: &scheduler.Invoker{ID: 7, Memory: 400, Cores: 4}}, ""},
		message{arrives(9, 5, 12), "create f12 r5 c11 i7"},
	)
	if n := c.Snapshot().Invokers(); n != 2 {
		t.Errorf("%d invokers: one of the size of one that was lost takes its number", n)
	}
}

// TestDeployedUnderModels: a function that training has seen is forecast by its model from the next
// minute on, one that it has not by the times between its arrivals.
func TestDeployedUnderModels(t *testing.T) {
	m := modeltest.Models(t)
	for _, policy := range []string{"incendio", "incendio-wo-s", "incendio-wo-p"} {
		c := learned(t, policy, m, 2)
		handle := func(ev scheduler.Event) {
			t.Helper()
			if _, err := c.Handle(ev); err != nil {
				t.Fatalf("%s: %v", policy, err)
			}
		}
		handle(deploys(1, scheduler.Function{ID: 90, Owner: "o", App: "a", Name: "trees", Memory: 10 << 20}))
		handle(deploys(1, scheduler.Function{ID: 91, Owner: "nobody", Name: "knows", Memory: 10 << 20}))
		for k := range uint64(200) {
			handle(arrives(float64(2+2*k), 1000+2*k, 90))
			handle(arrives(float64(2+2*k), 1001+2*k, 91))
		}
		if policy == "incendio-wo-p" {
			continue
		}
		expected := scheduler.Expected(c)
		if len(expected) != 4 || !(expected[2] > 0) || !(expected[3] > 0) {
			t.Errorf("%s: expected are %v", policy, expected)
		}
	}
}

// BenchmarkDeploy adds functions to a scheduler that has many, under a policy that keeps them sorted.
func BenchmarkDeploy(b *testing.B) {
	for _, policy := range []string{"native", "faascache", "histogram", "lass", "incendio"} {
		for _, n := range []int{1000, 10000, 100000} {
			b.Run(fmt.Sprint(policy, "/", n), func(b *testing.B) {
				m := modeltest.Models(b)
				if policy != "incendio" {
					m = nil
				}
				c := learned(b, policy, m, n)
				if _, err := c.Handle(arrives(0, 1, 11)); err != nil {
					b.Fatal(err)
				}
				k := uint64(1 << 40)
				for b.Loop() {
					k++
					f := scheduler.Function{ID: k, Owner: "o", App: "new", Name: "f", Memory: int64(1+k%200) << 20, CPU: 1}
					if _, err := c.Handle(scheduler.Event{At: after(1), Kind: decide.Deployed, Deploy: &f}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkJoin adds invokers to a scheduler that has many.
func BenchmarkJoin(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := door(b, "native", nil)
			k := uint64(1 << 40)
			join := func() {
				k++
				v := scheduler.Invoker{ID: k, Memory: 1 << 30, Cores: 4}
				if _, err := c.Handle(scheduler.Event{At: after(1), Kind: decide.Joined, Join: &v}); err != nil {
					b.Fatal(err)
				}
			}
			for range n {
				join()
			}
			for b.Loop() {
				join()
			}
		})
	}
}
