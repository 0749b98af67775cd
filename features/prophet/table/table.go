// Package table reads and continues histories in the form that users of Prophet know:
// CSV files with the columns ds and y, and files of holidays.
package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/bom"
	"github.com/incendio-faas/incendio/internal/missing"
)

// A Table is a history: rows in order of time, UTC. Rows of equal times stay as they
// stood in the file.
type Table struct {
	Times   []time.Time
	Y       []float64 // NaN where the value is missing
	Columns prophet.Columns
}

// Wanted names the columns to read beside ds, y, cap and floor.
type Wanted struct {
	Conditions []string // true or false
	Regressors []string // numbers, or true and false for 1 and 0
}

// ErrNoRows is returned for a table without rows.
var ErrNoRows = errors.New("no rows")

// Read reads a CSV file with a header; name is for messages, which say file:line. The
// columns ds and y must be there, cap and floor may, and those that are wanted must.
// Others are not looked at. A value of y, a capacity, a floor or a regressor is missing
// if it is empty or a word for that (package missing); infinite ones are an error.
func Read(r io.Reader, name string, want Wanted) (*Table, error) {
	rows, err := open(r, name, append(append([]string{"ds", "y"}, want.Conditions...), want.Regressors...))
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: prophet.Columns{}}
	if len(want.Conditions) > 0 {
		t.Columns.Conditions = map[string][]bool{}
	}
	if len(want.Regressors) > 0 {
		t.Columns.Regressors = map[string][]float64{}
	}
	for rows.next() {
		t.Times = append(t.Times, rows.time("ds"))
		t.Y = append(t.Y, rows.number("y"))
		if rows.has("cap") {
			t.Columns.Cap = append(t.Columns.Cap, rows.number("cap"))
		}
		if rows.has("floor") {
			t.Columns.Floor = append(t.Columns.Floor, rows.number("floor"))
		}
		for _, c := range want.Conditions {
			t.Columns.Conditions[c] = append(t.Columns.Conditions[c], rows.truth(c))
		}
		for _, c := range want.Regressors {
			t.Columns.Regressors[c] = append(t.Columns.Regressors[c], rows.regressor(c))
		}
	}
	if rows.err != nil {
		return nil, rows.err
	}
	if len(t.Times) == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrNoRows)
	}
	t.sort()
	return t, nil
}

// sort puts the rows in order of time.
func (t *Table) sort() {
	order := make([]int, len(t.Times))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return t.Times[a].Compare(t.Times[b]) })
	t.Times, t.Y, t.Columns = pick(t.Times, order), pick(t.Y, order), t.Columns.At(order)
}

func pick[T any](v []T, at []int) []T {
	out := make([]T, len(at))
	for i, j := range at {
		out[i] = v[j]
	}
	return out
}

// Values is the number of values that are not missing.
func (t *Table) Values() int {
	n := 0
	for _, v := range t.Y {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// Span is the time from the first to the last value that is not missing, and the
// smallest step between two of them that is not 0; 0 if there are fewer than two.
func (t *Table) Span() (span, step time.Duration) {
	var first, last time.Time
	seen := false
	for i, at := range t.Times {
		if math.IsNaN(t.Y[i]) {
			continue
		}
		if !seen {
			first, seen = at, true
		} else if d := at.Sub(last); d > 0 && (step == 0 || d < step) {
			step = d
		}
		last = at
	}
	return last.Sub(first), step
}

// ReadHolidays reads a CSV file with the columns holiday and ds, and if there are any,
// lower_window and upper_window (whole days) and prior_scale. Missing ones are 0, which
// leaves the prior scale to the model. The holidays are in order of name.
func ReadHolidays(r io.Reader, name string) ([]prophet.Holiday, error) {
	rows, err := open(r, name, []string{"holiday", "ds"})
	if err != nil {
		return nil, err
	}
	all := map[string]*prophet.Holiday{}
	for rows.next() {
		label := strings.TrimSpace(rows.text("holiday"))
		if label == "" {
			rows.fail("holiday must have a name")
			break
		}
		day := prophet.DayOf(rows.time("ds"))
		window := [2]int{rows.days("lower_window"), rows.days("upper_window")}
		if window[0] > 0 || window[1] < 0 {
			rows.fail(fmt.Sprintf("lower_window must be at most 0 and upper_window at least 0, got %d and %d", window[0], window[1]))
		}
		scale := 0.
		if rows.has("prior_scale") {
			if v := rows.number("prior_scale"); !math.IsNaN(v) {
				if scale = v; v <= 0 {
					rows.fail(fmt.Sprintf("prior_scale must be > 0, got %g", v))
				}
			}
		}
		h := all[label]
		if h == nil {
			h = &prophet.Holiday{Name: label, PriorScale: scale}
			all[label] = h
		} else if h.PriorScale != scale {
			rows.fail(fmt.Sprintf("prior_scale of %q must be the same on all its days, got %g and %g", label, h.PriorScale, scale))
		}
		h.Dates, h.Windows = append(h.Dates, day), append(h.Windows, window)
		h.LowerWindow, h.UpperWindow = min(h.LowerWindow, window[0]), max(h.UpperWindow, window[1])
	}
	if rows.err != nil {
		return nil, rows.err
	}
	var out []prophet.Holiday
	for _, label := range slices.Sorted(maps.Keys(all)) {
		h := *all[label]
		if !slices.ContainsFunc(h.Windows, func(w [2]int) bool { return w != [2]int{h.LowerWindow, h.UpperWindow} }) {
			h.Windows = nil
		}
		out = append(out, h)
	}
	return out, nil
}

// rows walks over the rows of a CSV file. Its first error ends the walk.
type rows struct {
	name   string
	csv    *csv.Reader
	column map[string]int
	row    []string
	layout string // of the last time
	err    error
}

func open(r io.Reader, name string, needed []string) (*rows, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if bom.UTF16(data) {
		return nil, fmt.Errorf("%s: the file is in UTF-16; it must be in UTF-8", name)
	}
	t := &rows{name: name, layout: layouts[0], csv: csv.NewReader(bytes.NewReader(bom.Trim(data))), column: map[string]int{}}
	t.csv.ReuseRecord = true
	header, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file is empty: it must begin with a header such as %s", name, strings.Join(needed, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i, c := range header {
		c = strings.TrimSpace(c)
		if _, twice := t.column[c]; twice {
			return nil, fmt.Errorf("%s:1: column %q is there twice", name, c)
		}
		t.column[c] = i
	}
	for _, c := range needed {
		if !t.has(c) {
			return nil, fmt.Errorf("%s:1: there is no column %q in %q", name, c, header)
		}
	}
	return t, nil
}

func (t *rows) has(column string) bool {
	_, ok := t.column[column]
	return ok
}

func (t *rows) next() bool {
	if t.err != nil {
		return false
	}
	var err error
	if t.row, err = t.csv.Read(); err != nil {
		if !errors.Is(err, io.EOF) {
			t.err = fmt.Errorf("%s: %w", t.name, err)
		}
		return false
	}
	return true
}

// fail keeps the first error of the present row.
func (t *rows) fail(what string) {
	if t.err == nil {
		line, _ := t.csv.FieldPos(0)
		t.err = fmt.Errorf("%s:%d: %s", t.name, line, what)
	}
}

func (t *rows) text(column string) string { return t.row[t.column[column]] }

// layouts of ds: a day, a time of it in most of them, and a zone; the most usual first.
// Days without a sign between them are read as such, also where they look like a number.
// Days in which day and month could be taken for each other, 01/02/2024, are in none.
var layouts = func() []string {
	var all []string
	for _, day := range []string{"2006-1-2", "2006/1/2", "20060102"} {
		all = append(all, day)
		for _, clock := range []string{" 15:04:05", "T15:04:05", " 15:04", "T15:04", "T15", "T150405", "T1504"} {
			for _, zone := range []string{"", "Z07:00", "Z0700", "Z07", " Z07:00", " Z0700", " UTC"} {
				all = append(all, day+clock+zone)
			}
		}
	}
	return append(all, "2006-1", "2006/1", "2006", "20060102150405")
}()

// Limits of ds: within them, the difference of two times is a time.Duration.
var (
	earliest = time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (t *rows) time(column string) time.Time {
	at, layout, err := parseTime(t.text(column), t.layout)
	if t.layout = layout; err != nil {
		t.fail(column + " " + err.Error())
	}
	return at
}

// ParseTime reads a time as it stands in a column ds: a day or a time, UTC if it names no
// zone, from 1800 to 2089. A month or a year alone is its first day.
func ParseTime(text string) (time.Time, error) {
	at, _, err := parseTime(text, layouts[0])
	return at, err
}

// parseTime tries first, a layout, before all others, and returns the one that fits.
func parseTime(text, first string) (time.Time, string, error) {
	text = strings.TrimSpace(text)
	at, err := time.Parse(first, text)
	for _, l := range layouts {
		if err == nil {
			break
		}
		first = l
		at, err = time.Parse(l, text)
	}
	if err != nil {
		hint := ""
		switch {
		case missing.Is([]byte(text)):
			hint = ": every row must have one"
		case dayOrMonth.MatchString(text):
			hint = ": day and month can not be told apart"
		case digits.MatchString(text):
			hint = ": a number of seconds or the like is no time here"
		}
		return time.Time{}, layouts[0], fmt.Errorf("must be a time such as 2024-03-01 or 2024-03-01 12:30:00, got %q%s", text, hint)
	}
	if at = at.UTC(); at.Before(earliest) || !at.Before(latest) {
		return at, first, fmt.Errorf("must lie from 1800 to 2089, got %q", text)
	}
	return at, first, nil
}

var (
	dayOrMonth = regexp.MustCompile(`^[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}`)
	digits     = regexp.MustCompile(`^[0-9.]+$`)
)

func (t *rows) number(column string) float64 {
	text := strings.TrimSpace(t.text(column))
	if missing.Is([]byte(text)) {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		t.fail(fmt.Sprintf("%s must be a finite number, or empty if it is missing, got %q", column, text))
	}
	return v
}

// regressor is a number, or true or false, which are 1 and 0.
func (t *rows) regressor(column string) float64 {
	switch strings.ToLower(strings.TrimSpace(t.text(column))) {
	case "true":
		return 1
	case "false":
		return 0
	}
	return t.number(column)
}

func (t *rows) truth(column string) bool {
	switch text := strings.ToLower(strings.TrimSpace(t.text(column))); text {
	case "true", "1", "t", "yes":
		return true
	case "false", "0", "f", "no":
		return false
	default:
		t.fail(fmt.Sprintf("%s must be true or false, got %q", column, text))
		return false
	}
}

// maxWindow is the longest window of a holiday: every offset is a column.
const maxWindow = 366

// days is a whole number of days, 0 if the column or the value is missing.
func (t *rows) days(column string) int {
	if !t.has(column) {
		return 0
	}
	v := t.number(column)
	if math.IsNaN(v) {
		return 0
	}
	if v != math.Trunc(v) || math.Abs(v) > maxWindow {
		t.fail(fmt.Sprintf("%s must be a whole number of days, at most %d, got %g", column, maxWindow, v))
		return 0
	}
	return int(v)
}

// Ahead are the times of the table and n later ones, with what is known of them: capacity
// and floor stay as they were last; a condition or a regressor that is a column is not
// known, so that there may be no later times.
func (t *Table) Ahead(f Frequency, n int) ([]time.Time, prophet.Columns, error) {
	later, err := f.After(t.Times[len(t.Times)-1], n)
	if err != nil {
		return nil, prophet.Columns{}, err
	}
	if n > 0 {
		for _, name := range slices.Sorted(maps.Keys(t.Columns.Conditions)) {
			return nil, prophet.Columns{}, fmt.Errorf("condition %q is not known after the last row: instead of a horizon, give rows without y", name)
		}
		for _, name := range slices.Sorted(maps.Keys(t.Columns.Regressors)) {
			return nil, prophet.Columns{}, fmt.Errorf("regressor %q is not known after the last row: instead of a horizon, give rows without y", name)
		}
	}
	c := t.Columns
	for _, column := range []*[]float64{&c.Cap, &c.Floor} {
		if v := *column; v != nil {
			*column = slices.Concat(v, slices.Repeat(v[len(v)-1:], n))
		}
	}
	return slices.Concat(t.Times, later), c, nil
}
