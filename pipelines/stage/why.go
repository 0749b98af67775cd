package stage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// made is what a key was made of, kept so that the next run can say what is different.
type made struct {
	Code   string            `json:"code"`
	Given  json.RawMessage   `json:"given"`
	Inputs map[string]string `json:"inputs"` // digest by path
}

// States of a stage in a plan.
const (
	Due     = "run"        // it will run
	Depends = "perhaps"    // it will run unless what is made before it comes out as it was
	Fresh   = "up to date" // it will not run
)

// A Planned says what would become of a stage.
type Planned struct {
	Name  string
	State string
	Why   []string      // an input, option, code or output that is not what it was; nil of one that is fresh
	Took  time.Duration // when it last ran, in this folder or the one that Why compares with; 0 if it never did
}

// Plan says which stages up to the one named last would run, and why. It changes nothing.
func (j *Job) Plan(last string) ([]Planned, error) {
	i := slices.IndexFunc(j.Stages, func(s Stage) bool { return s.Name == last })
	if i < 0 {
		return nil, fmt.Errorf("no stage %q", last)
	}
	var out []Planned
	anew := map[string]string{} // outputs, by the stage that makes them
	for _, s := range j.Stages[:i+1] {
		p, err := j.plan(s, anew)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if p.State != Fresh {
			for _, o := range s.Outputs {
				anew[o] = s.Name
			}
		}
		out = append(out, p)
	}
	return out, nil
}

func (j *Job) plan(s Stage, anew map[string]string) (Planned, error) {
	p := Planned{Name: s.Name, State: Fresh}
	var before []string // stages that make inputs anew
	var known []string  // inputs that stay as they are
	for _, in := range s.Inputs {
		by := ""
		for o, name := range anew {
			if under(in, []string{o}) || under(o, []string{in}) {
				by = name
			}
		}
		switch {
		case by == "":
			known = append(known, in)
		case !slices.Contains(before, by):
			before = append(before, by)
		}
	}
	old, ok := j.stamped(j.Folder, s.Name)
	p.Took = time.Duration(old.TookS * float64(time.Second))
	given, _, err := s.given()
	if err != nil && before == nil {
		return p, err
	}
	unknown := err != nil // what it is given is not there before the stages before it
	now := made{Given: given}
	if now.Code, err = j.Code(s.code); err != nil {
		return p, err
	}
	if now.Inputs, err = j.Folder.digests(known); err != nil {
		return p, err
	}
	if !ok {
		p.State, p.Why = Due, []string{"it has not run in this folder"}
		if from, dir := j.latest(s.Name); from != nil {
			p.Took = time.Duration(from.TookS * float64(time.Second))
			if from.Made != nil && !unknown {
				p.Why = append(p.Why, j.differences(s, *from.Made, now, known, "since run "+filepath.Base(dir)+": ")...)
			}
		}
		return p, nil
	}
	if old.Made == nil {
		p.State, p.Why = Due, []string{"an earlier version of the program ran it, and did not say on what"}
		return p, nil
	}
	if unknown {
		now.Given = old.Made.Given
	}
	p.Why = j.differences(s, *old.Made, now, known, "")
	have := map[string]string{}
	for _, o := range s.Outputs {
		files, err := j.Folder.digests([]string{o})
		if err != nil && !errors.Is(err, errAbsent) {
			return p, err
		}
		maps.Copy(have, files)
	}
	p.Why = append(p.Why, changes("output", old.Outputs, have)...)
	if p.Why != nil {
		p.State = Due
	} else if before != nil {
		p.State, p.Why = Depends, []string{"what " + strings.Join(before, " and ") + " makes is one of its inputs"}
	}
	return p, nil
}

// stamped is what a folder has kept of a stage.
func (j *Job) stamped(f Folder, name string) (stamp, bool) {
	var st stamp
	return st, ReadJSON(f, state(name, ".json"), &st) == nil
}

// latest is the newest stamp of a stage in the folders beside that of the job, and its folder.
func (j *Job) latest(name string) (*stamp, string) {
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Clean(string(j.Folder))), "*", filepath.FromSlash(state(name, ".json"))))
	if err != nil {
		return nil, ""
	}
	var best *stamp
	var at string
	var when time.Time
	for _, file := range dirs {
		info, err := os.Stat(file)
		dir := filepath.Dir(filepath.Dir(file))
		if err != nil || dir == filepath.Clean(string(j.Folder)) || best != nil && info.ModTime().Before(when) {
			continue
		}
		if st, ok := j.stamped(Folder(dir), name); ok {
			best, at, when = &st, dir, info.ModTime()
		}
	}
	return best, at
}

// differences between what two keys were made of, each with a prefix. Inputs count below known alone.
func (j *Job) differences(s Stage, old, now made, known []string, prefix string) []string {
	var out []string
	if old.Code != now.Code {
		_, pkg, _ := strings.Cut(s.code, "/pipelines/")
		out = append(out, fmt.Sprintf("code of %s, or of what it imports, changed", "pipelines/"+pkg))
	}
	out = append(out, optionChanges(old.Given, now.Given)...)
	inputs := maps.Clone(old.Inputs)
	maps.DeleteFunc(inputs, func(name, _ string) bool { return !under(name, known) })
	out = append(out, changes("input", inputs, now.Inputs)...)
	for i := range out {
		out[i] = prefix + out[i]
	}
	return out
}

// why says why a stage runs, for the log.
func (j *Job) why(s Stage, now made) string {
	var out []string
	old, ok := j.stamped(j.Folder, s.Name)
	switch {
	case !ok:
		out = []string{"it has not run in this folder"}
		if from, dir := j.latest(s.Name); from != nil && from.Made != nil {
			out = append(out, j.differences(s, *from.Made, now, s.Inputs, "since run "+filepath.Base(dir)+": ")...)
		}
	case old.Made == nil:
		out = []string{"an earlier version of the program ran it"}
	default:
		if out = j.differences(s, *old.Made, now, s.Inputs, ""); out == nil {
			out = []string{"its outputs are not what it wrote"}
		}
	}
	return strings.Join(out, "; ")
}

// mostChanges are listed, of files or of options.
const mostChanges = 5

// changes of files, by their digests.
func changes(what string, old, now map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		switch was, ok := old[name]; {
		case !ok:
			out = append(out, fmt.Sprintf("%s %s is new", what, name))
		case was != now[name]:
			out = append(out, fmt.Sprintf("%s %s changed", what, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := now[name]; !ok {
			out = append(out, fmt.Sprintf("%s %s is gone", what, name))
		}
	}
	return few(out)
}

func few(out []string) []string {
	if len(out) > mostChanges {
		out = append(out[:mostChanges:mostChanges], fmt.Sprintf("and %d more", len(out)-mostChanges))
	}
	return out
}

// optionChanges are the leaves of two JSON values that differ.
func optionChanges(old, now json.RawMessage) []string {
	a, errA := decode(old)
	b, errB := decode(now)
	if errors.Join(errA, errB) != nil {
		return []string{"what it is given changed"}
	}
	var out []string
	walk("", a, b, func(path, from, to string) {
		out = append(out, fmt.Sprintf("%s is %s, was %s", path, to, from))
	})
	return few(out)
}

func decode(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return v, d.Decode(&v)
}

// walk visits the leaves that differ; a value that is not there is "none".
func walk(path string, a, b any, visit func(path, from, to string)) {
	objectA, isA := a.(map[string]any)
	objectB, isB := b.(map[string]any)
	if isA && isB {
		keys := maps.Clone(objectA)
		maps.Copy(keys, objectB)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			walk(strings.TrimPrefix(path+"."+strings.ToLower(k), "."), objectA[k], objectB[k], visit)
		}
		return
	}
	listA, isA := a.([]any)
	listB, isB := b.([]any)
	if isA && isB && len(listA) == len(listB) {
		for i := range listA {
			walk(fmt.Sprintf("%s[%d]", path, i), listA[i], listB[i], visit)
		}
		return
	}
	if from, to := shown(a), shown(b); from != to {
		visit(path, from, to)
	}
}

// longest is how much of a value is shown.
const longest = 40

func digest(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func shown(v any) string {
	if v == nil {
		return "none"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "unreadable"
	}
	if len(text) > longest {
		// Enough of a digest to tell it from others, and of a list to know it.
		return fmt.Sprintf("%s… (%d bytes, %.8s)", strings.ToValidUTF8(string(text[:20]), ""), len(text), digest(text))
	}
	return string(text)
}
