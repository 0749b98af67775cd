package datasets

import (
	"context"
	"runtime"
	"sync"

	"github.com/incendio-faas/incendio/internal/parallel"
)

// SlotMinutes is the length of the slots of [Profile].Day.
const SlotMinutes = 30

// A RateClass is the functions of a trace whose mean rate lies in a range.
type RateClass struct {
	Name        string `json:"class"`
	Functions   int    `json:"functions"`
	Invocations int64  `json:"invocations"` // of these functions
}

// A Profile is what a trace looks like from afar.
type Profile struct {
	// Classes of functions by their mean rate over the whole trace, from rare to busy.
	// The classes are the same for every trace; one may be empty.
	Classes []RateClass `json:"rate_classes"`

	// Day is the course of the day (UTC), from midnight on.
	Day [MinutesPerDay / SlotMinutes]Slot `json:"day"`
}

// A Slot is half an hour of the day, on all days together.
type Slot struct {
	Minutes   int     `json:"minutes"`    // that were observed
	PerMinute float64 `json:"per_minute"` // invocations, on average; 0 without observed minutes
}

// rateClasses are the ranges in which "Serverless in the Wild" (ATC 2020), Fig. 5, looks
// at rates: a class ends at most invocations in minutes, ends included.
var rateClasses = []struct {
	name          string
	most, minutes int64
}{
	{"never", 0, 1},
	{"at most once a day", 1, MinutesPerDay},
	{"at most once an hour", 1, 60},
	{"at most once a minute", 1, 1},
	{"at most once a second", 60, 1},
	{name: "more than once a second"},
}

// RateClassOf numbers the class, from rare to busy as in [Profile].Classes, of a function
// with n invocations in a span of minutes.
func RateClassOf(n int64, minutes int) int { return classOf(n, int64(minutes)) }

// classOf returns the class of a function with n invocations in a span of minutes.
func classOf(n, span int64) int {
	for i, c := range rateClasses[:len(rateClasses)-1] {
		if float64(n)*float64(c.minutes) <= float64(c.most)*float64(span) { // exact below 2^53
			return i
		}
	}
	return len(rateClasses) - 1
}

// Profile reads the whole trace, several days at once, and returns its profile.
func (t *Trace) Profile(ctx context.Context) (Profile, error) {
	work, inside := parallel.WithContext(ctx)
	byFunction := make([]int64, len(t.Functions))
	var slots [MinutesPerDay / SlotMinutes]int64
	days := make(chan int)
	var mu sync.Mutex
	for range min(runtime.GOMAXPROCS(0), max(1, t.Days())) {
		work.Go(func() error {
			for day := range days {
				c, err := t.Day(inside, day)
				if err != nil {
					return err
				}
				// Sums of whole numbers: the order of the days does not matter.
				mu.Lock()
				for f := range byFunction {
					_, count := c.Function(FunctionID(f))
					for _, n := range count {
						byFunction[f] += n
					}
				}
				for i, m := range c.Minute {
					slots[m/SlotMinutes] += c.Count[i]
				}
				mu.Unlock()
			}
			return nil
		})
	}
send:
	for day := range t.Days() {
		select {
		case days <- day:
		case <-inside.Done():
			break send
		}
	}
	close(days)
	if err := work.Wait(); err != nil {
		return Profile{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return Profile{}, err
	}
	p := Profile{Classes: make([]RateClass, len(rateClasses))}
	for i, c := range rateClasses {
		p.Classes[i].Name = c.name
	}
	minutes := int64(t.Observed(t.Span))
	for _, n := range byFunction {
		c := &p.Classes[classOf(n, minutes)]
		c.Functions++
		c.Invocations += n
	}
	for i, n := range slots {
		if minutes := t.observed(i); minutes > 0 {
			p.Day[i] = Slot{minutes, float64(n) / float64(minutes)}
		}
	}
	return p, nil
}

// observed is the number of minutes of a slot of the day that were observed on all days.
func (t *Trace) observed(slot int) int {
	n := 0
	for day := t.Span.From / MinutesPerDay; day*MinutesPerDay < t.Span.To; day++ {
		from := day*MinutesPerDay + slot*SlotMinutes
		n += max(0, min(from+SlotMinutes, t.Span.To)-max(from, t.Span.From))
	}
	for _, g := range t.Gaps {
		for day := g.From / MinutesPerDay; day*MinutesPerDay < g.To; day++ {
			from := day*MinutesPerDay + slot*SlotMinutes
			n -= max(0, min(from+SlotMinutes, g.To)-max(from, g.From))
		}
	}
	return n
}
