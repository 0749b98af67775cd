// Package formats is the table of all layouts of files that traces are read from.
//
// [Named] finds a format, [Detect] says which one a file looks like, and [Format.Open] makes an input
// that [github.com/incendio-faas/incendio/datasets/parquet.Store.Ingest] takes in:
//
//	f, ok := formats.Named("counts")
//	in, err := f.Open(ctx, "counts.csv", formats.DefaultOptions())
//
// A new format is a package of its own beside the others, and a row of [All].
package formats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/alibaba"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/azure2021"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/huawei2023"
	"github.com/incendio-faas/incendio/datasets/huawei2025"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/openwhisk"
	"github.com/incendio-faas/incendio/datasets/prometheus"
)

// Options say how files are read. Every format takes Seed and Workers; of the others, those that
// its row names.
type Options struct {
	// Seed of what is assumed of start costs. Default 1.
	Seed uint64 `json:"seed"`

	// Workers that read, at least 1; 0 means one a core. The result does not depend on it. Default 0.
	Workers int `json:"workers"`

	// Columns maps documented names of columns or labels to those that the files use; an empty name says
	// that there is none. Default none.
	Columns map[string]string `json:"columns"`

	// Start is the date, a midnight UTC, from which times that are numbers count. Default 1970-01-01.
	Start time.Time `json:"start"`

	// Zone is where dates and times without a zone are from, by its IANA name. Default empty: UTC.
	Zone string `json:"zone"`

	// DayOrigin and MinuteOrigin number the first day and the first minute of a day, 0 or 1. Default 0.
	DayOrigin    int `json:"day_origin"`
	MinuteOrigin int `json:"minute_origin"`

	// Values are [prometheus.Counter] or [prometheus.Increase]. Default Counter.
	Values string `json:"values"`

	// Range is how long increases are of, in whole seconds. Default 0: the time between samples.
	Range time.Duration `json:"range"`

	// Region is the one that is read where there are several. Default empty: the only one that there is.
	Region string `json:"region"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Seed: 1, Start: time.Unix(0, 0).UTC(), Values: prometheus.Counter}
}

// A Format is a layout of files that is read.
type Format struct {
	Name string

	// Takes are the options that it takes beside seed and workers, by their JSON names.
	Takes []string

	// Free says that the columns may be called anything, so that what a file looks like proves nothing.
	Free bool

	// Detect reports whether a file that begins with head, unpacked, looks like this format.
	Detect func(head []byte) bool

	read func(Options) reader
}

// A reader is a format with its options.
type reader struct {
	validate func() error
	open     func(ctx context.Context, path string) (datasets.Input, error)
}

// bind makes one of the options of a package and its function that opens files.
func bind[I datasets.Input, O any](open func(context.Context, string, O) (I, error), o O) reader {
	r := reader{validate: func() error { return nil }}
	if v, ok := any(o).(interface{ Validate() error }); ok {
		r.validate = v.Validate
	}
	r.open = func(ctx context.Context, path string) (datasets.Input, error) {
		in, err := open(ctx, path, o)
		if err != nil { // not an interface that holds nil
			return nil, err
		}
		return in, nil
	}
	return r
}

// table is in the order in which formats are tried on a file: the first that knows it decides.
var table = []Format{
	{Name: azure2019.Format, Detect: azure2019.Detect, read: func(o Options) reader {
		return bind(azure2019.Open, azure2019.Options{Seed: o.Seed, Workers: o.Workers})
	}},
	{Name: azure2021.Format, Detect: azure2021.Detect, read: func(o Options) reader {
		return bind(azure2021.Open, azure2021.Options{Seed: o.Seed})
	}},
	{Name: alibaba.Format, Detect: alibaba.Detect, read: func(o Options) reader {
		return bind(alibaba.Open, alibaba.Options{Seed: o.Seed})
	}},
	{Name: huawei2023.Format, Takes: []string{"start"}, Detect: huawei2023.Detect, read: func(o Options) reader {
		return bind(huawei2023.Open, huawei2023.Options{Start: o.Start, Seed: o.Seed, Workers: o.Workers})
	}},
	{Name: huawei2025.Format, Takes: []string{"start", "region"}, Detect: huawei2025.Detect, read: func(o Options) reader {
		return bind(huawei2025.Open, huawei2025.Options{Start: o.Start, Region: o.Region, Seed: o.Seed, Workers: o.Workers})
	}},
	{Name: openwhisk.Format, Detect: openwhisk.Detect, read: func(o Options) reader {
		return bind(openwhisk.Open, openwhisk.Options{Seed: o.Seed})
	}},
	{Name: prometheus.Format, Takes: []string{"columns", "values", "range"}, Detect: prometheus.Detect, read: func(o Options) reader {
		return bind(prometheus.Open, prometheus.Options{Columns: o.Columns, Values: o.Values, Range: o.Range, Seed: o.Seed})
	}},
	{Name: counts.Format, Takes: []string{"columns", "start", "zone", "day_origin", "minute_origin"}, Free: true, Detect: counts.Detect, read: func(o Options) reader {
		own := counts.DefaultOptions()
		own.Columns, own.Start, own.Zone, own.Seed = o.Columns, o.Start, o.Zone, o.Seed
		own.DayOrigin, own.MinuteOrigin = o.DayOrigin, o.MinuteOrigin
		return bind(counts.Open, own)
	}},
	{Name: invocations.Format, Takes: []string{"columns", "start", "zone"}, Free: true, Detect: invocations.Detect, read: func(o Options) reader {
		own := invocations.DefaultOptions()
		own.Columns, own.Start, own.Zone, own.Seed = o.Columns, o.Start, o.Zone, o.Seed
		return bind(invocations.Open, own)
	}},
}

// All returns the formats in the order of their names.
func All() []Format {
	all := slices.Clone(table)
	slices.SortFunc(all, func(a, b Format) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Names returns the names of [All].
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}

// Named returns the format of a name.
func Named(name string) (Format, bool) {
	i := slices.IndexFunc(table, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return table[i], true
}

// Detect returns the format that a file looks like which begins with head, unpacked. Some KB are enough.
func Detect(head []byte) (Format, bool) {
	i := slices.IndexFunc(table, func(f Format) bool { return f.Detect(head) })
	if i < 0 {
		return Format{}, false
	}
	return table[i], true
}

// Validate reports options that the format cannot use, among them those that it does not take.
func (f Format) Validate(o Options) error {
	var err error
	defaults := DefaultOptions()
	for _, option := range []struct {
		name string
		set  bool
	}{
		{"columns", len(o.Columns) > 0}, {"start", !o.Start.Equal(defaults.Start)}, {"zone", o.Zone != ""},
		{"day_origin", o.DayOrigin != 0}, {"minute_origin", o.MinuteOrigin != 0},
		{"values", o.Values != defaults.Values}, {"range", o.Range != 0}, {"region", o.Region != ""},
	} {
		if option.set && !slices.Contains(f.Takes, option.name) {
			err = errors.Join(err, fmt.Errorf("%s says nothing to format %s", option.name, f.Name))
		}
	}
	if err != nil {
		return err
	}
	return f.read(o).validate()
}

// Open opens the file, folder or archive at path. Files of another format beside those that are read are
// an error, and an error of opening says which format the files look like. An input that is an
// [io.Closer] must be closed.
func (f Format) Open(ctx context.Context, path string, o Options) (datasets.Input, error) {
	if err := f.Validate(o); err != nil {
		return nil, err
	}
	seen := sightings{named: f}
	in, err := f.read(o).open(seen.watch(ctx), path)
	if err != nil {
		return nil, seen.explain(err)
	}
	return in, nil
}

// Close closes an input that must be closed.
func Close(in datasets.Input) error {
	if c, ok := in.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
