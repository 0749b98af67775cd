package stage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// StateFolder is where a job keeps the keys and the locks of its stages, in its folder.
const StateFolder = ".stages"

// ErrLocked is returned while another process works on a stage of the same folder.
var ErrLocked = errors.New("another process works in it")

// ErrChanged is returned if an input of a stage changed while it ran.
var ErrChanged = errors.New("an input changed while the stage ran")

// A Job runs stages in a folder.
type Job struct {
	Folder Folder
	Stages []Stage // in order: a stage reads what those before it wrote

	// Code names the code of a package and of all that it imports, see [Code.Digest].
	Code     func(pkg string) (string, error)
	Now      func() time.Time // to measure how long stages take
	Log      *slog.Logger
	Progress Progress
	Workers  int // >= 1
}

// A Done is the record of a stage that ran, or did not need to.
type Done struct {
	Name   string
	Cached bool
	Took   time.Duration // of one that is cached: when it ran
	Outcome
}

// stamp is what is kept of a finished stage.
type stamp struct {
	Key     string            `json:"key"`
	Outputs map[string]string `json:"outputs"` // digest by path
	Outcome Outcome           `json:"outcome"`
	Made    *made             `json:"made,omitempty"` // nil in stamps from before it was kept
	TookS   float64           `json:"took_s,omitempty"`
}

// Run runs the stages up to and including the one named last, each after its inputs are
// there, and skips those that are up to date. It returns a record of each that it passed.
func (j *Job) Run(ctx context.Context, last string) ([]Done, error) {
	i := slices.IndexFunc(j.Stages, func(s Stage) bool { return s.Name == last })
	if i < 0 {
		return nil, fmt.Errorf("no stage %q", last)
	}
	var done []Done
	for _, s := range j.Stages[:i+1] {
		d, err := j.stage(ctx, s)
		if err != nil {
			return done, fmt.Errorf("%s: %w", s.Name, err)
		}
		done = append(done, d)
	}
	return done, nil
}

// stage runs one stage, if it is not up to date.
func (j *Job) stage(ctx context.Context, s Stage) (Done, error) {
	if err := ctx.Err(); err != nil {
		return Done{}, err
	}
	unlock, err := j.Folder.Lock(s.Name)
	if err != nil {
		return Done{}, err
	}
	defer unlock()
	began := j.Now()
	given, run, err := s.given()
	if err != nil {
		return Done{}, err
	}
	inputs, err := j.Folder.digests(s.Inputs)
	if err != nil {
		return Done{}, err
	}
	code, err := j.Code(s.code)
	if err != nil {
		return Done{}, err
	}
	key := keyOf(s.Name, code, given, inputs)
	if st, ok := j.fresh(s, key); ok {
		j.Log.Info("stage is up to date", "stage", s.Name)
		return Done{Name: s.Name, Cached: true, Took: time.Duration(st.TookS * float64(time.Second)), Outcome: st.Outcome}, nil
	}
	now := made{Code: code, Given: given, Inputs: inputs}
	j.Log.Info("stage begins", "stage", s.Name, "because", j.why(s, now))
	out, err := run(ctx, &Place{Workers: j.Workers, Progress: j.Progress, stage: s.Name, folder: j.Folder, in: s.Inputs, out: s.Outputs})
	if err != nil {
		return Done{}, err
	}
	if after, err := j.Folder.digests(s.Inputs); err != nil || !maps.Equal(inputs, after) {
		return Done{}, errors.Join(ErrChanged, err)
	}
	took := j.Now().Sub(began)
	if err := j.stamp(s, stamp{Key: key, Outcome: out, Made: &now, TookS: took.Seconds()}); err != nil {
		return Done{}, err
	}
	j.Log.Info("stage ends", "stage", s.Name, "rows", out.Rows, "duration", took.Round(time.Millisecond))
	return Done{Name: s.Name, Took: took, Outcome: out}, nil
}

// keyOf digests all that the result of a stage depends on.
func keyOf(name, code string, given []byte, inputs map[string]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n", name, code, given)
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		fmt.Fprintf(h, "%s %s\n", inputs[name], name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fresh reports whether the outputs of s are those that key led to.
func (j *Job) fresh(s Stage, key string) (stamp, bool) {
	st, ok := j.stamped(j.Folder, s.Name)
	if !ok || st.Key != key {
		return stamp{}, false
	}
	have, err := j.Folder.digests(s.Outputs)
	return st, err == nil && maps.Equal(have, st.Outputs)
}

func (j *Job) stamp(s Stage, st stamp) error {
	var err error
	if st.Outputs, err = j.Folder.digests(s.Outputs); err != nil {
		return err
	}
	return WriteJSON(j.Folder, state(s.Name, ".json"), st)
}

// state is the file of a stage below StateFolder.
func state(name, ending string) string {
	return path.Join(StateFolder, strings.ReplaceAll(name, " ", "-")+ending)
}

// Claim makes the folder, or takes one that an earlier job left: a folder with other
// files in it is refused.
func (f Folder) Claim() error {
	entries, err := os.ReadDir(string(f))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(f.Path(StateFolder)); err != nil {
			return fmt.Errorf("%s is not empty and not a run folder: choose another one", f)
		}
	}
	return os.MkdirAll(f.Path(StateFolder), 0o777)
}

// Progress shows how far a long step is. Implementations must be safe for use by
// several goroutines.
type Progress interface {
	// Begin starts a step of total units; total <= 0 is unknown.
	Begin(step string, total int) Bar
}

// A Bar is one step on its way.
type Bar interface {
	Set(done int, text string)
	End()
}

// A Recorder shows what training records on a bar: it has the method of a train.Recorder.
type Recorder struct {
	Bar    Bar
	Metric string // whose steps the bar counts; empty: every record is a step
}

// Record shows one value.
func (r Recorder) Record(metric string, step int, value float64) {
	if r.Metric == "" || metric == r.Metric {
		r.Bar.Set(step+1, fmt.Sprintf("%s %.4g", metric, value))
	}
}
