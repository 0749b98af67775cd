package sim

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// fluid shares the cores as shared does, step by step in floating point: it looks for
// the next completion among all jobs and lets all of them progress until then.
type fluid struct {
	cores float64
	now   float64
	jobs  []*fluidJob
}

type fluidJob struct {
	id        decide.RequestID
	box       decide.ContainerID
	cpu, left float64
}

func (p *fluid) rate(j *fluidJob) float64 {
	n, demand, seen := 0.0, 0.0, map[decide.ContainerID]bool{}
	for _, o := range p.jobs {
		if o.box == j.box {
			n++
		}
		if !seen[o.box] {
			seen[o.box], demand = true, demand+o.cpu
		}
	}
	return min(1, p.cores/demand) / n
}

func (p *fluid) advance(to float64) {
	rates := make([]float64, len(p.jobs))
	for i, j := range p.jobs {
		rates[i] = p.rate(j)
	}
	for i, j := range p.jobs {
		j.left -= rates[i] * (to - p.now)
	}
	p.now = to
}

func (p *fluid) next() (at float64) {
	at = math.Inf(1)
	for _, j := range p.jobs {
		at = min(at, p.now+max(0, j.left)/p.rate(j))
	}
	return at
}

// TestSharedAgainstFluid compares completions, with containers of up to four requests
// that are deflated now and then. A completion is rounded up to a microsecond, and what
// that delays is delayed again, so they may differ by a microsecond for each before.
func TestSharedAgainstFluid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cores := rapid.IntRange(1, 4).Draw(t, "cores")
		p := newShared(cpuUnits(float64(cores)))
		f := &fluid{cores: float64(cores)}
		now, next, slip := decide.Time(0), decide.Time(decide.Forever), 1.0+1e-6 // the sums of the fluid are rounded
		complete := func(until decide.Time) {
			for next <= until {
				want := f.next()
				if math.Abs(want-float64(next)) > slip {
					t.Fatalf("the next completion is at %d us, want %g", next, want)
				}
				f.advance(float64(next))
				now = next
				var id decide.RequestID
				id, next = p.finish(now)
				for i, j := range f.jobs {
					if j.id != id {
						continue
					}
					if math.Abs(j.left) > 2*slip {
						t.Fatalf("request %d is done with %g us left", id, j.left)
					}
					f.jobs = append(f.jobs[:i:i], f.jobs[i+1:]...)
					break
				}
				slip++
			}
		}
		for id := range decide.RequestID(rapid.IntRange(1, 25).Draw(t, "requests")) {
			at := now + decide.Time(rapid.IntRange(0, 3000).Draw(t, "gap"))
			complete(at)
			now = at
			f.advance(float64(at))
			box := decide.ContainerID(rapid.IntRange(0, 3).Draw(t, "container"))
			inside, cpu := 0, float64(1+box)/2
			for _, j := range f.jobs {
				if j.box == box {
					inside++
					cpu = j.cpu
				}
			}
			switch {
			case inside == 4:
			case inside > 0 && rapid.IntRange(0, 4).Draw(t, "resize") == 0:
				for _, j := range f.jobs {
					if j.box == box {
						j.cpu, j.left = j.cpu/2, j.left*1.5
					}
				}
				next = p.resize(at, box, cpuUnits(cpu/2), 1.5)
			default:
				work := decide.Time(rapid.IntRange(1, 5000).Draw(t, "work"))
				f.jobs = append(f.jobs, &fluidJob{id, box, cpu, float64(work)})
				next = p.start(at, id, box, cpuUnits(cpu), work)
			}
		}
		complete(decide.Forever - 1)
		if len(f.jobs) > 0 || next != decide.Forever || p.demand != 0 {
			t.Fatalf("%d jobs are left, next at %d, demand %d", len(f.jobs), next, p.demand)
		}
	})
}
