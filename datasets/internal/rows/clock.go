package rows

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/internal/missing"
)

const (
	minutesPerHour = 60
	minutesPerDay  = 24 * 60
	secondsPerHour = 60 * 60
	secondsPerDay  = 24 * 60 * 60

	// Micro is the number of microseconds in a second.
	Micro = 1_000_000

	// MicrosPerDay is the number of microseconds in a day.
	MicrosPerDay = secondsPerDay * Micro

	// endOfTime is the midnight after 31 December 9999, in seconds since 1970.
	endOfTime = 253402300800
)

// A Clock reads the times of all rows of an input, which are written in one way: as
// dates, or as numbers that count from Start. The first row that is neither decides.
//
// Times come out as a day since 1 January 1970 and the microseconds in it.
type Clock struct {
	Start        time.Time // midnight UTC from which numbers count; zero: 1 January 1970
	DayOrigin    int       // number of the first day, 0 or 1
	MinuteOrigin int       // number of the first minute of a day, or of all; 0 or 1

	// Zone is where clocks showed the dates and times that are written without a zone;
	// nil: UTC. Of a time that clocks showed twice, when they were put back, the first is
	// taken; one that they never showed is a fault of its row.
	Zone *time.Location

	kind  timeKind
	early int    // dates of the seventies
	naive int    // dates and times without a zone
	twice int    // of them, those that clocks showed twice
	grain uint64 // greatest common divisor of minutes that are numbers of their own
	rows  int    // of such that are not 0
	first bool   // minute number 0 of a day was there
	last  bool   // minute number 1440 was

	minutes, seconds, days extent // of numbers, as they are written
}

// An extent is how far the numbers of a column run.
type extent struct {
	low, high uint64
	any       bool
}

func (e *extent) add(n uint64) {
	if !e.any {
		e.low, e.any = n, true
	}
	e.low, e.high = min(e.low, n), max(e.high, n)
}

type timeKind int

const (
	undecided timeKind = iota
	dates
	numbers
)

func (k timeKind) String() string { return [...]string{"", "a date and time", "a number"}[k] }

// Dated reports whether the rows say on which day they were.
func (c *Clock) Dated() bool { return c.kind == dates }

// settle makes sure that all rows are of one kind.
func (c *Clock) settle(k timeKind, column string, cell []byte) Fault {
	if c.kind == undecided {
		c.kind = k
	}
	if c.kind != k {
		return Fault{BadTime, fmt.Sprintf("%s %.40q: must be %v as in the rows before", column, cell, c.kind)}
	}
	return Fault{}
}

// Minute reads the cells of day and minute; day is nil where the files have none.
func (c *Clock) Minute(day, minute []byte, hasDay bool) (onDay int64, at int, fault Fault) {
	minute = bytes.TrimSpace(minute)
	if missing.Is(minute) {
		return 0, 0, Fault{BadTime, "minute is missing"}
	}
	n, number := whole(minute)
	if !number {
		// A minute that is named by a later second is the same minute.
		seconds, _, ok, fault := c.time("minute", minute)
		switch {
		case fault.Reason != "":
			return 0, 0, fault
		case !ok && negative(minute):
			return 0, 0, Fault{BadTime, fmt.Sprintf("minute %.40q: must not be negative", minute)}
		case !ok:
			return 0, 0, Fault{BadTime, fmt.Sprintf("minute %.40q: must be a whole number, or a date and time as in RFC 3339", minute)}
		case hasDay && !sameDay(day, minute, seconds):
			return 0, 0, Fault{BadTime, fmt.Sprintf("minute %.40q: must be a number beside a column day; --columns day= leaves that out", minute)}
		}
		if fault := c.date("minute", minute, seconds); fault.Reason != "" {
			return 0, 0, fault
		}
		return seconds / secondsPerDay, int(seconds % secondsPerDay / 60), c.settle(dates, "minute", minute)
	}
	origin := uint64(c.MinuteOrigin)
	if !hasDay {
		if n < origin {
			return 0, 0, Fault{BadTime, fmt.Sprintf("minute %d: must be at least %d", n, origin)}
		}
		n -= origin
		if fault := c.number("minute", minute, float64(n), time.Minute); fault.Reason != "" {
			return 0, 0, fault
		}
		c.minutes.add(n)
		if n > 0 {
			c.rows++
			if c.grain != 1 {
				c.grain = gcd(c.grain, n)
			}
		}
		return c.startDay() + int64(n/minutesPerDay), int(n % minutesPerDay), c.settle(numbers, "minute", minute)
	}
	c.first = c.first || n == 0
	c.last = c.last || n == minutesPerDay
	if n < origin || n >= minutesPerDay+origin {
		return 0, 0, Fault{BadTime, fmt.Sprintf("minute %d: must be in [%d, %d]%s", n, origin, minutesPerDay-1+origin, besideDay(float64(n)))}
	}
	c.minutes.add(n)
	onDay, fault = c.day(day)
	return onDay, int(n - origin), fault
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// sameDay reports whether a day, of a folder for instance, is the date of a time, as it is
// written or in UTC.
func sameDay(day, cell []byte, seconds int64) bool {
	date := time.Unix(seconds, 0).UTC()
	text := string(trimMidnight(bytes.TrimSpace(day)))
	return text == string(cell[:min(len(cell), len(time.DateOnly))]) || text == date.Format(time.DateOnly) || text == date.Format("20060102")
}

// besideDay says of a minute beside a column day what it would be without.
func besideDay(n float64) string {
	hint := LooksLike(n, 0)
	if hint != "" {
		hint += "; it says the day too: --columns day= leaves that out"
	}
	return hint
}

// day reads the cell of a day: its number, or its date as YYYY-MM-DD or YYYYMMDD, perhaps
// with the time of midnight, as programs write it that know no other dates.
func (c *Clock) day(day []byte) (onDay int64, fault Fault) {
	day = bytes.TrimSpace(day)
	text := string(trimMidnight(day))
	layout := time.DateOnly
	if d, ok := whole(day); ok {
		if date, err := time.Parse("20060102", text); err != nil || !inEra(float64(date.Unix())) {
			if d < uint64(c.DayOrigin) {
				return 0, Fault{BadTime, fmt.Sprintf("day %d: must be at least %d", d, c.DayOrigin)}
			}
			c.days.add(d)
			d -= uint64(c.DayOrigin)
			if fault := c.number("day", day, float64(d), 24*time.Hour); fault.Reason != "" {
				return 0, fault
			}
			return c.startDay() + int64(d), c.settle(numbers, "day", day)
		}
		layout = "20060102"
	}
	date, err := time.Parse(layout, text)
	if err != nil || date.Unix() < 0 {
		return 0, Fault{BadTime, fmt.Sprintf("day %.40q: must be a whole number or YYYY-MM-DD from 1970 on", day)}
	}
	if fault := c.date("day", day, date.Unix()); fault.Reason != "" {
		return 0, fault
	}
	return date.Unix() / secondsPerDay, c.settle(dates, "day", day)
}

// trimMidnight takes the time of midnight off a date.
func trimMidnight(cell []byte) []byte {
	if len(cell) <= len(time.DateOnly) || cell[10] != ' ' && cell[10] != 'T' {
		return cell
	}
	switch clock, fraction, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(string(cell[11:]), "Z"), "+00:00"), "."); {
	case clock == "00:00:00" && strings.Trim(fraction, "0") == "":
		return cell[:10]
	}
	return cell
}

// Arrival reads the cell of a time in seconds or as RFC 3339.
func (c *Clock) Arrival(cell []byte) (onDay, micros int64, fault Fault) {
	cell = bytes.TrimSpace(cell)
	if missing.Is(cell) {
		return 0, 0, Fault{BadTime, "arrival is missing"}
	}
	if seconds, micros, ok, fault := c.time("arrival", cell); fault.Reason != "" {
		return 0, 0, fault
	} else if ok {
		if fault := c.date("arrival", cell, seconds); fault.Reason != "" {
			return 0, 0, fault
		}
		return seconds / secondsPerDay, seconds%secondsPerDay*Micro + micros, c.settle(dates, "arrival", cell)
	}
	seconds, micros, ok := parseSeconds(cell)
	if !ok {
		v, fault := Number("arrival", cell, math.MaxFloat64)
		switch {
		case fault.Reason == NegativeNumber:
			return 0, 0, Fault{BadTime, fmt.Sprintf("arrival %.40q: must not be negative", cell)}
		case fault.Reason != "":
			return 0, 0, Fault{BadTime, fmt.Sprintf("arrival %.40q: must be a number of seconds, or a date and time as in RFC 3339", cell)}
		}
		if fault := c.number("arrival", cell, v, time.Second); fault.Reason != "" {
			return 0, 0, fault
		}
		seconds = int64(v)
		micros = int64((v - float64(seconds)) * Micro)
	}
	if fault := c.number("arrival", cell, float64(seconds), time.Second); fault.Reason != "" {
		return 0, 0, fault
	}
	c.seconds.add(uint64(seconds))
	return c.startDay() + seconds/secondsPerDay, seconds%secondsPerDay*Micro + micros, c.settle(numbers, "arrival", cell)
}

func (c *Clock) startDay() int64 {
	if c.Start.IsZero() {
		return 0
	}
	return c.Start.Unix() / secondsPerDay
}

// Origin reports an error if the minutes that were seen run from the other origin,
// so that one in 1440 rows would be rejected and the rest shifted by a minute, or if a zone
// is said though every time that was seen has its own, or none needs one.
func (c *Clock) Origin() error {
	switch {
	case c.Zone != nil && c.naive == 0 && c.kind != undecided:
		return fmt.Errorf("zone %v says nothing: no time here is a date and time without a zone (days and minutes that are numbers are of UTC)", c.Zone)
	case c.MinuteOrigin == 0 && c.last && !c.first:
		return fmt.Errorf("minutes run to %d and none is 0: say --minute-origin 1", minutesPerDay)
	case c.MinuteOrigin == 1 && c.first && !c.last:
		return fmt.Errorf("minutes run from 0 and none is %d: say --minute-origin 0", minutesPerDay)
	}
	return nil
}

// whole parses a whole number, which programs that hold all numbers as floats write as 5.0 or
// 1.7e+12.
func whole(cell []byte) (uint64, bool) {
	if n, ok := natural(trimZeroFraction(cell), 19); ok {
		return n, true
	}
	v, fault := Number("", cell, 1e19)
	return uint64(v), fault.Reason == "" && v == math.Trunc(v)
}

func negative(cell []byte) bool {
	_, fault := Number("", cell, 0)
	return fault.Reason == NegativeNumber
}

// trimZeroFraction takes the ".0" off a whole number that was held as a float.
func trimZeroFraction(cell []byte) []byte {
	if whole, fraction, ok := bytes.Cut(cell, []byte(".")); ok && len(fraction) > 0 && len(bytes.Trim(fraction, "0")) == 0 {
		return whole
	}
	return cell
}

// parseSeconds parses digits with perhaps a fraction, which is cut to microseconds.
func parseSeconds(cell []byte) (seconds, micros int64, ok bool) {
	whole, fraction, point := bytes.Cut(cell, []byte("."))
	n, ok := natural(whole, 12)
	if !ok || n >= endOfTime || point && len(fraction) == 0 {
		return 0, 0, false
	}
	micros, ok = parseFraction(fraction)
	return int64(n), micros, ok
}

// parseFraction parses the digits after a decimal point as microseconds.
func parseFraction(fraction []byte) (micros int64, ok bool) {
	for i, unit := 0, int64(Micro/10); i < len(fraction); i, unit = i+1, unit/10 {
		c := fraction[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		micros += int64(c-'0') * unit
	}
	return micros, true
}

// parseTime parses a time after RFC 3339, with a T or a space between date and time,
// from 1970 to 9999, as seconds since 1970 and microseconds. A leap second counts as
// the second before it.
func parseTime(cell []byte) (seconds, micros int64, ok bool) {
	if len(cell) < len("2006-01-02T15:04:05Z") || cell[4] != '-' || cell[7] != '-' || cell[13] != ':' || cell[16] != ':' {
		return 0, 0, false
	}
	if t := cell[10]; t != 'T' && t != 't' && t != ' ' {
		return 0, 0, false
	}
	var part [6]uint64
	for i, at := range [6]struct{ from, to int }{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		if part[i], ok = natural(cell[at.from:at.to], 4); !ok {
			return 0, 0, false
		}
	}
	year, month, day, hour, minute, second := part[0], part[1], part[2], part[3], part[4], part[5]
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, false
	}
	rest := cell[19:]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		if n == 1 || n == len(rest) {
			return 0, 0, false
		}
		micros, _ = parseFraction(rest[1:n])
		rest = rest[n:]
	}
	offset := int64(0)
	switch {
	case len(rest) == 1 && (rest[0] == 'Z' || rest[0] == 'z'):
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		h, ok1 := natural(rest[1:3], 2)
		m, ok2 := natural(rest[4:6], 2)
		if !ok1 || !ok2 || h > 23 || m > 59 {
			return 0, 0, false
		}
		if offset = int64(h*3600 + m*60); rest[0] == '-' {
			offset = -offset
		}
	default:
		return 0, 0, false
	}
	if second == 60 {
		second, micros = 59, Micro-1
	}
	seconds = days(int64(year), int64(month), int64(day))*secondsPerDay + int64(hour*3600+minute*60+second) - offset
	return seconds, micros, seconds >= 0 && seconds < endOfTime
}

func daysIn(year, month uint64) uint64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// days is the number of days from 1 January 1970 to a date of the Gregorian calendar.
// The year is taken to begin in March, so that the leap day is its last; 153 days are
// any five months from there on, and 719468 the days from 1 March of year 0 to 1970.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468
}
