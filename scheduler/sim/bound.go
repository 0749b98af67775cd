package sim

import (
	"context"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Bound is the row "lower-bound": figures that no policy can better on the workload
// w and the cluster of o, whatever it knows of the future and however the cores of
// an invoker are shared. It is computed, not simulated.
//
// Percentiles. Request j executes for at least its duration d_j, and counts with
// more if it is dropped. So each of its latencies is at least d_j, and so are the
// percentiles, the k-th smallest of one list against the k-th smallest of the other.
//
// Mean. Let C be the cores of the cluster, c_j the cores that j can use and
// w_j = c_j d_j its work. Cut the requests into groups, each a run of consecutive
// arrivals. The latencies of the requests of a group, under a policy for all, are
// those of some schedule of the group alone; so the sum over groups of a bound for
// each group alone is a bound for all. For one group any of three holds:
//
//  1. sum d_j, as above.
//  2. The sum of latencies on one server of speed C under shortest remaining
//     processing time first. What the cluster does in a moment this server can do,
//     as it can give j any part of C, and among all schedules on one server SRPT has
//     the least sum (Schrage, Operations Research 16, 1968).
//  3. sum (m_j + d_j/2 - a_j), with a_j the arrival and m_j the mean of the times at
//     which the units of j's work are done on one server of speed C that always works on the
//     request present with the least w_j in all. Since j never progresses faster than c_j, its last unit is done
//     at least d_j/2 after the mean of all; and that order makes sum m_j least, as it
//     does the units with the greatest weight 1/w_j first, by exchange of two units
//     (Goemans, SODA 1997; Schulz and Skutella, SIAM J. Discrete Math. 15, 2002).
//
// The greatest of the three is taken. Bound 2 is strong where requests are short
// against their queue, 3 where a request cannot use the pool alone, 1 where nothing queues.
//
// Dropping. A dropped request counts with the time-out T plus d_j and takes no CPU.
// Add it back to the schedule of the others behind everything else: it delays no one
// and is done when the group's busy period ends. A group is cut such that its busy
// period is no longer than T, so this costs at most T, which is less than the drop:
// bounds 2 and 3 hold for the group with drops too.
//
// SRPT with each job limited to its own c_j, which would be the obvious relaxation, is not
// used because it is no bound: with release dates the preemptive problem on parallel
// machines is NP-hard, and SRPT is not optimal for it.
func Bound(ctx context.Context, t *datasets.Trace, w *Workload, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if w.requests == 0 {
		return nil, w.empty(t)
	}
	t = w.scheduled(t)
	if err := fits(t, o.Cluster); err != nil {
		return nil, err
	}
	b := &bound{
		speed:   float64(o.Cluster.Invokers) * float64(cpuUnits(o.Cluster.Cores)),
		timeout: float64(o.Scheduler.Timeout),
	}
	y := newTally(t, w, o)
	err := w.each(ctx, t, func(_ uint64, r request) error {
		j := job{function: r.function, class: Warm, arrival: r.arrival, dispatch: r.arrival, start: r.arrival, work: r.work}
		if y.add(&j, r.arrival+r.work) { // warm-up requests are left out: that only frees the server
			b.add(float64(r.arrival), float64(r.work), float64(cpuUnits(t.Functions[r.function].CPU)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.close()
	if err := y.check(); err != nil {
		return nil, err
	}
	r := y.result("lower-bound", 0)
	r.Kind = KindBound
	// Rounded down, and with room for the rounding of sums of that many terms.
	sum := math.Floor(b.sum * (1 - 1e-12))
	r.LatencySum = max(r.LatencySum, decide.Time(sum))
	r.Latency.Mean = float64(r.LatencySum) / float64(r.Requests) / float64(decide.Millisecond)
	r.Events = 0
	return r, nil
}

// A bound adds up groups. Times are in microseconds, work in cpuUnits times those.
type bound struct {
	speed   float64 // cpuUnits
	timeout float64
	sum     float64 // of the groups that are closed

	// The group that is open. Its times are since its first arrival, so that sums
	// of small differences of large times lose nothing.
	n      int
	first  float64 // arrival
	end    float64 // of its busy period, if nothing more arrives
	alone  float64 // sum d_j
	fast   float64 // sum of latencies under SRPT, of those that are done
	mean   float64 // sum m_j + d_j/2 - a_j
	srpt   pool    // by what is left
	static pool    // by the work in all
	clock  float64
}

// A piece is a request on the fast server.
type piece struct {
	key     float64 // the order
	left    float64 // work
	work    float64 // in all
	arrival float64
}

func (b *bound) add(arrival, duration, cpu float64) {
	work := duration * cpu
	at := arrival - b.first
	if b.n > 0 && (at >= b.end || b.end+work/b.speed > b.timeout) {
		b.close()
	}
	if b.n == 0 {
		b.first, b.end, b.clock, at = arrival, 0, 0, 0
	}
	b.n++
	b.run(at)
	b.end += work / b.speed
	b.alone += duration
	b.mean += duration/2 - at
	b.srpt.push(piece{work, work, work, at})
	b.static.push(piece{work, work, work, at})
}

// run lets the servers work until now.
func (b *bound) run(now float64) {
	for at := b.clock; len(b.srpt) > 0; {
		p := &b.srpt[0]
		done := at + p.left/b.speed
		if done > now {
			// The order of the others does not change: this one had the least left.
			p.left -= (now - at) * b.speed
			p.key = p.left
			break
		}
		at = done
		b.fast += done - p.arrival
		b.srpt.pop()
	}
	for at := b.clock; len(b.static) > 0; {
		p := &b.static[0]
		done := at + p.left/b.speed
		to := min(done, now)
		if p.work > 0 {
			// The share of its work that is done in [at, to], at the mean time of that.
			b.mean += (to - at) * b.speed / p.work * (at + to) / 2
		} else {
			b.mean += at
		}
		if done > now {
			p.left -= (now - at) * b.speed
			break
		}
		at = done
		b.static.pop()
	}
	b.clock = now
}

// close ends the group.
func (b *bound) close() {
	if b.n == 0 {
		return
	}
	b.run(math.Inf(1))
	group := b.alone
	if b.end <= b.timeout { // else it is a single request, longer than the time-out
		group = max(group, b.fast, b.mean)
	}
	b.sum += group
	b.n, b.alone, b.fast, b.mean = 0, 0, 0, 0
	b.srpt, b.static = b.srpt[:0], b.static[:0]
}

// A pool is a heap of the requests on a server.
type pool []piece

func (h *pool) push(p piece) {
	*h = append(*h, p)
	q := *h
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if q[up].key <= q[i].key {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
}

func (h *pool) pop() {
	q := *h
	last := len(q) - 1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && q[c+1].key < q[c].key {
			c++
		}
		if q[i].key <= q[c].key {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	*h = q
}
