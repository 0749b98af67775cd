// Package azure2019 reads the Azure Functions trace of 2019 (Shahrad et al.,
// "Serverless in the Wild", USENIX ATC 2020; Azure/AzurePublicDataset, CC-BY-4.0).
//
// [Open] looks at a folder or an archive in one of two layouts, plain or compressed:
// the official files, one of each kind a day,
//
//	invocations_per_function_md.anon.dNN.csv      HashOwner,HashApp,HashFunction,Trigger,1..1440
//	function_durations_percentiles.anon.dNN.csv   HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_…
//	app_memory_percentiles.anon.dNN.csv           HashOwner,HashApp,SampleCount,AverageAllocatedMb,…
//
// or a sample of one as invocations.csv, durations.csv and memory.csv, where memory has a
// column HashFunction too and is per function, as InVitro writes it (Ustiugov et al.,
// "Enabling In-Vitro Serverless Systems Research", SESAME 2023; preprocess.py,
// preprocess2021.py and preprocessHuawei.py of vhive-serverless/invitro). Its
// preparations of other traces count minutes on from the first day, perhaps over several days,
// and write whole numbers as 12.0. [Input.Read] gives the counts by
// day and then the functions; [parquet.Store.Ingest] stores them.
//
// [Write] writes any trace as the official files.
//
// How the files are read:
//
//   - The numbers in the header of the counts are minutes of the day from 1, in
//     both layouts: column 480 is the minute [07:59, 08:00), 479 of the day; in a
//     sample column 1441 is the first minute of day 2.
//   - Counts decide which functions exist. A function is known by owner, app and
//     function; it is numbered by its first appearance, over all days. Durations
//     and memory are joined to it, and what is missing gets a default that is
//     marked as assumed.
//   - Execution times are the percentiles of the day with most samples. They are
//     percentiles of averages over 30 s, so the tails of single invocations are
//     longer; the columns Minimum and Maximum are not used, because a straight line
//     from the 99th percentile to the true maximum misses the column Average by
//     more (on 419 functions by a factor of 1.35 typically, instead of 1.32).
//     Times are whole milliseconds in the files; those below 1 ms count as 1 ms.
//   - Memory is the mean of the application on the day with most samples, divided
//     by the number of its functions and rounded up to whole MB of 2^20 bytes, as in
//     Fuerst and Sharma, "FaasCache" (ASPLOS 2021).
//   - The first known trigger of a function is its trigger: others is what the log says
//     where it does not know. Where a function changes from one to another the notes of the
//     trace say so.
//   - Text is CSV as for all readers: fields may stand in quotes, columns that are not
//     needed, such as an index, before the minutes or behind them, header names in upper or
//     lower case. A minute without a count (NaN, an empty cell) counts none, and is noted.
//     So are durations and memory that cannot be used, which count as not measured.
//   - The files name no date. That day 1 is Monday, 15 July 2019 is recalled from
//     the paper's "two weeks in July 2019" and the weekly rhythm, and noted as assumed.
//
// [parquet.Store.Ingest]: https://pkg.go.dev/github.com/incendio-faas/incendio/datasets/parquet#Store.Ingest
package azure2019

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// Format is the name of the format in the store and on the command line.
const Format = "azure2019"

// Options choose how the trace is read.
type Options struct {
	// Seed of the assumed start costs. Default 1.
	Seed uint64 `json:"seed"`

	// Workers that scan counts, at least 1; 0 means one a core. The result does
	// not depend on it. Default 0.
	Workers int `json:"workers"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Seed: 1} }

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	if o.Workers < 0 {
		return fmt.Errorf("azure2019: workers must not be negative, got %d", o.Workers)
	}
	return nil
}

// dayOne is the midnight UTC of the files d01: recalled, see the package comment.
var dayOne = time.Date(2019, time.July, 15, 0, 0, 0, 0, time.UTC)

// A kind of file.
type kind int

const (
	counts kind = iota
	durations
	memory
)

var official = []*regexp.Regexp{
	counts:    regexp.MustCompile(`^invocations_per_function_md\.anon\.d([0-9]{2,3})\.csv$`),
	durations: regexp.MustCompile(`^function_durations_percentiles\.anon\.d([0-9]{2,3})\.csv$`),
	memory:    regexp.MustCompile(`^app_memory_percentiles\.anon\.d([0-9]{2,3})\.csv$`),
}

var sample = []string{counts: "invocations.csv", durations: "durations.csv", memory: "memory.csv"}

// A sourceFile is one file of the trace.
type sourceFile struct {
	kind   kind
	day    int  // from 1, as in its name
	dated  bool // it has one in its name: it is an official file
	name   string
	path   string
	member *archive.Member
}

// open returns the text of the file.
func (f *sourceFile) open(ctx context.Context) (io.ReadCloser, error) { return f.member.Open(ctx) }

// readError says what kept the file from being read.
func (f *sourceFile) readError(err error) error {
	if errors.As(err, new(*archive.Error)) || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

// Detect reports whether a file that begins with head is one of this trace, of any of the
// three kinds.
func Detect(head []byte) bool { return rows.HasColumns(head, "HashOwner", "HashApp") }

// An Input is a folder or archive of files of the trace. It implements [datasets.Input].
type Input struct {
	opts    Options
	set     *archive.Set
	sources []datasets.SourceFile
	files   []sourceFile // by kind, then by day
	first   int          // the first day, from 1
	span    datasets.Window

	before []datasets.Measured
	table  *table // by Read
}

// Open finds the files of the trace in the folder or archive at path, takes their digests
// and reads the headers of the counts. The days of the counts must follow each other. The
// input must be closed.
func Open(ctx context.Context, path string, o Options) (_ *Input, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Input{opts: o}
	if in.opts.Workers == 0 {
		in.opts.Workers = runtime.GOMAXPROCS(0)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open azure2019 trace: %w", err), in.Close())
		}
	}()
	in.set, err = archive.Open(ctx, path, func(m *archive.Member, _ []byte) (bool, error) {
		f, _, ok := parseName(m.Base())
		if ok && f.day == 0 {
			return false, fmt.Errorf("%s: days are numbered from 1", m.Path)
		}
		return ok, nil
	})
	if err != nil {
		return nil, err
	}
	if err := in.list(path); err != nil {
		return nil, err
	}
	if in.sources, err = in.set.Sources(ctx); err != nil {
		return nil, err
	}
	if err := in.measure(ctx); err != nil {
		return nil, err
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

// parseName says which file of the trace has this name, without the extension of a
// compression; one of a sample has no day.
func parseName(name string) (f sourceFile, day string, ok bool) {
	if k := slices.Index(sample, name); k >= 0 {
		return sourceFile{kind: kind(k), day: 1}, "", true
	}
	for k, r := range official {
		if m := r.FindStringSubmatch(name); m != nil {
			f.kind, f.dated = kind(k), true
			f.day, _ = strconv.Atoi(m[1]) // the expression allows no other digits, and few of them
			return f, m[1], true
		}
	}
	return sourceFile{}, "", false
}

// list sorts the files.
func (in *Input) list(dir string) error {
	seen := map[string]string{}
	dated, undated := false, false
	for _, m := range in.set.Members {
		f, day, _ := parseName(m.Base())
		f.name, f.path, f.member = m.Name, m.Path, m
		dated, undated = dated || day != "", undated || day == ""
		if dated && undated {
			return fmt.Errorf("%s: files of two layouts, invocations.csv and invocations_per_function_md.anon.dNN.csv", dir)
		}
		id := fmt.Sprint(f.kind, f.day)
		if other, ok := seen[id]; ok {
			return fmt.Errorf("%s: both %s and %s hold day %d", dir, other, m.Name, f.day)
		}
		seen[id] = m.Name
		in.files = append(in.files, f)
	}
	slices.SortStableFunc(in.files, func(a, b sourceFile) int {
		if a.kind != b.kind {
			return int(a.kind - b.kind)
		}
		return a.day - b.day
	})
	days := in.of(counts)
	if len(days) == 0 {
		if err := in.set.Foreign(); err != nil {
			return err
		}
		return fmt.Errorf("%s: no counts: expected invocations_per_function_md.anon.dNN.csv or invocations.csv, plain, compressed or in an archive", dir)
	}
	for i := range days {
		if want := days[0].day + i; days[i].day != want {
			return fmt.Errorf("%s: counts of day %d are missing: %s follows %s", dir, want, days[i].name, days[i-1].name)
		}
	}
	in.first = days[0].day
	return nil
}

// of returns the files of a kind, by day.
func (in *Input) of(k kind) []sourceFile {
	from := slices.IndexFunc(in.files, func(f sourceFile) bool { return f.kind == k })
	if from < 0 {
		return nil
	}
	to := from
	for to < len(in.files) && in.files[to].kind == k {
		to++
	}
	return in.files[from:to]
}

// measure finds the observed minutes in the headers of the counts.
func (in *Input) measure(ctx context.Context) error {
	days := in.of(counts)
	for i := range days {
		h, err := days[i].countsHeader(ctx)
		if err != nil {
			return err
		}
		if i > 0 && h.first != 0 {
			return &datasets.SyntaxError{File: days[i].path, Line: 1, Msg: fmt.Sprintf("minutes start at %d: only those of the first day may start after 1", h.first+1)}
		}
		if !days[i].dated {
			in.first = 1 + h.day
		}
		if i < len(days)-1 && h.first+h.minutes != datasets.MinutesPerDay {
			return &datasets.SyntaxError{File: days[i].path, Line: 1, Msg: fmt.Sprintf("minutes end at %d: only those of the last day may end before %d", h.first+h.minutes, datasets.MinutesPerDay)}
		}
		if i == 0 {
			in.span.From = h.first
		}
		in.span.To = i*datasets.MinutesPerDay + h.first + h.minutes
	}
	return nil
}

// Provenance implements [datasets.Input].
func (in *Input) Provenance() datasets.Provenance {
	p := datasets.Provenance{
		Format:     Format,
		Parameters: fmt.Sprintf("seed=%d start_costs=%d", in.opts.Seed, datasets.StartCostVersion),
		Start:      dayOne.AddDate(0, 0, in.first-1),
		Span:       in.span,
		Notes: []string{
			"the date of day 1, 15 July 2019, is recalled and assumed; the files number their days",
			"execution times are percentiles of averages over 30 s, without cold starts, at least 1 ms",
			"memory is the application's mean divided by the number of its functions, in MB of 2^20 bytes",
			"CPU (1 core) is assumed",
			datasets.StartCostNote,
		},
	}
	p.Notes = append(p.Notes, in.set.Notes()...)
	if in.table != nil {
		p.Notes = append(p.Notes, in.table.notes()...)
	}
	listed := map[string]bool{}
	for _, f := range in.files {
		if name := f.member.Source(); !listed[name] {
			listed[name] = true
			p.Files = append(p.Files, in.sources[slices.IndexFunc(in.sources, func(s datasets.SourceFile) bool { return s.Name == name })])
		}
	}
	return p
}

// Join implements [datasets.Joiner].
func (in *Input) Join(before []datasets.Measured) error {
	in.before = before
	_, err := newTable(nil, before)
	return err
}

// Measured implements [datasets.Joiner].
func (in *Input) Measured() ([]datasets.Measured, error) { return in.table.measured() }

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	t, err := newTable(known, in.before)
	if err != nil {
		return nil, err
	}
	in.table = t
	c := new(datasets.Counts) // of one day after the other
	for i, f := range in.of(counts) {
		if err := in.readCounts(ctx, &f, i, t, sink, c); err != nil {
			return nil, err
		}
		if f.dated || in.span.To <= datasets.MinutesPerDay {
			if err := sink.Day(c); err != nil {
				return nil, err
			}
			continue
		}
		one := new(datasets.Counts)
		for day := 0; day*datasets.MinutesPerDay < in.span.To; day++ {
			cut(c, day, one)
			if err := sink.Day(one); err != nil {
				return nil, err
			}
		}
	}
	if len(t.functions) == 0 {
		return nil, fmt.Errorf("%s: counts: %w", in.files[0].path, datasets.ErrNoRows)
	}
	for _, f := range in.of(durations) {
		if err := t.readDurations(ctx, &f, sink); err != nil {
			return nil, err
		}
	}
	for _, f := range in.of(memory) {
		if err := t.readMemory(ctx, &f, sink); err != nil {
			return nil, err
		}
	}
	if err := in.set.Unchanged(); err != nil {
		return nil, err
	}
	return t.join(in.opts.Seed), nil
}
