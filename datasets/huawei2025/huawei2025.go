package huawei2025

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/datasets/internal/lost"
	"github.com/incendio-faas/incendio/datasets/internal/matrix"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "huawei2025"

// maxSeconds bounds a cost: eleven days are no observation.
const maxSeconds = 1e6

// homeRegion is the region that the table of triggers is of.
const homeRegion = "R2"

// Options choose how the trace is read.
type Options struct {
	// Start is the date, a midnight UTC, of the day 0 of the files, which tell none.
	// Default 1 January 1970.
	Start time.Time `json:"start"`

	// Region names the one that is read, R1 to R9: only files below a folder or archive of
	// that name, and those that are below none. By default the only one that there is.
	Region string `json:"region"`

	// Seed of the assumed start costs. Default 1.
	Seed uint64 `json:"seed"`

	// Workers that read days of time series, at least 1; 0 means one a core. The result
	// does not depend on it, and memory grows with it. Default 0.
	Workers int `json:"workers"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Start: time.Unix(0, 0).UTC(), Seed: 1} }

var validRegion = regexp.MustCompile(`^(R[1-9])?$`)

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	var err error
	if o.Workers < 0 {
		err = fmt.Errorf("huawei2025: workers must not be negative, got %d", o.Workers)
	}
	if !o.Start.Equal(o.Start.UTC().Truncate(24*time.Hour)) || o.Start.Unix() < 0 {
		err = errors.Join(err, fmt.Errorf("huawei2025: start must be a midnight UTC from 1970 on, got %v", o.Start))
	}
	if !validRegion.MatchString(o.Region) {
		err = errors.Join(err, fmt.Errorf("huawei2025: region must be R1 to R9, got %q", o.Region))
	}
	return err
}

// An Input is a set of files of the trace. It implements [datasets.Input], and must be
// closed.
type Input struct {
	opts   Options
	set    *archive.Set
	region string

	// One of these says what counts. Time series without requests only measure.
	trace  *matrix.Trace
	tables *rows.Tables[record] // of requests or of cold starts
	events kind                 // which of them

	durations []*file // requests, of which only the durations are taken
	costs     []*file // cold starts, of which only the costs are taken
	triggers  []*file

	sources []datasets.SourceFile
	notes   []string
	lost    lost.Values

	before   []datasets.Measured
	measured []datasets.Measured // by Read
}

// Open finds the files of the trace at path, takes their digests and learns their span.
func Open(ctx context.Context, path string, o Options) (*Input, error) {
	in := &Input{opts: o}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if in.opts.Workers == 0 {
		in.opts.Workers = runtime.GOMAXPROCS(0)
	}
	if err := in.open(ctx, path); err != nil {
		return nil, fmt.Errorf("open huawei2025 trace: %w", errors.Join(err, in.Close()))
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
	p, err := newPicker(path, in.opts.Region)
	if err != nil {
		return err
	}
	if in.set, err = archive.Open(ctx, path, p.pick); err != nil {
		return err
	}
	if in.region, err = p.settle(in.set); err != nil {
		return err
	}
	in.divide(p)
	beside := in.set.Beside()
	if err := in.survey(ctx, path, p); err != nil {
		if len(beside) > 0 && errors.Is(err, errNothing) {
			err = fmt.Errorf("%w; %s and other archives lie beside files that are read: unpack them", err, beside[0])
		}
		return err
	}
	if len(beside) > 0 {
		in.note("archives beside files that were read, which were left alone: %s", quotedList(beside))
	}
	if in.sources, err = in.set.Sources(ctx); err != nil {
		return err
	}
	if len(p.unread) > 0 {
		in.note("time series that say nothing of a function and were not read: %s", strings.Join(keys(p.unread), ", "))
	}
	if len(p.alien) > 0 {
		in.note("files of other formats that were not read: %s", quotedList(p.alien))
	}
	return nil
}

func (in *Input) note(format string, args ...any) {
	in.notes = append(in.notes, fmt.Sprintf(format, args...))
}

var errNothing = errors.New("nothing here counts invocations")

// divide decides what each file is for, and takes those out of the set that are for
// nothing because there is something better.
func (in *Input) divide(p *picker) {
	wides, tables, cold := p.of(in.set, series), p.of(in.set, requestTable), p.of(in.set, coldStarts)
	has := func(metric string) bool {
		return slices.ContainsFunc(wides, func(f *file) bool { return f.metric == metric })
	}
	in.triggers = p.of(in.set, triggerTable)
	var unused []string
	drop := func(f *file) {
		unused = append(unused, f.member.Name)
		in.set.Members = slices.DeleteFunc(in.set.Members, func(m *archive.Member) bool { return m == f.member })
	}
	switch {
	case has("requests"):
	case len(tables) > 0:
		in.events = requestTable
	case len(cold) > 0:
		in.events = coldStarts
		in.note("there are no requests: the invocations are cold starts, those that found no container, and one request may cause several")
	}
	if in.events != coldStarts {
		in.costs = cold
	}
	if in.events != requestTable {
		in.durations = tables
	}
	if has("totalCost") {
		for _, f := range in.durations {
			drop(f)
		}
		in.durations = nil
	}
	if len(in.triggers) > 0 && in.region != "" && in.region != homeRegion {
		for _, f := range in.triggers {
			drop(f)
		}
		in.triggers = nil
	}
	quantiles := map[string]bool{} // metrics of which there are some
	for _, f := range wides {
		if f.level >= 0 {
			quantiles[f.metric] = true
		}
	}
	for _, f := range wides {
		starts := f.metric == "num_cold_starts" || f.metric == "totalCost_cold_start"
		if starts && len(cold) > 0 || f.level == average && quantiles[f.metric] || f.metric == "num_cold_starts" && !has("totalCost_cold_start") {
			drop(f)
		}
	}
	if len(unused) > 0 {
		in.note("files that say less than others and were not read: %s", quotedList(unused))
	}
}

// survey learns the span of what counts.
func (in *Input) survey(ctx context.Context, path string, p *picker) error {
	if err := in.surveySeries(ctx, p); err != nil {
		return err
	}
	if in.events != alien {
		return in.surveyEvents(ctx, path, p.of(in.set, in.events))
	}
	if err := in.trace.Measure(); err != nil {
		if errors.Is(err, datasets.ErrNoRows) {
			return fmt.Errorf("%s: %w: expected time series of requests, or a table of requests or of cold starts", path, errNothing)
		}
		return err
	}
	return nil
}

// surveySeries reads the times of all time series.
func (in *Input) surveySeries(ctx context.Context, p *picker) error {
	files := p.of(in.set, series)
	members := make([]*archive.Member, len(files))
	levels := map[string][]int{}
	has := map[string]bool{}
	for i, f := range files {
		members[i] = f.member
		has[f.metric] = true
		if f.level >= 0 && !slices.Contains(levels[f.metric], f.level) {
			levels[f.metric] = append(levels[f.metric], f.level)
		}
	}
	outlines, err := matrix.SurveyAll(ctx, members, in.opts.Workers)
	if err != nil {
		return err
	}
	in.trace = &matrix.Trace{
		Days: matrix.Days{Counts: counts, Samples: samples, Workers: in.opts.Workers, Lose: func(metric string, cells int, first *datasets.SyntaxError) {
			in.lost.AddAt(metric, int64(cells), first)
		}},
		Key: func(column string) rows.Key {
			k, _ := key(column) // the columns were checked
			return k
		},
	}
	first := map[string]string{}
	for i, f := range files {
		o := outlines[i]
		for _, c := range o.Columns {
			if _, fault := key(c); fault.Reason != "" {
				return &datasets.SyntaxError{File: f.member.Path, Line: 1, Msg: "column " + fault.Msg}
			}
		}
		if o.Step != 60 {
			return &datasets.SyntaxError{File: f.member.Path, Msg: fmt.Sprintf("rows are %d second apart: expected 60", o.Step)}
		}
		same := fmt.Sprint(f.metric, f.level, o.Day)
		if other, ok := first[same]; ok {
			return fmt.Errorf("%s and %s: both hold day %d: time must count the seconds since the start of the trace, over all days", other, f.member.Path, o.Day)
		}
		first[same] = f.member.Path
		values, use := f.use(has["requests"], has["num_cold_starts"], levels[f.metric])
		in.trace.Files = append(in.trace.Files, matrix.File{
			Name: f.member.Source(), Path: f.member.Path, Open: f.member.Open, Outline: o, Values: values, Use: use,
		})
	}
	return nil
}

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	start := in.opts.Start.UTC()
	p := datasets.Provenance{
		Format: Format,
		Files:  in.sources,
		Parameters: fmt.Sprintf("region=%s start=%s seed=%d start_costs=%d",
			in.region, start.Format(time.DateOnly), in.opts.Seed, datasets.StartCostVersion),
		Notes: slices.Concat([]string{
			"the files tell no date; their day 0 is taken to be " + start.Format(time.DateOnly),
			"memory and CPU of a container are the limits of its pool; what was not measured is marked as assumed",
			datasets.StartCostNote,
		}, in.notes, in.set.Notes(), in.lost.Notes()),
	}
	if in.events == alien {
		p.Start, p.Span, p.Gaps = start.AddDate(0, 0, in.trace.First), in.trace.Span, in.trace.Gaps
		return p
	}
	p.Start, p.Span = in.tables.Span.Start(), in.tables.Span.Window(true)
	for _, day := range in.tables.Span.Empty() {
		p.Gaps = append(p.Gaps, datasets.Window{From: day * datasets.MinutesPerDay, To: (day + 1) * datasets.MinutesPerDay})
		if n := len(p.Gaps); n > 1 && p.Gaps[n-2].To == p.Gaps[n-1].From {
			p.Gaps[n-2].To = p.Gaps[n-1].To
			p.Gaps = p.Gaps[:n-1]
		}
	}
	return p
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	functions := rows.NewFunctions(known)
	in.lost = lost.Values{}
	m := measured{costs: map[string]*times{}, triggers: map[string]datasets.Trigger{}, lost: &in.lost}
	series, err := m.join(in.before)
	if err != nil {
		return nil, err
	}
	in.trace.Before = series
	if in.events == alien {
		m.series, err = in.trace.Read(ctx, functions, sink)
	} else if err = in.readEvents(ctx, functions, &m, sink); err == nil && len(in.trace.Files) > 0 {
		m.series, err = in.trace.Measures(ctx, sink)
	} else if err == nil {
		m.series, err = in.trace.Earlier()
	}
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		files []*file
		scan  func(context.Context, *file, *measured, datasets.Sink) error
	}{{in.durations, scanRequests}, {in.costs, scanColdStarts}, {in.triggers, scanTriggers}} {
		for _, f := range part.files {
			if err := part.scan(ctx, f, &m, sink); err != nil {
				return nil, err
			}
		}
	}
	if err := in.set.Unchanged(); err != nil {
		return nil, err
	}
	// Now, because taking quantiles puts values together.
	if in.measured, err = m.all(); err != nil {
		return nil, err
	}
	return functions.Finish(in.opts.Seed, m.set), nil
}

// Join implements [datasets.Joiner].
func (in *Input) Join(before []datasets.Measured) error {
	in.before = before
	return nil
}

// Measured implements [datasets.Joiner].
func (in *Input) Measured() ([]datasets.Measured, error) { return in.measured, nil }

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
