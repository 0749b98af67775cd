package pipelines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// A Stage is one step of a run. Run reads Inputs, writes Outputs, and has no other
// effect, so a stage whose inputs and options are those of last time need not run again.
type Stage struct {
	Name    string
	Inputs  []string // paths in the run folder; a folder stands for all files in it
	Outputs []string // the same
	Options any      // what its result depends on beside the inputs, as JSON
	Run     func(ctx context.Context, r *Run) (Outcome, error)
}

// An Outcome says what a stage made.
type Outcome struct {
	Rows      int64    `json:"rows"`    // 0 where rows are not what it makes
	Summary   string   `json:"summary"` // in words
	Warnings  []string `json:"warnings,omitempty"`
	Fallbacks int      `json:"fallbacks,omitempty"` // functions that an error forced to a simpler model
}

// A Done is the record of a stage that ran, or did not need to.
type Done struct {
	Name   string
	Cached bool
	Took   time.Duration
	Outcome
}

// stamp is what the cache keeps of a finished stage.
type stamp struct {
	Key     string            `json:"key"`     // of inputs and options
	Outputs map[string]string `json:"outputs"` // digest by path
	Outcome Outcome           `json:"outcome"`
}

// execute runs the stages in order, each after its inputs are there, and skips those
// that are up to date.
func (r *Run) execute(ctx context.Context, stages []Stage) error {
	for _, s := range stages {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := r.clock()
		key, err := r.key(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if out, ok := r.fresh(s, key); ok {
			r.log.Info("stage is up to date", "stage", s.Name)
			r.Done = append(r.Done, Done{Name: s.Name, Cached: true, Outcome: out})
			continue
		}
		r.log.Info("stage begins", "stage", s.Name)
		out, err := s.Run(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := r.stamp(s, key, out); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		took := r.clock().Sub(began)
		r.log.Info("stage ends", "stage", s.Name, "rows", out.Rows, "duration", took.Round(time.Millisecond))
		r.Done = append(r.Done, Done{Name: s.Name, Took: took, Outcome: out})
	}
	return nil
}

// key digests all that the result of a stage depends on: the program, the trace as far
// as the run sees it, the options and the inputs.
func (r *Run) key(s Stage) (string, error) {
	options, err := json.Marshal(s.Options)
	if lookup := (*json.MarshalerError)(nil); errors.As(err, &lookup) {
		err = lookup.Err // an option that is looked up, such as the rival of a candidate
	}
	if err != nil {
		return "", err
	}
	inputs, err := r.digests(s.Inputs)
	if err != nil {
		return "", err
	}
	revision, err := r.revision()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%v\n%s\n", s.Name, r.env.Version, revision, r.trace.Digest, r.trace.Span, options)
	for _, name := range sortedKeys(inputs) {
		fmt.Fprintf(h, "%s %s\n", inputs[name], name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fresh reports whether the outputs of s are those that key leads to.
func (r *Run) fresh(s Stage, key string) (Outcome, bool) {
	data, err := os.ReadFile(r.stampPath(s))
	if err != nil {
		return Outcome{}, false
	}
	var st stamp
	if json.Unmarshal(data, &st) != nil || st.Key != key {
		return Outcome{}, false
	}
	have, err := r.digests(s.Outputs)
	if err != nil || len(have) != len(st.Outputs) {
		return Outcome{}, false
	}
	for name, d := range st.Outputs {
		if have[name] != d {
			return Outcome{}, false
		}
	}
	return st.Outcome, true
}

func (r *Run) stamp(s Stage, key string, out Outcome) error {
	outputs, err := r.digests(s.Outputs)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(stamp{key, outputs, out}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(r.stampPath(s), append(data, '\n'))
}

func (r *Run) stampPath(s Stage) string {
	return r.Path(".stages", strings.ReplaceAll(s.Name, " ", "-")+".json")
}

// digests returns the SHA-256 of every file under paths. A path that is not there is
// an error: a stage that needs it would fail later and say less.
func (r *Run) digests(paths []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range paths {
		err := filepath.WalkDir(r.Path(p), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			h := sha256.New()
			if _, err := io.Copy(h, f); err != nil {
				return err
			}
			rel, err := filepath.Rel(r.Dir, name)
			if err != nil {
				return err
			}
			out[filepath.ToSlash(rel)] = hex.EncodeToString(h.Sum(nil))
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is not in the run folder %s: run the stage that makes it first", p, r.Dir)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// writeFile replaces name with data, all or nothing.
func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once renamed, as it should
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// writeJSON writes v as indented JSON with a final newline.
func writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(name), err)
	}
	return writeFile(name, append(data, '\n'))
}

// readJSON reads what writeJSON wrote.
func readJSON(name string, v any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// An Env is what a run takes from outside: the clock, the log, the door for progress.
type Env struct {
	Version  string                 // of the program
	Revision func() (string, error) // names the code that runs, for the stage cache
	Now      func() time.Time       // for the journal and for what stands in "timing"
	Log      *slog.Logger
	Progress Progress
	Workers  int // >= 1
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
