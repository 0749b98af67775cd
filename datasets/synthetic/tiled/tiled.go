// Package tiled makes a trace of several days where only one day of every function is at
// hand, and several days of the sum of all: it repeats the day, at the level of the sum.
// What comes out is semi-synthetic, and is called so wherever it is shown.
//
// Let s(f, m) be the count of function f in minute m of its day, S(m) their sum, and
// N(d, m) the platform's count on day d, scaled so that all days together have D times the
// invocations of the one. Then function f has
//
//	N(d, m) s(f, m) / S(m)
//
// invocations in minute m of day d, rounded to one of the two whole numbers around it, with
// the chance that makes it right on average, and so that the sum over the functions is
// N(d, m) exactly (systematic sampling: the running sum over the functions, from a random
// start in every minute, gets a point at every whole number). The scaled counts of minutes are whole
// too: each is the difference of rounded running totals, so no error adds up, and the
// total is exact.
//
// From day to day a function varies with the platform and by that rounding, and by nothing
// else: weekends that a function rests on, its own trends and outages, and how much it varies
// by itself, are not in one day of data, and none of them is made up. In a minute in which
// no function was active on its day, the functions share N(d, m) as they share the day.
package tiled

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// Format is the name of the layout on the command line; that of the trace in the store is
// [datasets.SemiSynthetic].
const Format = "tiled"

// version numbers the rules by which traces are made.
const version = 1

// maxDays is the longest trace.
const maxDays = 3660

// Options choose a trace.
type Options struct {
	// Days of the trace, at least 1, and at most as many whole days as the total has.
	// Default 7.
	Days int `json:"days"`

	// Seed of the roundings. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns a week.
func DefaultOptions() Options { return Options{Days: 7, Seed: 1} }

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	if o.Days < 1 || o.Days > maxDays {
		return fmt.Errorf("tiled: days must be in [1, %d], got %d", maxDays, o.Days)
	}
	return nil
}

// An Input makes the trace a day at a time. It implements [datasets.Input].
type Input struct {
	opts          Options
	shapes, total *datasets.Trace
	first         int // whole day of total on which the trace begins

	minutes  [datasets.MinutesPerDay][]share // of the one day
	day      []share                         // of its sum
	level    []int64                         // N by minute of the trace
	observed int64                           // sum of total on the days
	empty    int                             // minutes that are shared as the day is
}

// A share is a function's count, and the sum of those before it.
type share struct {
	function datasets.FunctionID
	count    int64
	before   int64
}

// New reads the first whole day of shapes and as many whole days of total as o says. It is
// an error if they lack them, or have no invocations on them.
func New(ctx context.Context, shapes, total *datasets.Trace, o Options) (*Input, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Input{opts: o, shapes: shapes, total: total}
	day, whole := wholeDays(shapes, 1)
	if whole < 1 {
		return nil, fmt.Errorf("tiled: shapes: trace %q has minutes %v: must have a whole day, from midnight to midnight and without a gap", shapes.Name, shapes.Span)
	}
	if err := in.readShapes(ctx, day); err != nil {
		return nil, fmt.Errorf("tiled: shapes: %w", err)
	}
	if in.first, whole = wholeDays(total, o.Days); whole < o.Days {
		return nil, fmt.Errorf("tiled: total: trace %q has %d whole days on end: must have the %d of the trace", total.Name, whole, o.Days)
	}
	if err := in.readTotal(ctx); err != nil {
		return nil, fmt.Errorf("tiled: total: %w", err)
	}
	return in, nil
}

// wholeDays finds the first n days on end that were observed whole. Where there are none, n
// is the most that there are.
func wholeDays(t *datasets.Trace, n int) (first, most int) {
	run := 0
	for day := range t.Days() {
		from := day * datasets.MinutesPerDay
		if t.Observed(datasets.Window{From: from, To: from + datasets.MinutesPerDay}) < datasets.MinutesPerDay {
			run = 0
			continue
		}
		run++
		if most = max(most, run); run == n {
			return day - n + 1, n
		}
	}
	return 0, most
}

// readShapes keeps the counts of a day by minute.
func (in *Input) readShapes(ctx context.Context, day int) error {
	c, err := in.shapes.Day(ctx, day)
	if err != nil {
		return err
	}
	var sum int64
	for f := range datasets.FunctionID(len(in.shapes.Functions)) {
		minute, count := c.Function(f)
		var own int64
		for i, m := range minute {
			before := int64(0)
			if k := len(in.minutes[m]); k > 0 {
				last := in.minutes[m][k-1]
				before = last.before + last.count
			}
			in.minutes[m] = append(in.minutes[m], share{f, count[i], before})
			own += count[i]
		}
		if own > 0 {
			in.day = append(in.day, share{f, own, sum})
			sum += own
		}
	}
	if sum == 0 {
		return fmt.Errorf("trace %q has no invocations on day %d", in.shapes.Name, day)
	}
	return nil
}

// readTotal scales the sums of minutes.
func (in *Input) readTotal(ctx context.Context) error {
	in.level = make([]int64, in.opts.Days*datasets.MinutesPerDay)
	for d := range in.opts.Days {
		c, err := in.total.Day(ctx, in.first+d)
		if err != nil {
			return err
		}
		for i, m := range c.Minute {
			in.level[d*datasets.MinutesPerDay+int(m)] += c.Count[i]
			in.observed += c.Count[i]
		}
	}
	if in.observed == 0 {
		return fmt.Errorf("trace %q has no invocations on its first %d whole days", in.total.Name, in.opts.Days)
	}
	wanted := in.OneDay() * int64(in.opts.Days)
	var running, last int64
	for i, n := range in.level {
		running += n
		now := muldiv(running, wanted, in.observed/2, in.observed)
		in.level[i], last = now-last, now
		if in.level[i] > 0 && len(in.minutes[i%datasets.MinutesPerDay]) == 0 {
			in.empty++
		}
	}
	return nil
}

// muldiv is (a*b + c) / d, rounded down, without overflow; the result must fit.
func muldiv(a, b, c, d int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	low, carry := bits.Add64(low, uint64(c), 0)
	q, _ := bits.Div64(high+carry, low, uint64(d))
	return int64(q)
}

// OneDay is the number of invocations of the shapes' day, which an average day of the
// trace has.
func (in *Input) OneDay() int64 { return sumOf(in.day) }

// Scale is what the total is multiplied by.
func (in *Input) Scale() float64 {
	return float64(in.OneDay()) * float64(in.opts.Days) / float64(in.observed)
}

func sumOf(shares []share) int64 {
	if len(shares) == 0 {
		return 0
	}
	last := shares[len(shares)-1]
	return last.before + last.count
}

// Provenance implements [datasets.Input]. The source files are the two traces, by the
// digests of their contents.
func (in *Input) Provenance() datasets.Provenance {
	p := datasets.Provenance{
		Format:     datasets.SemiSynthetic,
		Parameters: fmt.Sprintf("tiled=%d days=%d seed=%d", version, in.opts.Days, in.opts.Seed),
		Start:      in.total.Start.Add(time.Duration(in.first) * 24 * time.Hour),
		Span:       datasets.Window{To: in.opts.Days * datasets.MinutesPerDay},
		Notes: []string{
			fmt.Sprintf("semi-synthetic: one day of the trace %s, repeated over %d days at the level per minute of the trace %s times %.6g",
				in.shapes.Name, in.opts.Days, in.total.Name, in.Scale()),
			"functions vary from day to day with the platform alone, and by rounding",
		},
	}
	if in.empty > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("in %d minutes in which no function was active on its day, all share as they share the day", in.empty))
	}
	for _, t := range []*datasets.Trace{in.shapes, in.total} {
		for _, n := range t.Notes {
			p.Notes = append(p.Notes, fmt.Sprintf("of %s: %s", t.Name, n))
		}
	}
	for _, source := range []struct {
		role  string
		trace *datasets.Trace
	}{{"shapes", in.shapes}, {"total", in.total}} {
		p.Files = append(p.Files, datasets.SourceFile{
			Name: source.role + ": trace " + source.trace.Name, SHA256: strings.TrimPrefix(source.trace.Digest, "sha256:"),
		})
	}
	return p
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	if len(known) > 0 {
		return nil, errors.New("tiled: a semi-synthetic trace cannot extend another one")
	}
	files := in.Provenance().Files
	if err := sink.Rows(files[0].Name, int64(len(in.shapes.Functions))); err != nil {
		return nil, err
	}
	if err := sink.Rows(files[1].Name, int64(len(in.level))); err != nil {
		return nil, err
	}
	r := in.newRoom()
	for day := range in.opts.Days {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := sink.Day(in.tile(day, r)); err != nil {
			return nil, err
		}
	}
	return in.shapes.Functions, nil
}

// A room has place for all counts of a day, function by function, and is used for every day.
type room struct {
	start, next []int // by function: where its counts begin, and where the next one goes
	minute      []int32
	count       []int64
	day         datasets.Counts
}

func (in *Input) newRoom() *room {
	n := len(in.shapes.Functions)
	r := &room{start: make([]int, n), next: make([]int, n), day: datasets.Counts{Offset: make([]int, n+1)}}
	most := make([]int, n) // minutes of a function on a day
	for _, shares := range in.minutes {
		if len(shares) == 0 {
			shares = in.day
		}
		for _, s := range shares {
			most[s.function]++
		}
	}
	all := 0
	for f, m := range most {
		r.start[f] = all
		all += m
	}
	r.minute, r.count = make([]int32, all), make([]int64, all)
	return r
}

// tile makes one day, in r.
func (in *Input) tile(day int, r *room) *datasets.Counts {
	copy(r.next, r.start)
	start := seed.Key(in.opts.Seed, "tiled rounding")
	for m := range datasets.MinutesPerDay {
		at := day*datasets.MinutesPerDay + m
		level := in.level[at]
		if level == 0 {
			continue
		}
		shares := in.minutes[m]
		if len(shares) == 0 {
			shares = in.day
		}
		// In units of 1/sum: the running sum before a function is level*before, and the
		// points lie at the multiples of sum, less the random start.
		sum := sumOf(shares)
		from := int64(seed.Uniform(start, uint64(at)) * float64(sum))
		last := int64(0)
		for _, s := range shares {
			now := muldiv(level, s.before+s.count, from, sum)
			if now > last {
				i := r.next[s.function]
				r.minute[i], r.count[i] = int32(m), now-last
				r.next[s.function]++
			}
			last = now
		}
	}
	// Closed up in place: counts only ever move towards the front.
	n := 0
	for f, from := range r.start {
		r.day.Offset[f] = n
		copy(r.minute[n:], r.minute[from:r.next[f]])
		n += copy(r.count[n:], r.count[from:r.next[f]])
	}
	r.day.Offset[len(r.start)] = n
	r.day.Day, r.day.Minute, r.day.Count = day, r.minute[:n], r.count[:n]
	return &r.day
}
