package scheduler_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

var nan, inf = math.NaN(), math.Inf(1)

func wantKey(t *testing.T, err error, key string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("error is %v, want one about %s", err, key)
	}
}

func parts() scheduler.Parts {
	return scheduler.Parts{
		Priority: byInit(), Forecast: &script{}, Rate: []float64{0.5}, Pool: scheduler.PoolOptions{MemoryPrice: 1}, SLO: scheduler.DefaultSLO(), Dispatcher: fcfs,
	}
}

func TestIncendioRefuses(t *testing.T) {
	if _, err := scheduler.Incendio(parts()); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no such network")
	for _, c := range []struct {
		change func(*scheduler.Parts)
		key    string
	}{
		{func(p *scheduler.Parts) { p.Priority = nil }, "priority model"},
		{func(p *scheduler.Parts) { p.Forecast = nil }, "forecast"},
		{func(p *scheduler.Parts) { p.Dispatcher = nil }, "dispatcher"},
		{func(p *scheduler.Parts) { p.Start = 30 * decide.Second }, "minute"},
		{func(p *scheduler.Parts) { p.Start = -decide.Minute }, "minute"},
		{func(p *scheduler.Parts) { p.First = make([]forecast.Forecast, 2) }, "first"},
		{func(p *scheduler.Parts) { p.Rate[0] = nan }, "rate"},
		{func(p *scheduler.Parts) { p.Pool.MemoryPrice = 0 }, "memory_price"},
		{func(p *scheduler.Parts) { p.Pool.MemoryPrice = inf }, "memory_price"},
		{func(p *scheduler.Parts) { p.Pool.CPUShare = nan }, "cpu_share"},
		{func(p *scheduler.Parts) { p.SLO.Urgent = 2 }, "urgent"},
		{func(p *scheduler.Parts) { p.Priority.Weight[0] = 1 }, "weights"},
		{func(p *scheduler.Parts) {
			p.Dispatcher = func(decide.Signals) (decide.Dispatcher, error) { return nil, broken }
		}, broken.Error()},
	} {
		p := parts()
		c.change(&p)
		_, err := scheduler.Incendio(p)
		wantKey(t, err, c.key)
	}
}

// watching is a dispatcher that counts what it is shown. It cannot be compared, as
// a dispatcher need not be.
type watching struct {
	policy.FCFS
	seen map[decide.EventKind]int
}

func (w watching) Observe(_ decide.Snapshot, ev decide.Event) { w.seen[ev.Kind]++ }

// TestDispatcherObserves: a dispatcher that watches is shown every event once, with
// and without the guard before it.
func TestDispatcherObserves(t *testing.T) {
	for _, slo := range []scheduler.SLO{scheduler.DefaultSLO(), {}} {
		w := watching{seen: map[decide.EventKind]int{}}
		p := parts()
		p.SLO = slo
		p.Dispatcher = func(decide.Signals) (decide.Dispatcher, error) { return w, nil }
		stack, err := scheduler.Incendio(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scheduler.New([]decide.Profile{profile(decide.Second)}, []decide.InvokerSpec{{Memory: gb, Cores: 1}}, stack, scheduler.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		handle(s, arrival(0, 0))
		handle(s, arrival(1, 1))
		handle(s, container(decide.Second, decide.Ready, 0))
		handle(s, tick(decide.Minute))
		if w.seen[decide.Arrival] != 2 || w.seen[decide.Ready] != 1 || w.seen[decide.Tick] != 1 {
			t.Errorf("SLO %+v: the dispatcher was shown %v", slo, w.seen)
		}
	}
}

// TestSignals: a priority is the score of the factors as they are, though the terms of
// all but the clock are kept for a second; and the forecast is that of the minute.
func TestSignals(t *testing.T) {
	rnd := seed.Stream(1, "signals")
	for _, form := range []string{priority.Linear, priority.Loglinear} {
		m := &priority.Model{Form: form}
		m.High = priority.Values{priority.CPU: 2, priority.Memory: 4, priority.Init: 3, priority.Exec: 2, priority.Term: 2, priority.Freq: 30, priority.Clock: 8}
		m.Weight = priority.Values{priority.CPU: -.1, priority.Memory: -.2, priority.Init: .2, priority.Exec: -.1, priority.Term: .1, priority.Freq: .2, priority.Clock: .1}
		const rate, start = 0.5, 3 * decide.Minute
		var signals decide.Signals
		p := parts()
		p.Priority, p.Rate, p.Start = m, []float64{rate}, start
		p.Forecast = &script{want: map[int][]float64{4: {7}}}
		p.Dispatcher = func(g decide.Signals) (decide.Dispatcher, error) {
			signals = g
			return policy.FCFS{}, nil
		}
		stack, err := scheduler.Incendio(p)
		if err != nil {
			t.Fatal(err)
		}
		profiles := []decide.Profile{{Memory: 256 << 20, CPU: 1, Execution: decide.Second, Initialise: 2 * decide.Second, Termination: decide.Second}}
		s, err := scheduler.New(profiles, []decide.InvokerSpec{{Memory: gb, Cores: 4}}, stack, scheduler.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		fresh := func() (priority.Values, float64) {
			v := s.Snapshot()
			since := v.PreviousArrival(0)
			if since == decide.None {
				since = start
			}
			minutes := float64(v.Now()-start) / float64(decide.Minute)
			// The rate of training counts like an hour of observation.
			x := scheduler.Factors(v.Profile(0), (60*rate+float64(v.Arrivals(0)))/(60+minutes), v.Now()-since)
			return x, m.Score(&x)
		}
		at, changed := decide.Time(start), 0
		for r := range decide.RequestID(12) {
			at += decide.Second + decide.Time(rnd.Int64N(int64(3*decide.Second)))
			ds := handle(s, arrival(at, r))
			kept, want := fresh()
			if got := signals.Priority(s.Snapshot(), 0); math.Abs(got-want) > 1e-12 {
				t.Fatalf("%s: priority after %d arrivals is %v, want %v", form, r+1, got, want)
			}
			for _, d := range ds {
				if d.Kind == decide.Create {
					handle(s, decide.Event{At: at, Kind: decide.Ready, Container: d.Container, Took: 4 * decide.Second})
				}
			}
			// Within the second only the clock moves on.
			at += decide.Second / 2
			handle(s, tick(at))
			now, _ := fresh()
			if now[priority.Init] != kept[priority.Init] {
				changed++
			}
			kept[priority.Clock] = now[priority.Clock]
			if got, want := signals.Priority(s.Snapshot(), 0), m.Score(&kept); math.Abs(got-want) > 1e-12 {
				t.Fatalf("%s: priority half a second later is %v, want %v", form, got, want)
			}
			handle(s, decide.Event{At: at, Kind: decide.Completion, Container: 0, Took: decide.Second})
		}
		if changed == 0 {
			t.Error("no mean changed while it was kept: the test shows nothing")
		}
		handle(s, tick(4*decide.Minute))
		if got := signals.Expected(0); got != 7 {
			t.Errorf("%s: expected %g arrivals in minute 4, want 7", form, got)
		}
	}
}

func TestFactors(t *testing.T) {
	since := (math.E - 1) * float64(decide.Second)
	got := scheduler.Factors(decide.Profile{
		Memory: 256 << 20, CPU: 0.5, Execution: 1500 * decide.Millisecond, Initialise: 2 * decide.Second, Termination: decide.Second / 4,
	}, 12, decide.Time(since))
	want := priority.Values{priority.CPU: 0.5, priority.Memory: 0.5, priority.Init: 2, priority.Exec: 1.5, priority.Term: 0.25, priority.Freq: 12, priority.Clock: 1}
	for k := range want {
		if math.Abs(got[k]-want[k]) > 1e-6 { // the clock is rounded to a microsecond
			t.Errorf("factor %v is %v, want %v", priority.Factor(k), got[k], want[k])
		}
	}
}
