package pipelines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
)

// recordsFile has a line for every time that a run came to a verdict, the oldest first: running
// it again adds one, and changes none.
const recordsFile = "records.jsonl"

// A Record is one time that a run came to a verdict.
type Record struct {
	At      string       `json:"at"` // RFC 3339, UTC
	Version string       `json:"version"`
	TookS   float64      `json:"took_s"`
	Verdict string       `json:"verdict"`
	Reason  string       `json:"reason"`
	Bundle  string       `json:"bundle"`             // digest of the candidate
	Against string       `json:"champion,omitempty"` // digest of what it was compared with
	Stages  []StageTimes `json:"stages"`
}

// StageTimes are those of a stage of a record.
type StageTimes struct {
	Name   string  `json:"name"`
	Cached bool    `json:"cached"` // it was up to date, and took the time before
	TookS  float64 `json:"took_s"`
}

// record adds a line to the records of the run.
func (r *Run) record(v *validate.Validation, took time.Duration) error {
	rec := Record{
		At: r.env.Now().UTC().Format(time.RFC3339), Version: r.env.Version, TookS: took.Seconds(),
		Verdict: v.Verdict, Reason: v.Reason, Bundle: v.Bundle, Against: v.Champion,
	}
	for _, d := range r.Done {
		rec.Stages = append(rec.Stages, StageTimes{d.Name, d.Cached, d.Took.Seconds()})
	}
	old, err := r.folder.Read(recordsFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	line, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("record of the run: %w", err)
	}
	return r.folder.Write(recordsFile, append(append(old, line...), '\n'))
}

// A Night is a run folder with all that it says of itself.
type Night struct {
	Name    string   `json:"name"` // of the folder
	Folder  string   `json:"folder"`
	Records []Record `json:"records"` // the oldest first
	Bytes   int64    `json:"bytes"`   // of the folder

	Validation *validate.Validation `json:"validation,omitempty"` // the last one
}

// Last is the newest record.
func (n *Night) Last() Record { return n.Records[len(n.Records)-1] }

// WorkS is how long the stages took, each when it ran: a run that found them up to date did not
// make them shorter.
func (n *Night) WorkS() float64 {
	var sum float64
	for _, s := range n.Last().Stages {
		sum += s.TookS
	}
	return sum
}

// Nights are the finished runs in a folder of run folders, the oldest first by their last records. A folder
// that came to no verdict is none; no folder at all has none.
func Nights(dir string) ([]*Night, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := []*Night{}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		n, err := OpenNight(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	slices.SortStableFunc(out, func(a, b *Night) int { return strings.Compare(a.Last().At, b.Last().At) })
	return out, nil
}

// OpenNight reads a run folder; [fs.ErrNotExist] is in the error of one that came to no verdict.
func OpenNight(dir string) (*Night, error) {
	f := stage.Folder(dir)
	n := &Night{Name: filepath.Base(dir), Folder: dir}
	data, err := f.Read(recordsFile)
	if err != nil {
		return nil, err
	}
	for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", f.Path(recordsFile), i+1, err)
		}
		n.Records = append(n.Records, r)
	}
	if n.Validation, err = validate.Read(f); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n.Bytes += info.Size()
		}
		return err
	})
	return n, err
}

// pruned is before the name of a folder that is being removed.
const pruned = ".pruned-"

// Prune removes the run folders in dir but for the newest keep >= 1 of them, and returns what it
// removed. Folders that came to no verdict stay, and so do those in which a process works. What a
// prune that was killed left is removed too.
func Prune(dir string, keep int) ([]*Night, error) {
	nights, err := Nights(dir)
	if err != nil {
		return nil, err
	}
	rest, err := filepath.Glob(filepath.Join(dir, pruned+"*"))
	if err != nil {
		return nil, err
	}
	for _, r := range rest {
		if err := os.RemoveAll(r); err != nil {
			return nil, err
		}
	}
	var out []*Night
	for _, n := range nights[:max(0, len(nights)-keep)] {
		busy, err := n.remove(dir)
		if err != nil {
			return out, err
		}
		if !busy {
			out = append(out, n)
		}
	}
	return out, nil
}

// remove takes the locks of all stages, so that nobody works in the folder, and then removes it.
func (n *Night) remove(dir string) (busy bool, err error) {
	f := stage.Folder(n.Folder)
	for _, name := range append(stageNames(), promotion) {
		unlock, err := f.Lock(name)
		if errors.Is(err, stage.ErrLocked) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		defer unlock()
	}
	gone := filepath.Join(dir, pruned+n.Name)
	if err := os.Rename(n.Folder, gone); err != nil {
		return false, err
	}
	return false, os.RemoveAll(gone)
}
