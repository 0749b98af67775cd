package rows

import (
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

const (
	// maxGap is the longest run of days without a row inside one trace. What lies
	// further from the bulk of the rows is a mistake of a clock.
	maxGap = 31

	// maxDays is the longest trace, ten years.
	maxDays = 3660

	// maxDates bounds what mistakes of a clock can take of memory.
	maxDates = 1 << 17
)

// A Span learns from all rows which days they are on.
type Span struct {
	days    map[int64]*dayRows
	crowded bool // there were more than maxDates

	settled     bool
	first, last int64 // the days that are kept, since 1970; last < first: none
}

// dayRows is what is known of one day.
type dayRows struct {
	rows     int64
	last     int64 // number of its last row among all rows
	from, to int   // the first and last minute with a row
}

// add counts a row, the n-th of all.
func (s *Span) add(n, day int64, minute int) {
	d := s.days[day]
	if d == nil {
		if len(s.days) == maxDates {
			s.crowded = true
			return
		}
		if s.days == nil {
			s.days = map[int64]*dayRows{}
		}
		d = &dayRows{from: minute, to: minute}
		s.days[day] = d
	}
	d.rows++
	d.last = n
	d.from, d.to = min(d.from, minute), max(d.to, minute)
}

// settle decides which days make up the trace: of the groups of days that lie more
// than maxGap apart, the one with most rows, and the earliest of several such.
func (s *Span) settle() error {
	if s.crowded {
		return fmt.Errorf("rows on more than %d different days: a trace must have at most %d", maxDates, maxDays)
	}
	days := s.all()
	s.settled, s.first, s.last = true, 0, -1
	best := int64(0)
	for i := 0; i < len(days); {
		rows := s.days[days[i]].rows
		j := i + 1
		for ; j < len(days) && days[j]-days[j-1] <= maxGap; j++ {
			rows += s.days[days[j]].rows
		}
		if rows > best {
			best, s.first, s.last = rows, days[i], days[j-1]
		}
		i = j
	}
	if s.Days() > maxDays {
		return fmt.Errorf("rows from %s to %s: a trace must have at most %d days", date(s.first), date(s.last), maxDays)
	}
	return nil
}

// all are the days with rows, ascending.
func (s *Span) all() []int64 {
	days := make([]int64, 0, len(s.days))
	for d := range s.days {
		days = append(days, d)
	}
	slices.Sort(days)
	return days
}

// Days is the number of days of the trace.
func (s *Span) Days() int { return int(s.last - s.first + 1) }

// Start is the midnight of its first day.
func (s *Span) Start() time.Time { return time.Unix(s.first*secondsPerDay, 0).UTC() }

// Window is the observed minutes: whole days, or from the first minute with a row to
// the last one.
func (s *Span) Window(whole bool) datasets.Window {
	if whole || s.Days() == 0 {
		return datasets.Window{From: 0, To: max(1, s.Days()) * datasets.MinutesPerDay}
	}
	return datasets.Window{
		From: s.days[s.first].from,
		To:   (s.Days()-1)*datasets.MinutesPerDay + s.days[s.last].to + 1,
	}
}

// Empty are the days of the trace without a row, from 0.
func (s *Span) Empty() []int {
	var empty []int
	for d := s.first; d <= s.last; d++ {
		if s.days[d] == nil {
			empty = append(empty, int(d-s.first))
		}
	}
	return empty
}

// Check says what is wrong with a row on a day: nothing before the span is settled, and
// nothing if it is empty, since then every row was rejected for another reason.
func (s *Span) Check(onDay int64) Fault {
	if s.settled && s.Days() > 0 && (onDay < s.first || onDay > s.last) {
		return Fault{StrayTime, fmt.Sprintf("%s: more than %d days from the others, which run from %s to %s", date(onDay), maxGap, date(s.first), date(s.last))}
	}
	return Fault{}
}

// complete reports whether the n-th row was the last of a day of the trace.
func (s *Span) complete(day int, n int64) bool {
	d := s.days[s.first+int64(day)]
	return d == nil || n >= d.last
}

func date(day int64) string { return time.Unix(day*secondsPerDay, 0).UTC().Format(time.DateOnly) }
