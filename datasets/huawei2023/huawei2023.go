package huawei2023

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/matrix"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "huawei2023"

// Bounds beyond which a value is no observation.
const (
	maxMilliseconds = 1e9 // 11 days
	maxMB           = 1e6
	maxCores        = 1e4
)

// Options choose how the trace is read.
type Options struct {
	// Start is the date, a midnight UTC, of the day 0 of the files, which tell none.
	// Default 1 January 1970.
	Start time.Time `json:"start"`

	// Seed of the assumed start costs. Default 1.
	Seed uint64 `json:"seed"`

	// Workers that read days, at least 1; 0 means one a core. The result does not depend
	// on it, and memory grows with it. Default 0.
	Workers int `json:"workers"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Start: time.Unix(0, 0).UTC(), Seed: 1} }

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	var err error
	if o.Workers < 0 {
		err = fmt.Errorf("huawei2023: workers must not be negative, got %d", o.Workers)
	}
	if !o.Start.Equal(o.Start.UTC().Truncate(24*time.Hour)) || o.Start.Unix() < 0 {
		err = errors.Join(err, fmt.Errorf("huawei2023: start must be a midnight UTC from 1970 on, got %v", o.Start))
	}
	return err
}

// Detect reports whether a file that begins with head may be one of this trace: day, time
// and then functions that are numbered.
func Detect(head []byte) bool {
	columns, ok := matrix.Header(head)
	if !ok {
		return false
	}
	for _, c := range columns[:len(columns)-1] { // the last one may be cut off
		if !numeric(c) {
			return false
		}
	}
	return len(columns) > 1 || numeric(columns[0])
}

func numeric(name string) bool {
	return len(name) > 0 && !slices.ContainsFunc([]byte(name), func(c byte) bool { return c < '0' || c > '9' })
}

// An Input is a set of files of the trace. It implements [datasets.Input], and must be
// closed.
type Input struct {
	opts    Options
	set     *archive.Set
	sources []datasets.SourceFile
	trace   matrix.Trace
	notes   []string
	lost    lost.Values

	measured []datasets.Measured // by Read
}

// Open finds the files of the trace at path, takes their digests and reads the times of
// their rows.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	in := &Input{opts: o}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if in.opts.Workers == 0 {
		in.opts.Workers = runtime.GOMAXPROCS(0)
	}
	if err := in.open(ctx, path); err != nil {
		return nil, fmt.Errorf("open huawei2023 trace: %w", errors.Join(err, in.Close()))
	}
	return in, nil
}

// Close removes what was kept aside of an archive.
func (in *Input) Close() error {
	if in.set == nil {
		return nil
	}
	return in.set.Close()
}

func (in *Input) open(ctx context.Context, path string) error {
	p, err := newPicker(path)
	if err != nil {
		return err
	}
	if in.set, err = archive.Open(ctx, path, p.pick); err != nil {
		return err
	}
	files, err := p.choose(in.set)
	if err != nil {
		return err
	}
	members := make([]*archive.Member, len(files))
	for i := range files {
		members[i] = files[i].member
	}
	outlines, err := matrix.SurveyAll(ctx, members, in.opts.Workers)
	if err != nil {
		return err
	}
	in.trace = matrix.Trace{
		Days: matrix.Days{Counts: 1, Samples: samples, Workers: in.opts.Workers, Lose: func(metric string, cells int, first *datasets.SyntaxError) {
			in.lost.AddAt(metric, int64(cells), first)
		}},
		Key: func(column string) rows.Key { return rows.Key{App: []byte(column), Name: []byte(column)} },
	}
	for i, o := range outlines {
		if files[i].byMinute && o.Step != 60 {
			return fmt.Errorf("%s: rows are %d second apart in a folder of minutes: time must be in seconds, 60 from row to row", files[i].member.Path, o.Step)
		}
		in.trace.Files = append(in.trace.Files, files[i].use(o))
	}
	if in.trace.Files, err = byMinute(in.trace.Files); err != nil {
		return err
	}
	if err := in.trace.Measure(); err != nil {
		if errors.Is(err, datasets.ErrNoRows) {
			return fmt.Errorf("%s: no file of requests: expected one in a folder requests_minute or requests_second", path)
		}
		return err
	}
	if in.sources, err = in.set.Sources(ctx); err != nil {
		return err
	}
	in.notes = p.notes()
	if beside := in.set.Beside(); len(beside) > 0 {
		in.notes = append(in.notes, "archives beside files that were read, which were left alone: "+quotedList(beside))
	}
	return nil
}

// byMinute leaves one file for every metric and day: the one by the minute, else the one
// by the second.
func byMinute(files []matrix.File) ([]matrix.File, error) {
	type key struct{ use, day int }
	best := map[key]int{}
	for i, f := range files {
		k := key{f.Use.Metric, f.Outline.Day}
		if f.Use.Counts {
			k.use = -1
		}
		j, ok := best[k]
		switch {
		case !ok || files[j].Outline.Step < f.Outline.Step:
			best[k] = i
		case files[j].Outline.Step == f.Outline.Step:
			return nil, fmt.Errorf("%s and %s: both hold the %s of day %d: time must count the seconds since the start of the trace, over all days",
				files[j].Path, f.Path, f.Values.Name, f.Outline.Day)
		}
	}
	keep := make([]bool, len(files))
	for _, i := range best {
		keep[i] = true
	}
	left := files[:0]
	for i, f := range files {
		if keep[i] {
			left = append(left, f)
		}
	}
	return left, nil
}

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	return datasets.Provenance{
		Format: Format,
		Files:  in.sources,
		Parameters: fmt.Sprintf("start=%s seed=%d start_costs=%d",
			in.opts.Start.UTC().Format(time.DateOnly), in.opts.Seed, datasets.StartCostVersion),
		Start: in.opts.Start.UTC().AddDate(0, 0, in.trace.First),
		Span:  in.trace.Span,
		Gaps:  in.trace.Gaps,
		Notes: slices.Concat([]string{
			"the files tell no date; their day 0 is taken to be " + in.opts.Start.UTC().Format(time.DateOnly),
			"an empty cell, of which the trace says that there is no measurement, counts as no invocation",
			datasets.StartCostNote,
		}, in.notes, in.set.Notes(), in.lost.Notes()),
	}
}

// Join implements [datasets.Joiner].
func (in *Input) Join(before []datasets.Measured) error {
	in.trace.Before = before
	return nil
}

// Measured implements [datasets.Joiner].
func (in *Input) Measured() ([]datasets.Measured, error) { return in.measured, nil }

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	functions := rows.NewFunctions(known)
	in.lost = lost.Values{}
	measured, err := in.trace.Read(ctx, functions, sink)
	if err != nil {
		return nil, err
	}
	if err := in.set.Unchanged(); err != nil {
		return nil, err
	}
	// Now, because taking quantiles puts values together.
	if in.measured, err = matrix.MeasuredOf(measured); err != nil {
		return nil, err
	}
	return functions.Finish(in.opts.Seed, func(f *datasets.Function) {
		if s := measured[execution][f.Name]; s != nil && !s.Empty() && f.Assumed&datasets.AssumedExecution != 0 {
			f.Execution = s.Distribution(time.Millisecond)
			f.Assumed &^= datasets.AssumedExecution
		}
		if mb := median(measured[memory][f.Name]); mb > 0 && f.Assumed&datasets.AssumedMemory != 0 {
			f.Memory = max(1, int64(math.Round(mb*(1<<20))))
			f.Assumed &^= datasets.AssumedMemory
		}
		if cores := median(measured[cpu][f.Name]); cores > 0 && f.Assumed&datasets.AssumedCPU != 0 {
			f.CPU = cores
			f.Assumed &^= datasets.AssumedCPU
		}
	}), nil
}

// median is 0 where there is no measurement.
func median(s *cost.Weighted) float64 {
	if s == nil {
		return 0
	}
	return s.Median()
}

// quotedList names some of many for a note.
func quotedList(names []string) string {
	const most = 10
	quoted := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		quoted = append(quoted, fmt.Sprintf("%.60q", n))
	}
	s := strings.Join(quoted, ", ")
	if n := len(names); n > most {
		s += fmt.Sprintf(" and %d more", n-most)
	}
	return s
}
