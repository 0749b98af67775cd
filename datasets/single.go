package datasets

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"iter"
	"math"
	"slices"
	"time"
)

// Unknown is the Duration of an invocation whose trace knows when it arrived and not
// how long it took. [Arrivals] draws one from the function's execution times.
const Unknown time.Duration = -time.Microsecond

// Resolution is the unit of the arrival and the duration of a single invocation.
const Resolution = time.Microsecond

// MaxDuration bounds the duration of a single invocation.
const MaxDuration = math.MaxInt64 / 2 / Resolution * Resolution

// An InvocationSource is a [Source] that knows the single invocations of its days, or
// of some of them. The counts that it gives of such a day are those of its invocations.
type InvocationSource interface {
	Source

	// DayInvocations yields the invocations of a day that arrive inside w, in order of
	// arrival and then of function, their durations perhaps [Unknown]. Where ok is
	// false, only the counts of the day are known.
	DayInvocations(ctx context.Context, day int, w Window) (seq iter.Seq2[Invocation, error], ok bool)
}

// DayInvocations implements [InvocationSource] for every trace; ok is false for one
// whose source knows counts only.
func (t *Trace) DayInvocations(ctx context.Context, day int, w Window) (seq iter.Seq2[Invocation, error], ok bool) {
	if s, single := t.Source.(InvocationSource); single {
		return s.DayInvocations(ctx, day, w)
	}
	return nil, false
}

// ExactDays is the number of days whose single invocations are known.
func (t *Trace) ExactDays() int {
	n := 0
	for day := range t.Days() {
		if _, ok := t.DayInvocations(context.Background(), day, t.Span); ok {
			n++
		}
	}
	return n
}

// Singles is an [InvocationSource] that holds the invocations of all days, each in
// order of arrival and then of function.
type Singles [][]Invocation

// Day implements [Source].
func (s Singles) Day(_ context.Context, day int) (*Counts, error) {
	if day < 0 || day >= len(s) {
		return nil, fmt.Errorf("day %d of a trace of %d days", day, len(s))
	}
	tally := NewTally(day)
	for _, inv := range s[day] {
		if err := tally.Add(inv); err != nil {
			return nil, err
		}
	}
	return tally.Counts(), nil
}

// DayInvocations implements [InvocationSource].
func (s Singles) DayInvocations(_ context.Context, day int, w Window) (iter.Seq2[Invocation, error], bool) {
	if day < 0 || day >= len(s) {
		return nil, false
	}
	at := func(minute int) int {
		from := time.Duration(minute) * time.Minute
		i, _ := slices.BinarySearchFunc(s[day], from, func(inv Invocation, d time.Duration) int { return cmp.Compare(inv.Arrival, d) })
		return i
	}
	return All(s[day][at(w.From):max(at(w.From), at(w.To))]), true
}

// All yields the invocations of a slice, as [Sink.Invocations] takes them.
func All(invocations []Invocation) iter.Seq2[Invocation, error] {
	return func(yield func(Invocation, error) bool) {
		for _, inv := range invocations {
			if !yield(inv, nil) {
				return
			}
		}
	}
}

// A Tally checks the invocations of one day as they pass, and makes its counts and its
// digest of them. It holds the counts of the day, and no invocation.
type Tally struct {
	day  int
	last Invocation
	n    int64

	minute  int32   // of the day, the one of last
	count   []int64 // in that minute, by function
	touched []FunctionID
	cells   []cell // of the minutes before, by minute and then by function

	h   hash.Hash
	buf []byte
}

// NewTally returns the tally of a day of which nothing has passed.
func NewTally(day int) *Tally {
	return &Tally{day: day, h: sha256.New(), buf: make([]byte, 0, 1<<14)}
}

// Add takes the next invocation. It is an error if it lies outside the day or comes
// before the one that was last, if its duration is neither [Unknown] nor in
// [0, MaxDuration], or if its times are not multiples of [Resolution].
func (t *Tally) Add(inv Invocation) error {
	const day = MinutesPerDay * time.Minute
	at := inv.Arrival - time.Duration(t.day)*day
	switch {
	case inv.Function < 0:
		return fmt.Errorf("invocation %d: function %d: must not be negative", t.n, inv.Function)
	case at < 0 || at >= day:
		return fmt.Errorf("invocation %d: arrival %v: must be inside day %d", t.n, inv.Arrival, t.day)
	case inv.Arrival%Resolution != 0 || inv.Duration%Resolution != 0:
		return fmt.Errorf("invocation %d: arrival %v, duration %v: must be multiples of %v", t.n, inv.Arrival, inv.Duration, Resolution)
	case inv.Duration != Unknown && (inv.Duration < 0 || inv.Duration > MaxDuration):
		return fmt.Errorf("invocation %d: duration %v: must be unknown or in [0, %v]", t.n, inv.Duration, MaxDuration)
	case t.n > 0 && (inv.Arrival < t.last.Arrival || inv.Arrival == t.last.Arrival && inv.Function < t.last.Function):
		return fmt.Errorf("invocation %d: arrival %v of function %d after %v of function %d: must be in order of arrival, then of function",
			t.n, inv.Arrival, inv.Function, t.last.Arrival, t.last.Function)
	}
	if m := int32(at / time.Minute); m != t.minute {
		t.flush()
		t.minute = m
	}
	if int(inv.Function) >= len(t.count) {
		t.count = append(t.count, make([]int64, int(inv.Function)+1-len(t.count))...)
	}
	if t.count[inv.Function] == 0 {
		t.touched = append(t.touched, inv.Function)
	}
	t.count[inv.Function]++
	t.last = inv
	t.n++

	t.buf = binary.LittleEndian.AppendUint32(t.buf, uint32(inv.Function))
	t.buf = binary.LittleEndian.AppendUint64(t.buf, uint64(inv.Arrival/Resolution))
	t.buf = binary.LittleEndian.AppendUint64(t.buf, uint64(inv.Duration/Resolution))
	if len(t.buf) > cap(t.buf)-20 {
		t.h.Write(t.buf)
		t.buf = t.buf[:0]
	}
	return nil
}

// flush moves the counts of the present minute to the cells.
func (t *Tally) flush() {
	slices.Sort(t.touched)
	for _, f := range t.touched {
		t.cells = append(t.cells, cell{f, t.minute, t.count[f]})
		t.count[f] = 0
	}
	t.touched = t.touched[:0]
}

// Total is the number of invocations that passed.
func (t *Tally) Total() int64 { return t.n }

// Counts are the counts of what passed, of functions up to the last that was invoked.
func (t *Tally) Counts() *Counts {
	t.flush()
	c := &Counts{
		Day: t.day, Offset: make([]int, len(t.count)+1),
		Minute: make([]int32, len(t.cells)), Count: make([]int64, len(t.cells)),
	}
	for _, cell := range t.cells {
		c.Offset[cell.function+1]++
	}
	for f := range t.count {
		c.Offset[f+1] += c.Offset[f]
	}
	next := slices.Clone(c.Offset)
	for _, cell := range t.cells {
		i := next[cell.function]
		c.Minute[i], c.Count[i] = cell.minute, cell.count
		next[cell.function]++
	}
	return c
}

// Digest is the SHA-256 of what passed, in hex: of each invocation function (uint32),
// arrival and duration (int64, in microseconds), little-endian.
func (t *Tally) Digest() string {
	t.h.Write(t.buf)
	t.buf = t.buf[:0]
	return hex.EncodeToString(t.h.Sum(nil))
}
