package parquet

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sort"

	"github.com/incendio-faas/incendio/datasets"
)

func dayFile(day int) string { return filepath.Join(minutesDir, fmt.Sprintf("day=%03d.parquet", day)) }

// minuteColumns are the columns of a day's counts that say something. A file has the column
// day too, for readers that know it by no other name; stores of before 0.1.0 lack it.
func minuteColumns(function, minute []int32, count []int64) []Column {
	return []Column{{"function", function}, {"minute", minute}, {"count", count}}
}

// dated puts the column day before others. Only its length is that of them: as all its values
// are the same, days of the longest group are kept and shared.
func dated(day []int32, columns []Column) []Column {
	return append([]Column{{"day", day[:columns[0].Len()]}}, columns...)
}

// isDated reports whether a file has the column day.
func isDated(path string) (bool, error) {
	in, err := openFile(path, nil, maxRows)
	if err != nil {
		return false, err
	}
	defer in.close()
	return slices.ContainsFunc(in.want, func(c Column) bool { return c.Name == "day" }), nil
}

// sameDay returns a column of a day, for groups of up to n rows.
func sameDay(day, n int) []int32 {
	return slices.Repeat([]int32{int32(day)}, n)
}

// writeMinutes writes the counts of a day, which has a number in the store. Row groups end where functions do, so that
// the day of a function lies in one of them.
func writeMinutes(fs files, path string, number int, c *datasets.Counts) error {
	var ends []int
	start, last := 0, 0
	for _, end := range c.Offset {
		if end-start > rowGroupRows { // a function has at most one row a minute
			ends = append(ends, last)
			start = last
		}
		last = end
	}
	if last > start {
		ends = append(ends, last)
	}
	longest := 0
	for i, from := 0, 0; i < len(ends); i++ {
		longest, from = max(longest, ends[i]-from), ends[i]
	}
	day := sameDay(number, longest)
	return writeGroups(fs, path, dated(day, minuteColumns(nil, nil, nil)), ends, func(from, to int) []Column {
		// The column is made here, a group at a time: that of a day is as large as the minutes.
		function := make([]int32, to-from)
		f := sort.SearchInts(c.Offset, from+1) - 1
		for i := range function {
			for from+i >= c.Offset[f+1] {
				f++
			}
			function[i] = int32(f)
		}
		return dated(day, minuteColumns(function, c.Minute[from:to], c.Count[from:to]))
	})
}

// A source reads the days of one trace as they are asked for.
type source struct {
	dir       string
	functions int
	days      []dayEntry
}

// Day implements [datasets.Source].
func (s *source) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	whole := datasets.Window{From: day * datasets.MinutesPerDay, To: (day + 1) * datasets.MinutesPerDay}
	c, err := s.DayRange(ctx, day, 0, datasets.FunctionID(s.functions), whole)
	if err != nil {
		return nil, err
	}
	if total := c.Total(); int64(len(c.Minute)) != s.days[day].Rows || total != s.days[day].Invocations {
		return nil, corrupt(fmt.Errorf("%s: %d rows with %d invocations: the manifest says %d and %d",
			filepath.Join(s.dir, dayFile(day)), len(c.Minute), total, s.days[day].Rows, s.days[day].Invocations))
	}
	return c, nil
}

// DayRange implements [datasets.RangeSource]. It reads the row groups whose statistics
// admit one of the functions in one of the minutes. All minutes of a function stand
// together, so that a part of the day spares groups only where no function in them is
// invoked in it.
func (s *source) DayRange(ctx context.Context, day int, from, to datasets.FunctionID, w datasets.Window) (*datasets.Counts, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if day < 0 || day >= len(s.days) {
		return nil, fmt.Errorf("%s: day %d of a trace of %d days", s.dir, day, len(s.days))
	}
	if from < 0 || to < from || int(to) > s.functions {
		return nil, fmt.Errorf("%s: functions [%d, %d): must be in [0, %d)", s.dir, from, to, s.functions)
	}
	path := filepath.Join(s.dir, dayFile(day))
	in, err := openFile(path, minuteColumns(nil, nil, nil), s.days[day].Rows)
	if err != nil {
		return nil, corrupt(err)
	}
	defer in.close()
	if n := in.rows(); n != s.days[day].Rows {
		return nil, corrupt(fmt.Errorf("%s: %d rows: the manifest says %d", path, n, s.days[day].Rows))
	}
	midnight := day * datasets.MinutesPerDay
	var groups []int
	for g := range in.groups() {
		if in.may(g, 0, int64(from), int64(to)) && in.may(g, 1, int64(w.From-midnight), int64(w.To-midnight)) {
			groups = append(groups, g)
		}
	}
	columns, err := in.read(groups)
	if err != nil {
		return nil, corrupt(err)
	}
	c := &datasets.Counts{
		Day:    day,
		Offset: make([]int, to+1),
		Minute: columns[1].Data.([]int32),
		Count:  columns[2].Data.([]int64),
	}
	last := int32(0)
	for i, f := range columns[0].Data.([]int32) {
		if f < last || int(f) >= s.functions {
			return nil, corrupt(fmt.Errorf("%s: column \"function\": row %d of row groups %v: %d after %d: must ascend and be below %d", path, i, groups, f, last, s.functions))
		}
		last = f
		if f < int32(to) {
			c.Offset[f+1]++
		}
	}
	for f := range to {
		c.Offset[f+1] += c.Offset[f]
	}
	c.Minute, c.Count = c.Minute[:c.Offset[to]], c.Count[:c.Offset[to]]
	if err := validateCounts(c); err != nil {
		return nil, corrupt(fmt.Errorf("%s: %w", path, err))
	}
	return c.Range(from, to, w), nil
}

// validateCounts checks what every reader of a day relies on.
func validateCounts(c *datasets.Counts) error {
	n := len(c.Offset) - 1
	if n < 0 || c.Offset[0] != 0 || c.Offset[n] != len(c.Minute) || len(c.Count) != len(c.Minute) {
		return fmt.Errorf("offsets, %d minutes and %d counts do not belong together", len(c.Minute), len(c.Count))
	}
	for f := range n {
		if c.Offset[f] > c.Offset[f+1] {
			return fmt.Errorf("column \"function\": offset %d after %d: must not descend", c.Offset[f+1], c.Offset[f])
		}
		last := int32(-1)
		for i := c.Offset[f]; i < c.Offset[f+1]; i++ {
			if m := c.Minute[i]; m <= last || m >= datasets.MinutesPerDay {
				return fmt.Errorf("column \"minute\": row %d: %d after %d: must ascend within a function and be below %d", i, m, last, datasets.MinutesPerDay)
			}
			last = c.Minute[i]
			if c.Count[i] <= 0 {
				return fmt.Errorf("column \"count\": row %d: %d: must be positive", i, c.Count[i])
			}
		}
	}
	return nil
}
