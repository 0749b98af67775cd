package rows

import (
	"fmt"
	"strings"
)

// Dated reports an error where the times that a clock has read are not what they were taken for.
func (t *Tables[T]) Dated(c *Clock) error {
	if err := c.Origin(); err != nil {
		return fmt.Errorf("%s: %w", t.Path, err)
	}
	return t.apart(c)
}

// apart reports an error where a column or a folder that is not read has a part of the times, whose
// numbers in the column that is read would then count from another moment than they are taken to: an
// hour beside the minute of it, or a month beside the day of it. Numbers that run too far for that
// need no such part, and a file may well have it besides.
func (t *Tables[T]) apart(c *Clock) error {
	column, run, hour, day := "minute", c.minutes, uint64(minutesPerHour), uint64(minutesPerDay)
	if c.seconds.any {
		column, run, hour, day = "arrival", c.seconds, secondsPerHour, secondsPerDay
	}
	if !run.any { // dates and times, or nothing
		return nil
	}
	leftOut, named := t.Names["day"]
	undated := !c.Dated() && t.Span.Start().Unix()/secondsPerDay-c.startDay() < maxDays && !(named && leftOut == "")
	for _, name := range t.Extra {
		part, folder := strings.CutSuffix(name, "=")
		what := fmt.Sprintf("column %.40q", name)
		if folder {
			what = fmt.Sprintf("folders (%.40s)", name)
		}
		ambiguous, of := false, "dates"
		switch part = strings.ToLower(part); {
		case part == "hour":
			ambiguous, of = run.high < hour, "hours"
		case !undated || !isTime(part+"="):
		case c.days.any && (part == "year" || part == "month"): // the number of a day in its month, or one that counts from the start
			ambiguous = c.days.low >= 1 && c.days.high <= 31
		case c.days.any:
			ambiguous = folder && part != "day"
		case folder:
			ambiguous = true
		default:
			ambiguous = run.high <= day
		}
		if ambiguous {
			return fmt.Errorf("%s: the %s of %s are not read, and %s has numbers that may count from them: write %[4]s with its date, or as a number since 1970%[5]s",
				t.Path, of, what, column, t.asDay(part, folder))
		}
	}
	return nil
}

// asDay is the hint for a column that a reader of days could take for them.
func (t *Tables[T]) asDay(part string, folder bool) string {
	for _, c := range t.Columns {
		if c.Name == "day" && !folder && (part == "date" || part == "dt" || part == "ds") {
			return fmt.Sprintf("; --columns day=%s takes it for the day", part)
		}
	}
	return ""
}
