package study

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/report"
)

// A Study is an experiment of a paper.
type Study struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Source string `json:"source"`
	// Takes says what of an Input it uses: "trace", "bundle", both or neither, beside
	// the seed.
	Takes []string `json:"takes"`

	run func(ctx context.Context, l *lab) error
}

// studies is the one table of studies, in the order of the papers.
var studies = []Study{
	{"fig2", "Fewer cold starts is not less latency", "Incendio, Fig. 2 and Section I", []string{"trace"}, fig2},
	{"fig6", "The order of scheduling", "Incendio, Fig. 6 and Section II-B", nil, fig6},
	{"table2", "Overall speed-up", "Incendio, Table II", []string{"trace", "bundle"}, table2},
	{"table3", "Latency benefit of warm starts", "Incendio, Table III", []string{"trace", "bundle"}, table3},
	{"fig10", "How requests of five functions are served", "Incendio, Fig. 10 and 13", []string{"trace", "bundle"}, fig10},
	{"fig11", "Latency and warm starts of five functions", "Incendio, Fig. 11 and 14", []string{"trace", "bundle"}, fig11},
	{"fig12", "Tail latency of five functions", "Incendio, Fig. 12 and 15", []string{"trace", "bundle"}, fig12},
	{"fig20", "What a decision costs", "Incendio, Fig. 20 and Section VIII-G", []string{"bundle"}, fig20},
	{"alps", "Learned priorities against CFS", "ALPS, ATC 2024, abstract", nil, alps},
	{"sfs", "Short functions first against CFS", "SFS, SC 2022, abstract", nil, sfs},
	{"lass", "Fair share under overload", "LaSS, HPDC 2021, abstract", nil, lass},
	{"loads", "All policies at three loads", "this project", []string{"trace", "bundle"}, loads},
	{"decisions", "What decides, over loads, memory and the CPU of starts", "this project", []string{"trace", "bundle"}, decisions},
	{"dispatch", "Solutions of the static problem on what waits in a replay", "Incendio, Fig. 20 and Section V, on other instances", []string{"trace"}, dispatch},
	{"advantages", "What options that the index does not take are worth", "this project", []string{"trace"}, advantages},
}

// All returns the studies, in the order of the papers.
func All() []Study { return append([]Study(nil), studies...) }

// Named returns the study of that name.
func Named(name string) (Study, error) {
	names := make([]string, len(studies))
	for i, s := range studies {
		if names[i] = s.Name; s.Name == name {
			return s, nil
		}
	}
	return Study{}, fmt.Errorf("study %q: must be one of %s", name, strings.Join(names, ", "))
}

// An Input is what a study is run on.
type Input struct {
	// Config has the cluster and the options of a Trace, and of the embedded one.
	Config pipelines.Config
	// Trace is replayed in Window; nil: the study makes its own workload.
	Trace  *datasets.Trace
	Window datasets.Window
	// Subject is the bundle of the rows that need one; nil: they are left out.
	Subject *replay.Subject

	Seed    uint64
	Seeds   int // from Seed on, >= 1; more than one gives intervals
	Workers int // >= 1
	// Keep is the folder in which a long study keeps what it has computed, so that it goes on
	// where it was stopped; "" keeps nothing.
	Keep string
	// Now reads the clock, for what is measured in time.
	Now func() time.Time
}

// Validate reports the first value that is out of range.
func (s Input) Validate() error {
	switch {
	case s.Seeds < 1 || s.Seeds > 1000:
		return fmt.Errorf("study: seeds must be in [1, 1000], got %d", s.Seeds)
	case s.Workers < 1:
		return fmt.Errorf("study: workers must be at least 1, got %d", s.Workers)
	case s.Now == nil:
		return fmt.Errorf("study: a clock is missing")
	}
	return nil
}

// A Result is what came out; it is what `reproduce --json` prints.
type Result struct {
	Study  string   `json:"study"`
	Title  string   `json:"title"`
	Source string   `json:"source"`
	Setup  []string `json:"setup"` // what was run, in sentences
	Seed   uint64   `json:"seed"`
	Seeds  int      `json:"seeds"`

	Tables []Table `json:"tables"`
	Claims []Claim `json:"claims"`
	// Left out are rows that could not be run, each with the reason.
	LeftOut []string `json:"left_out"`

	Figures []report.Figure `json:"-"`
	Files   []string        `json:"figures"` // names of the figures' files

	// Timing has the tables that depend on the machine and its clock.
	Timing []Table `json:"timing,omitempty"`
}

// A Claim is a finding of a paper beside ours.
type Claim struct {
	What  string `json:"what"`
	Paper string `json:"paper"`
	Ours  string `json:"ours"`
	Why   string `json:"why"` // they differ, or agree
}

// Run runs the study.
func (s Study) Run(ctx context.Context, set Input) (*Result, error) {
	if err := set.Validate(); err != nil {
		return nil, err
	}
	l := &lab{Input: set, out: &Result{
		Study: s.Name, Title: s.Title, Source: s.Source, Seed: set.Seed, Seeds: set.Seeds,
		Setup: []string{}, Tables: []Table{}, Claims: []Claim{}, LeftOut: []string{}, Files: []string{},
	}}
	if err := s.run(ctx, l); err != nil {
		return nil, fmt.Errorf("study %s: %w", s.Name, err)
	}
	kept := l.out.Figures[:0]
	for _, f := range l.out.Figures {
		if f.SVG == "" {
			l.out.LeftOut = append(l.out.LeftOut, f.Caption)
			continue
		}
		kept = append(kept, f)
		l.out.Files = append(l.out.Files, f.ID+".svg")
	}
	l.out.Figures = kept
	return l.out, nil
}
