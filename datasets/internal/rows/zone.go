package rows

import (
	"bytes"
	"fmt"
	"time"
	_ "time/tzdata" // zones are the same where the system has none
)

// time reads a date and time: after RFC 3339, or in the looser forms of parseWritten. What has
// no zone is of the clock's. ok is false where the cell is none of these.
func (c *Clock) time(column string, cell []byte) (seconds, micros int64, ok bool, fault Fault) {
	if seconds, micros, ok = parseTime(cell); ok {
		return seconds, micros, true, Fault{}
	}
	seconds, micros, zoned, ok := parseWritten(cell)
	if !ok || zoned {
		return seconds, micros, ok, Fault{}
	}
	c.naive++
	if c.Zone == nil {
		return seconds, micros, true, Fault{}
	}
	at, times := instant(seconds, c.Zone)
	switch {
	case times == 0:
		return 0, 0, false, Fault{BadTime, fmt.Sprintf("%s %.40q: clocks never showed this in %v, where they were put forward", column, cell, c.Zone)}
	case times == 2:
		c.twice++
	}
	return at, micros, at >= 0 && at < endOfTime, Fault{}
}

// instant is the first moment, in seconds since 1970, at which clocks in a zone showed what
// UTC shows at wall, and how often they showed it: 0, 1 or 2 times. A zone has at most one
// change within the day before and after.
func instant(wall int64, zone *time.Location) (at int64, times int) {
	offset := func(at int64) int64 {
		_, seconds := time.Unix(at, 0).In(zone).Zone()
		return int64(seconds)
	}
	before, after := offset(wall-secondsPerDay), offset(wall+secondsPerDay)
	first, second := wall-before, wall-after
	if offset(first) == before {
		at, times = first, 1
	}
	if second != first && offset(second) == after {
		if times == 0 || second < at {
			at = second
		}
		times++
	}
	return at, times
}

// parseWritten reads what programs write that leave something of RFC 3339 out, or put it
// otherwise: no zone, no seconds, slashes in the date, and zones such as +0000, +00, UTC, or
// " +0000 UTC" of Go. Without a zone the time is read as if it were of UTC.
func parseWritten(cell []byte) (seconds, micros int64, zoned, ok bool) {
	const shortest, longest = len("2006-01-02 15:04"), 64
	if len(cell) < shortest || len(cell) > longest || cell[4] != cell[7] || cell[4] != '-' && cell[4] != '/' {
		return 0, 0, false, false
	}
	var room [longest + len(":00+00:00")]byte
	t := append(room[:0], cell[:shortest]...)
	t[4], t[7] = '-', '-'
	rest := cell[shortest:]
	if len(rest) > 0 && rest[0] == ':' {
		n := 1
		for n < len(rest) && (rest[n] == '.' || '0' <= rest[n] && rest[n] <= '9') {
			n++
		}
		t, rest = append(t, rest[:n]...), rest[n:]
	} else {
		t = append(t, ":00"...)
	}
	rest = bytes.TrimLeft(rest, " ")
	if bytes.Equal(rest, []byte("+0000 UTC")) {
		rest = rest[len("+0000 "):]
	}
	zoned = len(rest) > 0
	switch {
	case !zoned, len(rest) == 3 && (bytes.EqualFold(rest, []byte("utc")) || bytes.EqualFold(rest, []byte("gmt"))):
		t = append(t, 'Z')
	case rest[0] != '+' && rest[0] != '-': // Z, or no time
		t = append(t, rest...)
	case len(rest) == len("+00"):
		t = append(append(t, rest...), ":00"...)
	case len(rest) == len("+0000"):
		t = append(append(append(t, rest[:3]...), ':'), rest[3:]...)
	default:
		t = append(t, rest...)
	}
	seconds, micros, ok = parseTime(t)
	return seconds, micros, zoned, ok
}
