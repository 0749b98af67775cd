// Package synthetic generates a trace with the published statistics of a public
// cloud, so that everything can be run and tested where no real trace is at hand.
// It is called synthetic wherever it is shown.
//
// The statistics are those of Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020),
// Section 3, on Azure Functions in July 2019: functions per application; how often
// applications are invoked, and the share of the busiest ones; functions, invocations and
// applications by trigger; timers; how far inter-arrival times vary; execution times;
// memory; the hours of the day and the days of the week. The constants and their places in
// the paper stand in published.go, what comes out in docs/traces.md.
//
// What the paper shows in pictures only is made up here: daily and weekly rhythms and a
// holiday for functions that people trigger, exact periods for timers, steady senders,
// bursts, and chains in which one function invokes the next.
//
// Two things differ from the public trace on purpose. Unless Options.Busiest is
// [PublishedBusiest], the busiest application makes tens of invocations a minute rather
// than thousands, so that a replay takes seconds. And a container of any function of an
// application needs the memory of the application.
package synthetic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/option"
)

// Format is the name of the format in the store.
const Format = "synthetic"

// generation numbers the rules by which traces are made: a change of the rules
// under equal options must not pass for the same trace.
const generation = 3

// maxFunctions keeps the tables of a day in memory.
const maxFunctions = 1 << 20

// Start is the first midnight of every synthetic trace, a Monday.
func Start() time.Time { return time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC) }

// Options choose a synthetic trace. Equal options give equal traces.
type Options struct {
	// Functions in the trace, in [1, 1048576]. Default 240.
	Functions int `json:"functions"`

	// Days, in [1, 366]. Default 16: the training share (70 %) then has a week
	// and a half, and the holiday.
	Days int `json:"days"`

	// Holidays are the numbers of days, from 0, on which people stay at home.
	// Those beyond the last day have no effect. Default 8, the second Tuesday.
	Holidays []int `json:"holidays"`

	// Busiest is how often the busiest application is invoked a day, on average, in
	// [1440, 100000000]. The published shares of invocations need PublishedBusiest.
	// Default 36000, so that a replay takes seconds.
	Busiest int `json:"busiest"`

	// Seed of all random draws. Default 1.
	Seed uint64 `json:"seed"`
}

// DefaultOptions returns the trace of the sample run.
func DefaultOptions() Options {
	return Options{Functions: 240, Days: 16, Holidays: []int{8}, Busiest: 36000, Seed: 1}
}

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	out := option.Check{Package: "synthetic"}
	out.That(o.Functions >= 1 && o.Functions <= maxFunctions, "functions", "must be in [1, %d], got %d", maxFunctions, o.Functions)
	out.That(o.Days >= 1 && o.Days <= 366, "days", "must be in [1, 366], got %d", o.Days)
	out.That(o.Busiest >= busyFrom && o.Busiest <= 1e8, "busiest", "must be in [%.0f, 100000000], got %d", busyFrom, o.Busiest)
	for _, h := range o.Holidays {
		out.That(h >= 0, "holidays", "must not be negative, got %d", h)
	}
	return out.Err()
}

// Holidays is the calendar of the trace: the holidays inside its days.
func Holidays(o Options) []datasets.Holiday {
	var out []datasets.Holiday
	for _, h := range o.Holidays {
		if h >= 0 && h < o.Days {
			out = append(out, datasets.Holiday{Name: "public holiday", Day: Start().AddDate(0, 0, h)})
		}
	}
	return out
}

// Generate makes the trace in memory. It is the same as what a store gives back
// after taking in [New] with these options, digest included.
func Generate(o Options) (*datasets.Trace, error) {
	in, err := New(o)
	if err != nil {
		return nil, err
	}
	var days collector
	functions, err := in.Read(context.Background(), nil, &days)
	if err != nil {
		return nil, err
	}
	p := in.Provenance()
	digests := make([]string, len(days))
	for i, c := range days {
		digests[i] = c.Digest()
	}
	return &datasets.Trace{
		Name: Format, Format: Format, Digest: datasets.ContentDigest(p.Start, p.Span, functions, digests),
		Start: p.Start, Span: p.Span, Notes: p.Notes,
		Functions: functions,
		Source:    datasets.Memory(days),
	}, nil
}

// Stream makes the trace a day at a time, whenever one is asked for, so that memory is
// that of a day. It has no digest: that would need all the days.
func Stream(o Options) (*datasets.Trace, error) {
	in, err := New(o)
	if err != nil {
		return nil, err
	}
	p, population := in.Provenance(), newPopulation(o)
	return &datasets.Trace{
		Name: Format, Format: Format, Start: p.Start, Span: p.Span, Notes: p.Notes,
		Functions: population.functions,
		Source:    population,
	}, nil
}

// A collector is a sink that keeps the days, which the generator makes anew each time.
type collector []*datasets.Counts

func (c *collector) Day(day *datasets.Counts) error {
	*c = append(*c, day)
	return nil
}

func (c *collector) Invocations(int, iter.Seq2[datasets.Invocation, error]) error {
	return errors.New("synthetic: the generator gives counts")
}

func (c *collector) Rows(string, int64) error { return nil }

func (c *collector) Reject(_ string, e *datasets.SyntaxError) error { return e }

// An Input generates the trace a day at a time. It implements [datasets.Input].
type Input struct{ opts Options }

// New returns the trace that o chooses, as an input for a store.
func New(o Options) (*Input, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Input{o}, nil
}

// optionsFile stands for the options where other traces have files.
const optionsFile = "options.json"

// Provenance implements [datasets.Input]. The only source file is the generator's
// options; it has one row for each function and day.
func (in *Input) Provenance() datasets.Provenance {
	raw, err := json.Marshal(in.opts)
	if err != nil {
		panic(err) // a struct of integers is always encodable
	}
	sum := sha256.Sum256(raw)
	return datasets.Provenance{
		Format:     Format,
		Files:      []datasets.SourceFile{{Name: optionsFile, SHA256: hex.EncodeToString(sum[:])}},
		Parameters: fmt.Sprintf("generation=%d %s", generation, raw),
		Start:      Start(),
		Span:       datasets.Window{From: 0, To: in.opts.Days * datasets.MinutesPerDay},
		Notes: []string{
			"synthetic: generated from published statistics, not observed",
			datasets.StartCostNote,
		},
	}
}

// Read implements [datasets.Input].
func (in *Input) Read(ctx context.Context, known []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	if len(known) > 0 {
		return nil, errors.New("synthetic: a generated trace cannot extend another one")
	}
	p := newPopulation(in.opts)
	for day := range in.opts.Days {
		c, err := p.Day(ctx, day)
		if err != nil {
			return nil, err
		}
		if err := sink.Day(c); err != nil {
			return nil, err
		}
		if err := sink.Rows(optionsFile, int64(len(p.functions))); err != nil {
			return nil, err
		}
	}
	return p.functions, nil
}
