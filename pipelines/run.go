package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/export"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
)

// A Run is one pass of the job over a trace, and its folder:
//
//	frames/       what models see, as Parquet
//	models/       what the stages before the export learned
//	bundle/       the candidate; beside it its signatures, and bundle.attestations: where it comes from
//	metrics.json  its validation, as `incendio validate --json` prints it
//	report.json   what the report shows, and report.html, the page
//	run.json      where all this lies, and the verdict
//	records.jsonl a line for every time that the run came to a verdict
type Run struct {
	Dir  string
	ID   string // of inputs, configuration and program: equal runs have equal ids
	AsOf time.Time
	Done []stage.Done

	env         Env
	publisher   publisher
	description parquet.Description
	material    Material
	folder      stage.Folder
	job         *stage.Job
}

// Files that come after the stages.
const (
	runFile  = "run.json"
	pageFile = "report.html"
)

// promotion is the step after the stages.
const promotion = "promote"

// An Env is what a run takes from outside: the clock, the log, the door for progress.
type Env struct {
	Version  string                           // of the program
	Code     func(pkg string) (string, error) // names the code of a package, see stage.Code
	Build    *debug.BuildInfo                 // of the program, for the provenance of bundles
	Now      func() time.Time                 // for the journal and for what stands in "timing"
	Log      *slog.Logger
	Progress stage.Progress
	Workers  int // >= 1
}

// ErrRefused is returned by a run whose candidate a gate refused; the champion stays.
var ErrRefused = errors.New("candidate refused")

// ErrFallback is returned by a run that finished, but an error or a time limit forced
// some functions to a simpler model.
var ErrFallback = errors.New("some functions fell back to a simpler model")

// Until runs the stages up to and including the one named last. While another process works
// on one of them, it returns [stage.ErrLocked].
func (r *Run) Until(ctx context.Context, last string) error {
	done, err := r.job.Run(ctx, last)
	r.Done = append(r.Done, done...)
	return err
}

// A Summary is what `incendio run --json` prints. Paths are as the run folder was given.
type Summary struct {
	Run     string `json:"run"`
	Bundle  string `json:"bundle"`
	Digest  string `json:"digest"`
	Report  string `json:"report"`
	Verdict string `json:"verdict"`

	Text  string `json:"-"` // for a terminal
	Holds string `json:"-"` // what the registry says now, for an error that comes after
}

// All runs every stage, promotes or refuses the candidate and writes the report. The
// summary is there also with ErrRefused and ErrFallback.
func (r *Run) All(ctx context.Context) (*Summary, error) {
	began := r.env.Now()
	if err := r.Until(ctx, r.job.Stages[len(r.job.Stages)-1].Name); err != nil {
		return nil, err
	}
	unlock, err := r.folder.Lock(promotion)
	if err != nil {
		return nil, err
	}
	defer unlock()
	v, err := validate.Read(r.folder)
	if err != nil {
		return nil, err
	}
	if why, err := r.publisher.withdrawn(v.Bundle); err != nil {
		return nil, err
	} else if why != "" && v.Verdict != bundle.Refused {
		v.Verdict, v.Reason = bundle.Refused, why
	}
	candidate := r.folder.Path(export.Folder)
	if err := r.attest(candidate, v); err != nil {
		return nil, err
	}
	if err := r.publisher.publish(candidate, v, "run "+r.ID, r.when()); err != nil {
		return nil, err
	}
	data, err := r.report(v, r.env.Now().Sub(began))
	if err != nil {
		return nil, err
	}
	if err := r.record(v, r.env.Now().Sub(began)); err != nil {
		return nil, err
	}
	s := &Summary{Run: r.ID, Bundle: candidate, Digest: v.Bundle, Report: r.folder.Path(pageFile), Verdict: v.Verdict}
	if err := stage.WriteJSON(r.folder, runFile, s); err != nil {
		return nil, err
	}
	if _, err := WriteReport(r.Dir); err != nil {
		return nil, err
	}
	s.Text = report.Summary(data)
	s.Holds = fmt.Sprintf("the candidate %.12s was %s", v.Bundle, v.Verdict)
	fallbacks := 0
	for _, d := range r.Done {
		fallbacks += d.Fallbacks
	}
	switch {
	case v.Verdict == bundle.Refused:
		return s, fmt.Errorf("%w: %s", ErrRefused, v.Reason)
	case fallbacks > 0:
		return s, fmt.Errorf("%w: %d; the report names them", ErrFallback, fallbacks)
	}
	return s, nil
}

// when is the time that the journal gets.
func (r *Run) when() time.Time {
	if !r.AsOf.IsZero() {
		return r.AsOf
	}
	return r.env.Now()
}

// A StageState is a stage in the JSON of the commands that run some.
type StageState struct {
	Name     string   `json:"name"`
	Cached   bool     `json:"cached"`
	Rows     int64    `json:"rows"`
	Summary  string   `json:"summary"`
	Warnings []string `json:"warnings,omitempty"`
}

// A StageReport is what those commands print.
type StageReport struct {
	Run    string       `json:"run"`
	Folder string       `json:"folder"`
	Stages []StageState `json:"stages"`
}

// Progress says which stages ran.
func (r *Run) Progress() StageReport {
	out := StageReport{Run: r.ID, Folder: r.Dir}
	for _, d := range r.Done {
		out.Stages = append(out.Stages, StageState{d.Name, d.Cached, d.Rows, d.Summary, d.Warnings})
	}
	return out
}

// WriteReport makes the page of a run folder from its report.json and returns its path.
func WriteReport(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, report.File))
	if err != nil {
		return "", err
	}
	defer f.Close()
	d, err := report.Decode(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	page := filepath.Join(dir, pageFile)
	var b bytes.Buffer
	if err := report.Render(&b, d); err != nil {
		return "", err
	}
	return page, stage.Folder(dir).Write(pageFile, b.Bytes())
}
