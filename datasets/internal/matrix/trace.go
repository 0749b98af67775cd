package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/internal/parallel"
)

// SurveyAll surveys files, several at a time.
func SurveyAll(ctx context.Context, files []*archive.Member, workers int) ([]*Outline, error) {
	outlines, errs := make([]*Outline, len(files)), make([]error, len(files))
	err := parallel.For(ctx, len(files), max(1, workers), func(i int) {
		outlines[i], errs[i] = surveyMember(ctx, files[i])
	})
	if err != nil {
		return nil, err
	}
	for _, err := range errs { // that of the first file, whichever came first
		if err != nil {
			return nil, err
		}
	}
	return outlines, nil
}

func surveyMember(ctx context.Context, m *archive.Member) (*Outline, error) {
	in, err := m.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return Survey(m.Path, in)
}

// A Trace is the files of the metrics of a trace, the counts of which are the metric 0.
type Trace struct {
	Days
	First int               // the day of the files on which the counts begin
	Span  datasets.Window   // that the counts observe, from the midnight of First on
	Gaps  []datasets.Window // minutes inside the span that no file of counts observes

	// Key names the function of a column.
	Key func(column string) rows.Key

	// Before is what was measured on days that are not read any more, see [MeasuredOf].
	Before []datasets.Measured
}

// maxGaps bounds how fragmented the time of a trace may be.
const maxGaps = 1 << 12

// Measure finds the span of the files that count, and the gaps in it. Two of them must not
// be of the same day.
func (t *Trace) Measure() error {
	byDay := map[int]*File{}
	var days []int
	for i := range t.Files {
		f := &t.Files[i]
		if !f.Use.Counts || f.Use.Metric != 0 {
			continue
		}
		if other, ok := byDay[f.Outline.Day]; ok {
			return fmt.Errorf("%s and %s: both hold day %d: time must count the seconds since the start of the trace, over all days", other.Path, f.Path, f.Outline.Day)
		}
		byDay[f.Outline.Day] = f
		days = append(days, f.Outline.Day)
	}
	if len(days) == 0 {
		return datasets.ErrNoRows
	}
	slices.Sort(days)
	t.First = days[0]
	at, gap := -1, 0 // the minute after the last observed one; -1: none yet
	for day := t.First; day <= days[len(days)-1]; day++ {
		for minute := range datasets.MinutesPerDay {
			if f := byDay[day]; f == nil || !f.Outline.Observed.Has(minute) {
				continue
			}
			now := (day-t.First)*datasets.MinutesPerDay + minute
			switch {
			case at < 0:
				t.Span.From = now
			case at < now:
				if gap++; gap > maxGaps {
					return fmt.Errorf("%s: minute %d of the day is one of more than %d gaps in time", byDay[day].Path, minute, maxGaps)
				}
				t.Gaps = append(t.Gaps, datasets.Window{From: at, To: now})
			}
			at = now + 1
		}
	}
	t.Span.To = at
	return nil
}

// Read passes the days of the trace to sink, those without a file as days without counts,
// and returns what was measured: by metric, and then by the column that names a function.
func (t *Trace) Read(ctx context.Context, functions *rows.Functions, sink datasets.Sink) ([]map[string]Sample, error) {
	samples, err := t.Earlier()
	if err != nil {
		return nil, err
	}
	c := new(datasets.Counts)
	next, days := 0, (t.Span.To+datasets.MinutesPerDay-1)/datasets.MinutesPerDay
	emit := func(table *Table) error {
		id := make([]datasets.FunctionID, len(table.Columns))
		for i, name := range table.Columns {
			var fault rows.Fault
			if id[i], fault = functions.ID(t.Key(name)); fault.Reason != "" {
				return fmt.Errorf("column %.60q: %s", name, fault.Msg)
			}
		}
		c.Day = next
		next++
		table.Fill(c, id, functions.Len())
		return sink.Day(c)
	}
	err = t.Days.Read(ctx, sink, func(day *Day) error {
		merge(samples, day.Samples)
		if len(day.Counts[0].Columns) == 0 {
			return nil
		}
		for next < day.Number-t.First {
			if err := emit(new(Table)); err != nil {
				return err
			}
		}
		return emit(&day.Counts[0])
	})
	if err == nil && next != days {
		err = fmt.Errorf("%d days were read, expected %d", next, days)
	}
	if err == nil && functions.Len() == 0 {
		err = datasets.ErrNoRows
	}
	return samples, err
}

// Measures reads files of which none counts, and returns what was measured as Read does.
func (t *Trace) Measures(ctx context.Context, sink datasets.Sink) ([]map[string]Sample, error) {
	samples, err := t.Earlier()
	if err != nil {
		return nil, err
	}
	err = t.Days.Read(ctx, sink, func(day *Day) error {
		merge(samples, day.Samples)
		return nil
	})
	return samples, err
}

// Earlier is what was measured before the days that are read.
func (t *Trace) Earlier() ([]map[string]Sample, error) {
	samples := make([]map[string]Sample, t.Samples)
	for i := range samples {
		samples[i] = map[string]Sample{}
	}
	for _, m := range t.Before {
		metric, name, ok := strings.Cut(m.Of, " ")
		i, err := strconv.Atoi(metric)
		if !ok || err != nil || i < 0 || i >= len(samples) {
			return nil, fmt.Errorf("what was measured of %.60q: expected a metric and the name of a function", m.Of)
		}
		s := new(cost.Weighted)
		if err := json.Unmarshal([]byte(m.State), s); err != nil {
			return nil, fmt.Errorf("what was measured of %.60q: %w", m.Of, err)
		}
		samples[i][name] = s
	}
	return samples, nil
}

// MeasuredOf writes down samples by metric and function, as [Trace.Before] takes them.
func MeasuredOf(samples []map[string]Sample) ([]datasets.Measured, error) {
	var all []datasets.Measured
	for i, of := range samples {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if of[name].Empty() {
				continue
			}
			text, err := json.Marshal(of[name])
			if err != nil {
				return nil, err
			}
			all = append(all, datasets.Measured{Of: fmt.Sprintf("%d %s", i, name), State: string(text)})
		}
	}
	return all, nil
}

// merge adds what was measured on a day.
func merge(all, day []map[string]Sample) {
	for i, of := range day {
		for name, s := range of {
			if sum := all[i][name]; sum != nil {
				sum.Merge(s)
			} else {
				all[i][name] = s
			}
		}
	}
}
