package table

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Frequency says which times follow a history, as pandas names them: a number, which
// may be left out, and one of
//
//	s, min (or T), h, D, W        seconds, minutes, hours, days, Sundays
//	W-MON … W-SUN, B              that day of the week, working days
//	MS, QS, YS                    first days of months, quarters, years
//	ME, QE, YE (or M, Q, Y)       last days of months, quarters, years
//
// in either case. Days keep the time of the day.
type Frequency struct {
	every int
	unit  string
}

var frequency = regexp.MustCompile(`^([0-9]{0,6})([A-Z]+(?:-[A-Z]{3})?)$`)

// fixed are the units of a fixed length.
var fixed = map[string]time.Duration{"S": time.Second, "MIN": time.Minute, "T": time.Minute, "H": time.Hour, "D": 24 * time.Hour}

// other names of units.
var same = map[string]string{"M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS", "W": "W-SUN"}

// days on which a unit falls.
var days = map[string]func(time.Time) bool{
	"B":  func(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday },
	"MS": func(t time.Time) bool { return t.Day() == 1 },
	"QS": func(t time.Time) bool { return t.Day() == 1 && t.Month()%3 == 1 },
	"YS": func(t time.Time) bool { return t.YearDay() == 1 },
	"ME": func(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 },
	"QE": func(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 && t.Month()%3 == 0 },
	"YE": func(t time.Time) bool { return t.Month() == time.December && t.Day() == 31 },
}

func init() {
	for d := time.Sunday; d <= time.Saturday; d++ {
		days["W-"+strings.ToUpper(d.String()[:3])] = func(t time.Time) bool { return t.Weekday() == d }
	}
}

// ParseFrequency reads a frequency such as D, 5min or MS.
func ParseFrequency(text string) (Frequency, error) {
	bad := fmt.Errorf("frequency must be such as D, 15min, h, W, MS or B, got %q", text)
	m := frequency.FindStringSubmatch(strings.ToUpper(text))
	if m == nil {
		return Frequency{}, bad
	}
	f := Frequency{every: 1, unit: m[2]}
	if m[1] != "" {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 {
			return Frequency{}, bad
		}
		f.every = n
	}
	if u, ok := same[f.unit]; ok {
		f.unit = u
	}
	if fixed[f.unit] == 0 && days[f.unit] == nil {
		return Frequency{}, bad
	}
	return f, nil
}

// After returns the n times that follow t. One after 2089 is an error.
func (f Frequency) After(t time.Time, n int) ([]time.Time, error) {
	out := make([]time.Time, 0, min(n, 1<<20))
	step, on := fixed[f.unit], days[f.unit]
	skip := f.every
	if on != nil && !on(t) {
		skip = 1 // multiples count from the first such day
	}
	for range n {
		if on == nil {
			t = t.Add(time.Duration(f.every) * step)
		}
		for on != nil && skip > 0 {
			if t = t.AddDate(0, 0, 1); on(t) {
				skip--
			}
		}
		if !t.Before(latest) {
			return nil, fmt.Errorf("the horizon of %d steps ends after 2089", n)
		}
		out = append(out, t)
		skip = f.every
	}
	return out, nil
}
