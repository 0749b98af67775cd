package table

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Frequency says which times follow a history, by the names that pandas 3.1 has for them.
// It is either a fixed step, of one or more parts that are added, such as 15min, 2h30min
// or 1.5D, of
//
//	s, min, h, D                      seconds, minutes, hours, days of 24 hours
//
// or a number, 1 if left out, and one kind of days, such as 2W or QS-FEB:
//
//	W, W-MON … W-SUN                  Sundays, or that day of the week
//	B, C                              Mondays to Fridays
//	MS, ME, QS, QE, YS, YE            first and last days of months, quarters and years;
//	                                  QS-FEB … and YE-JUN …: counted from, or to, that month
//	BMS, BME, BQS, BQE, BYS, BYE      the first and last of them that are working days
//	SMS, SME, SMS-3, SME-10           1st and 15th (3rd), 15th (10th) and last of the month
//	WOM-2MON, LWOM-FRI                second Mondays and last Fridays of months
//
// or bh, hours from 9 to 17 on working days. Days keep the time of the day. Case counts,
// but for min, D, W, B and C.
type Frequency struct {
	text  string
	step  time.Duration        // of a fixed one, else 0
	every int                  // multiples of the others
	on    func(time.Time) bool // of days, nil of business hours
}

// String is the frequency as it was read.
func (f Frequency) String() string { return f.text }

// fixed are the units of a fixed length.
var fixed = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "min": time.Minute, "h": time.Hour, "D": 24 * time.Hour,
}

// former are names that pandas had once, or that are easily taken for others, and the
// names that are meant.
var former = map[string]string{
	"m": "min (minutes), ME (last days of months) or MS (first days)", "M": "ME (last days of months), MS (first days) or min (minutes)",
	"T": "min (minutes)", "t": "min (minutes)", "H": "h (hours)", "S": "s (seconds)",
	"Q": "QE (last days of quarters) or QS (first days)", "q": "QE (last days of quarters) or QS (first days)",
	"Y": "YE (last days of years) or YS (first days)", "y": "YE (last days of years) or YS (first days)",
	"A": "YE (last days of years) or YS (first days)", "AS": "YS (first days of years)",
	"BM": "BME", "BQ": "BQE", "BY": "BYE", "BA": "BYE", "BAS": "BYS", "SM": "SME", "BH": "bh", "CBH": "bh",
	"L": "s: steps are of whole seconds", "U": "s: steps are of whole seconds", "N": "s: steps are of whole seconds",
	"d": "D", "w": "W", "sec": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "mins": "min",
	"hour": "h", "hours": "h", "hr": "h", "Hour": "h", "day": "D", "days": "D", "Day": "D", "daily": "D", "week": "W", "weeks": "W",
	"month": "MS or ME", "months": "MS or ME", "year": "YS or YE", "years": "YS or YE",
}

// part is a number and a unit.
var part = regexp.MustCompile(`^\s*([+-]?[0-9]{0,9}(?:\.[0-9]{0,9})?)\s*([A-Za-z]+(?:-[0-9A-Za-z]+)?)\s*`)

// ParseFrequency reads a frequency such as D, 5min, 2h30min or MS.
func ParseFrequency(text string) (Frequency, error) {
	f, err := parseFrequency(text)
	if err != nil {
		return Frequency{}, fmt.Errorf("frequency %q: %w", text, err)
	}
	return f, nil
}

func parseFrequency(text string) (Frequency, error) {
	f := Frequency{text: strings.TrimSpace(text)}
	if f.text == "" {
		return f, errors.New("must be such as D, 15min, h, W, MS or B")
	}
	parts := 0
	for rest := f.text; rest != ""; parts++ {
		m := part.FindStringSubmatch(rest)
		if m == nil {
			return f, fmt.Errorf("%q must be a number and a unit such as D, min, h, s, W, MS or B", rest)
		}
		rest = rest[len(m[0]):]
		number, unit := m[1], canonical(m[2])
		if length, ok := fixed[unit]; ok {
			if f.every != 0 {
				return f, fmt.Errorf("%s can not be added to days of the calendar", m[2])
			}
			d, err := multiple(number, length)
			if err != nil {
				return f, err
			}
			if f.step += d; f.step > 100*365*24*time.Hour {
				return f, errors.New("must be at most 100 years")
			}
			continue
		}
		if parts > 0 || rest != "" {
			if _, err := f.calendar(unit); err != nil {
				return f, err
			}
			return f, fmt.Errorf("%s is of the calendar: nothing can be added to it", m[2])
		}
		var err error
		if f.every, err = cardinal(number); err != nil {
			return f, fmt.Errorf("multiples of %s %w", m[2], err)
		}
		if f, err = f.calendar(unit); err != nil {
			return f, err
		}
	}
	if f.every == 0 && (f.step <= 0 || f.step%time.Second != 0) {
		return f, fmt.Errorf("must be a step of whole seconds, at least 1 s, got %v", f.step)
	}
	return f, nil
}

// canonical is a unit whose case does not count as it is written here.
func canonical(unit string) string {
	switch upper := strings.ToUpper(unit); {
	case upper == "MIN":
		return "min"
	case upper == "D", upper == "B", upper == "C", upper == "W", strings.HasPrefix(upper, "W-"):
		return upper
	}
	return unit
}

// multiple is a decimal number of a length.
func multiple(number string, length time.Duration) (time.Duration, error) {
	sign := time.Duration(1)
	if strings.HasPrefix(number, "-") {
		sign = -1
	}
	whole, fraction, _ := strings.Cut(strings.TrimLeft(number, "+-"), ".")
	if whole == "" && fraction == "" {
		return sign * length, nil
	}
	w, _ := strconv.ParseInt(cmp.Or(whole, "0"), 10, 64) // at most 9 digits, by the pattern
	if w > int64(100*365*24*time.Hour/length) {
		return 0, errors.New("must be at most 100 years")
	}
	d, unit := time.Duration(w)*length, length
	for _, c := range fraction {
		if unit%10 != 0 && c != '0' {
			return 0, fmt.Errorf("%s has too many decimals", number)
		}
		unit /= 10
		d += time.Duration(c-'0') * unit
	}
	return sign * d, nil
}

// cardinal is the number of a unit of the calendar.
func cardinal(number string) (int, error) {
	if number == "" || number == "+" {
		return 1, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 1e6 {
		return 0, fmt.Errorf("must be whole and in [1, 1e6], got %s", number)
	}
	return n, nil
}

// calendar is f with the days of a unit.
func (f Frequency) calendar(unit string) (Frequency, error) {
	name, after, dashed := strings.Cut(unit, "-")
	unknown := fmt.Errorf("%q is no unit; units are s, min, h, D, W, B, MS, ME, QS, QE, YS, YE and others of pandas", unit)
	if meant, ok := former[name]; ok {
		return f, fmt.Errorf("%s is no unit, as in pandas: write %s", unit, meant)
	}
	switch name {
	case "W":
		day, ok := time.Sunday, true
		if dashed {
			day, ok = weekday(after)
		}
		if !ok {
			return f, unknown
		}
		f.on = func(t time.Time) bool { return t.Weekday() == day }
		return f, nil
	case "B", "C":
		f.on = workday
	case "bh", "cbh":
	case "MS":
		f.on = func(t time.Time) bool { return t.Day() == 1 }
	case "ME":
		f.on = lastOfMonth
	case "BMS", "CBMS":
		f.on = func(t time.Time) bool { return sameDay(t, firstWorkday(t)) }
	case "BME", "CBME":
		f.on = func(t time.Time) bool { return sameDay(t, lastWorkday(t)) }
	case "QS", "QE", "BQS", "BQE", "YS", "YE", "BYS", "BYE":
		return f.months(name, after, dashed, unknown)
	case "SMS", "SME":
		n := 15
		if dashed {
			var err error
			if n, err = strconv.Atoi(after); err != nil || n < 1 || n > 27 || name == "SMS" && n < 2 {
				return f, fmt.Errorf("%s: the day must be in [%d, 27]", unit, map[string]int{"SMS": 2, "SME": 1}[name])
			}
		}
		f.on = func(t time.Time) bool {
			return t.Day() == n || name == "SMS" && t.Day() == 1 || name == "SME" && lastOfMonth(t)
		}
		return f, nil
	case "WOM", "LWOM":
		return f.weeks(name, after, unknown)
	case "ns", "us", "ms":
		return f, errors.New("must be a step of whole seconds")
	default:
		return f, unknown
	}
	if dashed {
		return f, unknown
	}
	return f, nil
}

// months is f with quarters or years that begin or end with a month.
func (f Frequency) months(name, month string, dashed bool, unknown error) (Frequency, error) {
	at := time.January
	end := name[len(name)-1] == 'E'
	if end {
		at = time.December
	}
	if dashed {
		i := slices.IndexFunc(monthNames, func(n string) bool { return n == month })
		if i < 0 {
			return f, unknown
		}
		at = time.Month(i + 1)
	}
	period := 12
	if strings.Contains(name, "Q") {
		period = 3
	}
	f.on = func(t time.Time) bool {
		if (int(t.Month())-int(at)+12)%period != 0 {
			return false
		}
		switch {
		case name[0] == 'B' && end:
			return sameDay(t, lastWorkday(t))
		case name[0] == 'B':
			return sameDay(t, firstWorkday(t))
		case end:
			return lastOfMonth(t)
		}
		return t.Day() == 1
	}
	return f, nil
}

// weeks is f with a day of a week of the month: 2MON, or FRI for the last.
func (f Frequency) weeks(name, text string, unknown error) (Frequency, error) {
	week := 0
	if name == "WOM" {
		if len(text) != 4 || text[0] < '1' || text[0] > '4' {
			return f, unknown
		}
		week, text = int(text[0]-'0'), text[1:]
	}
	day, ok := weekday(text)
	if !ok {
		return f, unknown
	}
	f.on = func(t time.Time) bool {
		if t.Weekday() != day {
			return false
		}
		if week == 0 {
			return t.AddDate(0, 0, 7).Month() != t.Month()
		}
		return (t.Day()-1)/7 == week-1
	}
	return f, nil
}

var monthNames = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}

func weekday(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.ToUpper(d.String()[:3]) == name {
			return d, true
		}
	}
	return 0, false
}

func lastOfMonth(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 }

func sameDay(a, b time.Time) bool { return a.Day() == b.Day() }

func workday(t time.Time) bool {
	return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday
}

// firstWorkday is the first Monday to Friday of the month of t.
func firstWorkday(t time.Time) time.Time {
	t = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location())
	for !workday(t) {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// lastWorkday is the last Monday to Friday of the month of t.
func lastWorkday(t time.Time) time.Time {
	t = time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, t.Location())
	for !workday(t) {
		t = t.AddDate(0, 0, -1)
	}
	return t
}

// Business hours begin and end at these times of the day.
const opening, closing = 9 * time.Hour, 17 * time.Hour

func timeOfDay(t time.Time) time.Duration { return t.Sub(t.Truncate(24 * time.Hour)) }

// openFrom is t if business is open, the end of the day included, else when it opens next.
func openFrom(t time.Time) time.Time {
	if clock := timeOfDay(t); workday(t) && clock <= closing {
		return t.Add(max(0, opening-clock))
	}
	return nextOpening(t)
}

// nextOpening is when business opens on the next working day.
func nextOpening(t time.Time) time.Time {
	t = t.Truncate(24*time.Hour).AddDate(0, 0, 1)
	for !workday(t) {
		t = t.AddDate(0, 0, 1)
	}
	return t.Add(opening)
}

// addHours is t, when business is open, and n of its hours later.
func addHours(t time.Time, n int) time.Time {
	for rest := time.Duration(n) * time.Hour; rest > 0; {
		left := closing - timeOfDay(t)
		if rest < left {
			return t.Add(rest)
		}
		rest -= left
		t = nextOpening(t)
	}
	return t
}

// After returns the n times that follow t. One after 2089 is an error.
func (f Frequency) After(t time.Time, n int) ([]time.Time, error) {
	out := make([]time.Time, 0, min(n, 1<<20))
	skip := f.every
	if f.on != nil && !f.on(t) {
		skip = 1 // multiples count from the first such day
	}
	for range n {
		switch {
		case f.every == 0:
			t = t.Add(f.step)
		case f.on == nil:
			if first := openFrom(t); first.After(t) {
				t = first
			} else {
				t = addHours(t, f.every)
			}
		default:
			for skip > 0 {
				// A day may be rare, but one that does not come again ends here.
				if t = t.AddDate(0, 0, 1); f.on(t) {
					skip--
				} else if !t.Before(latest) {
					break
				}
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

// maxSteps bounds the rows that Fits looks at.
const maxSteps = 2000

// Fits reports whether most rows of t, of its first thousands, are followed by the next
// row where f says, and the commonest step between rows; 0 if there are no two times.
func (f Frequency) Fits(t *Table) (fits bool, step time.Duration) {
	count := map[time.Duration]int{}
	right, all := 0, 0
	for i := 1; i < len(t.Times) && all < maxSteps; i++ {
		d := t.Times[i].Sub(t.Times[i-1])
		if d == 0 {
			continue
		}
		all++
		if count[d]++; count[d] > count[step] || count[d] == count[step] && d < step {
			step = d
		}
		if next, err := f.After(t.Times[i-1], 1); err == nil && next[0].Equal(t.Times[i]) {
			right++
		}
	}
	return 2*right > all || all == 0, step
}
