package rows

import (
	"fmt"
	"math"
	"time"
)

// Traces are of these years: the first logs of web servers that are still replayed are of
// 1994, and nobody has recorded the next century. A time elsewhere is in another unit.
const (
	eraBegins = 631_152_000   // 1990, in seconds since 1970
	eraEnds   = 4_102_444_800 // 2100
)

// units are those in which programs write times since 1970, and minutes. What is a date of the
// era in one of them is none in any other.
var units = []struct {
	name string
	unit time.Duration
}{
	{"minutes", time.Minute}, {"seconds", time.Second}, {"milliseconds", time.Millisecond},
	{"microseconds", time.Microsecond}, {"nanoseconds", time.Nanosecond},
}

// inEra reports whether a time in seconds since 1970 is one that a trace may have.
func inEra(seconds float64) bool { return seconds >= eraBegins && seconds < eraEnds }

// LooksLike says of a number, which is no time in the unit that was expected, in which unit of
// a second or less it would be one since 1970: "; it looks like milliseconds since 1970, 2024-02-29", or "".
func LooksLike(v float64, expected time.Duration) string {
	for _, u := range units {
		if seconds := v * u.unit.Seconds(); u.unit != expected && u.unit <= time.Second && inEra(seconds) {
			return fmt.Sprintf("; it looks like %s since 1970, %s", u.name, time.Unix(int64(seconds), 0).UTC().Format(time.DateOnly))
		}
	}
	return ""
}

// Absolute checks a time that counts from 1970 in a unit: it must be a date of the era, or of
// the first ten years where no other unit makes one of it, as logs of simulations have. The
// fault says which unit would fit.
func Absolute(column string, cell []byte, v float64, unit time.Duration) Fault {
	seconds, hint := v*unit.Seconds(), LooksLike(v, unit)
	if inEra(seconds) || seconds < maxDays*secondsPerDay && hint == "" {
		return Fault{}
	}
	return Fault{BadTime, fmt.Sprintf("%s %.40q: as %s since 1970 it is the year %s%s", column, cell, nameOf(unit), year(seconds), hint)}
}

// nameOf is the name of a unit, of which days are the longest.
func nameOf(unit time.Duration) string {
	for _, u := range units {
		if u.unit == unit {
			return u.name
		}
	}
	return "days"
}

// year is that of a time in seconds since 1970, roughly where it has more than four digits.
func year(seconds float64) string {
	if math.Abs(seconds) < 200_000_000_000 {
		return fmt.Sprint(time.Unix(int64(seconds), 0).UTC().Year())
	}
	return fmt.Sprintf("%.3g", 1970+seconds/31_556_952)
}

// number checks a time that is a number of units from the start. It may be as far from it as
// a trace is long; without a start, from 1970, it may also be a date of the era.
func (c *Clock) number(column string, cell []byte, v float64, unit time.Duration) Fault {
	seconds := v * unit.Seconds()
	switch {
	case seconds < maxDays*secondsPerDay, c.startDay() == 0 && inEra(seconds):
		return Fault{}
	case c.startDay() == 0:
		return Fault{BadTime, fmt.Sprintf("%s %.40q: as %s since 1970 it is the year %s%s", column, cell, nameOf(unit), year(seconds), LooksLike(v, unit))}
	}
	hint := LooksLike(v, unit)
	if hint == "" && inEra(seconds) {
		hint = fmt.Sprintf("; it looks like one since 1970, %s, so leave out --start", time.Unix(int64(seconds), 0).UTC().Format(time.DateOnly))
	}
	return Fault{BadTime, fmt.Sprintf("%s %.40q: counted from %s it is the year %s%s", column, cell,
		c.Start.UTC().Format(time.DateOnly), year(float64(c.Start.Unix())+seconds), hint)}
}

// date checks a time that is written as a date: of the era, of the years behind 1970 where the
// dates of relative times are, or behind a start that asks for it.
func (c *Clock) date(column string, cell []byte, seconds int64) Fault {
	const length = maxDays * secondsPerDay
	start := c.startDay() * secondsPerDay
	switch {
	case inEra(float64(seconds)), start > 0 && seconds >= start && seconds < start+length:
		return Fault{}
	case seconds < length:
		c.early++
		return Fault{}
	}
	return Fault{BadTime, fmt.Sprintf("%s %.40q: must be a date from 1990 to 2099; --start says that others are right", column, cell)}
}
