// Package azure2019 reads the Azure Functions trace of 2019 (Shahrad et al.,
// "Serverless in the Wild", USENIX ATC 2020; Azure/AzurePublicDataset, CC-BY-4.0).
//
// [Open] looks at a folder in one of two layouts, both plain or compressed (.gz):
// the official files, one of each kind a day,
//
//	invocations_per_function_md.anon.dNN.csv      HashOwner,HashApp,HashFunction,Trigger,1..1440
//	function_durations_percentiles.anon.dNN.csv   HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_…
//	app_memory_percentiles.anon.dNN.csv           HashOwner,HashApp,SampleCount,AverageAllocatedMb,…
//
// or one day as invocations.csv, durations.csv and memory.csv, where memory has a
// column HashFunction too and is per function. [Input.Read] gives the counts by
// day and then the functions; [parquet.Store.Ingest] stores them.
//
// [Write] writes any trace as the official files.
//
// How the files are read:
//
//   - The numbers in the header of the counts are minutes of the day from 1, in
//     both layouts: column 480 is the minute [07:59, 08:00), 479 of the day.
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
//   - The files name no date. That day 1 is Monday, 15 July 2019 is recalled from
//     the paper's "two weeks in July 2019" and the weekly rhythm, and noted as assumed.
//
// [parquet.Store.Ingest]: https://pkg.go.dev/github.com/incendio-faas/incendio/datasets/parquet#Store.Ingest
package azure2019

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Format is the name of the format in the store and on the command line.
const Format = "azure2019"

// What stands in where the trace has no measurement.
const (
	// DefaultExecution is the median of the average execution times of functions:
	// exp(-0.38) s, from the log-normal fit of ATC'20, Fig. 7.
	DefaultExecution = 684 * time.Millisecond

	// DefaultMemory is the median of the memory of applications, 170 MB (ATC'20,
	// Fig. 8), in bytes.
	DefaultMemory = 170 << 20

	// DefaultCPU is one core: the trace says nothing about CPU.
	DefaultCPU = 1.0
)

// The reasons for which a row is rejected.
const (
	RaggedRow      = "ragged row"
	LongLine       = "long line"
	BadKey         = "bad key"
	DuplicateKey   = "duplicate key"
	UnknownTrigger = "unknown trigger"
	BadNumber      = "bad number"
	NegativeNumber = "negative number"
	HugeNumber     = "huge number"
)

// Options choose how the trace is read.
type Options struct {
	// Seed of the assumed start costs. Default 1.
	Seed uint64 `mapstructure:"seed" json:"seed"`

	// Workers that scan counts, at least 1; 0 means one a core. The result does
	// not depend on it. Default 0.
	Workers int `mapstructure:"workers" json:"workers"`
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
	counts:    regexp.MustCompile(`^invocations_per_function_md\.anon\.d([0-9]{2,3})\.csv(\.gz)?$`),
	durations: regexp.MustCompile(`^function_durations_percentiles\.anon\.d([0-9]{2,3})\.csv(\.gz)?$`),
	memory:    regexp.MustCompile(`^app_memory_percentiles\.anon\.d([0-9]{2,3})\.csv(\.gz)?$`),
}

var sample = []string{counts: "invocations.csv", durations: "durations.csv", memory: "memory.csv"}

// A sourceFile is one file of the trace.
type sourceFile struct {
	kind   kind
	day    int // from 1, as in its name
	name   string
	path   string
	sha256 string
	stat   os.FileInfo // when its digest was taken
}

// open returns the text of the file.
func (f *sourceFile) open() (io.ReadCloser, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(f.path, ".gz") {
		return in, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		in.Close()
		return nil, f.readError(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{z, in}, nil
}

// readError says what kept the file from being read.
func (f *sourceFile) readError(err error) error {
	switch {
	case errors.Is(err, io.EOF) && strings.HasSuffix(f.path, ".gz"):
		return fmt.Errorf("%s: empty, expected gzip", f.path)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: truncated gzip: %w", f.path, err)
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("%s: damaged gzip: %w", f.path, err)
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

// An Input is a folder of files of the trace. It implements [datasets.Input].
type Input struct {
	opts  Options
	files []sourceFile // by kind, then by day
	first int          // the first day, from 1
	span  datasets.Window
}

// Open finds the files of the trace in dir, takes their digests and reads the
// headers of the counts. The days of the counts must follow each other.
func Open(dir string, o Options) (*Input, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Input{opts: o}
	if in.opts.Workers == 0 {
		in.opts.Workers = runtime.GOMAXPROCS(0)
	}
	if err := in.list(dir); err != nil {
		return nil, fmt.Errorf("open azure2019 trace: %w", err)
	}
	for i := range in.files {
		if err := in.files[i].digest(); err != nil {
			return nil, fmt.Errorf("open azure2019 trace: %w", err)
		}
	}
	if err := in.measure(); err != nil {
		return nil, fmt.Errorf("open azure2019 trace: %w", err)
	}
	return in, nil
}

// list finds the files.
func (in *Input) list(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	seen := map[string]string{}
	dated, undated := false, false
	for _, e := range entries {
		f := sourceFile{day: 1, name: e.Name(), path: filepath.Join(dir, e.Name())}
		plain := strings.TrimSuffix(e.Name(), ".gz")
		if k := slices.Index(sample, plain); k >= 0 {
			f.kind, undated = kind(k), true
		} else {
			k := slices.IndexFunc(official, func(r *regexp.Regexp) bool { return r.MatchString(e.Name()) })
			if k < 0 {
				continue
			}
			f.kind, dated = kind(k), true
			if f.day, err = strconv.Atoi(official[k].FindStringSubmatch(e.Name())[1]); err != nil || f.day == 0 {
				return fmt.Errorf("%s: days are numbered from 1", f.path)
			}
		}
		if dated && undated {
			return fmt.Errorf("%s: files of two layouts, invocations.csv and invocations_per_function_md.anon.dNN.csv", dir)
		}
		id := fmt.Sprint(f.kind, f.day)
		if other, ok := seen[id]; ok {
			return fmt.Errorf("%s: both %s and %s hold day %d", dir, other, e.Name(), f.day)
		}
		seen[id] = e.Name()
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
		return fmt.Errorf("%s: no counts: expected invocations_per_function_md.anon.dNN.csv or invocations.csv, perhaps with .gz", dir)
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

func (f *sourceFile) digest() error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if f.stat, err = file.Stat(); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	f.sha256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

// unchanged reports an error if the file is not the one whose digest was taken.
func (f *sourceFile) unchanged() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if now.Size() != f.stat.Size() || !now.ModTime().Equal(f.stat.ModTime()) {
		return fmt.Errorf("%s: changed while it was read", f.path)
	}
	return nil
}

// measure finds the observed minutes in the headers of the counts.
func (in *Input) measure() error {
	days := in.of(counts)
	for i := range days {
		h, err := days[i].countsHeader()
		if err != nil {
			return err
		}
		if i > 0 && h.first != 0 {
			return &datasets.SyntaxError{File: days[i].path, Line: 1, Msg: fmt.Sprintf("minutes start at %d: only those of the first day may start after 1", h.first+1)}
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
	for _, f := range in.files {
		p.Files = append(p.Files, datasets.SourceFile{Name: f.name, SHA256: f.sha256})
	}
	return p
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	t := newTable(known)
	c := new(datasets.Counts) // of one day after the other
	for i, f := range in.of(counts) {
		if err := in.readCounts(ctx, &f, i, t, sink, c); err != nil {
			return nil, err
		}
		if err := sink.Day(c); err != nil {
			return nil, err
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
	for i := range in.files {
		if err := in.files[i].unchanged(); err != nil {
			return nil, err
		}
	}
	return t.join(in.opts.Seed), nil
}
