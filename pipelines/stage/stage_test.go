package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/pipelines/stage"
)

// given is what the stages of the tests are given.
type given struct {
	Text string
	Big  stage.Named[*int]
}

// runs counts how often each stage ran.
type runs map[string]int

// a job of two stages: "first" writes the text that it is given, "second" doubles it.
type house struct {
	dir  string
	text string
	code map[string]string // by package; "" stands for all others
	runs runs
	then func() // while "second" runs
}

func (h *house) job() *stage.Job {
	first := stage.New("first", nil, []string{"a/text"}, func() (given, error) { return given{Text: h.text}, nil },
		func(_ context.Context, at *stage.Place, g given) (stage.Outcome, error) {
			h.runs["first"]++
			return stage.Outcome{Rows: 1, Summary: g.Text}, at.Write("a/text", []byte(g.Text))
		})
	second := stage.New("the second", []string{"a"}, []string{"b"}, stage.Always(struct{}{}),
		func(_ context.Context, at *stage.Place, _ struct{}) (stage.Outcome, error) {
			h.runs["second"]++
			data, err := at.Read("a/text")
			if err != nil {
				return stage.Outcome{}, err
			}
			if h.then != nil {
				h.then()
			}
			return stage.Outcome{}, stage.WriteJSON(at, "b/twice", string(data)+string(data))
		})
	return &stage.Job{
		Folder: stage.Folder(h.dir), Stages: []stage.Stage{first, second}, Workers: 1, Now: func() time.Time { return time.Time{} },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Code: func(pkg string) (string, error) {
			if !strings.HasSuffix(pkg, "pipelines/stage_test") {
				return "", fmt.Errorf("the work of the tests does not stand in %s", pkg)
			}
			return h.code["of"], nil
		},
	}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{dir: filepath.Join(t.TempDir(), "run"), text: "x", runs: runs{}, code: map[string]string{"of": "1"}}
	if err := stage.Folder(h.dir).Claim(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) run(t *testing.T, want string) {
	t.Helper()
	h.runs = runs{}
	done, err := h.job().Run(t.Context(), "the second")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(h.runs); got != want {
		t.Errorf("ran %s, want %s", got, want)
	}
	for i, name := range []string{"first", "second"} {
		if done[i].Cached != (h.runs[name] == 0) {
			t.Errorf("%s: record %+v after %d runs", name, done[i], h.runs[name])
		}
	}
	if done[0].Rows != 1 || done[0].Summary != h.text {
		t.Errorf("outcome %+v, want that of the text %q, also of a stage that did not run", done[0].Outcome, h.text)
	}
}

func TestFresh(t *testing.T) {
	h := newHouse(t)
	path := func(name string) string { return filepath.Join(h.dir, name) }
	h.run(t, "map[first:1 second:1]")
	h.run(t, "map[]")
	h.text = "y"
	h.run(t, "map[first:1 second:1]")
	if err := os.WriteFile(path("b/twice"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.run(t, "map[second:1]")
	if err := os.WriteFile(path("a/more"), nil, 0o644); err != nil { // in a folder that is an input
		t.Fatal(err)
	}
	h.run(t, "map[second:1]")
	if err := os.Remove(path("a/text")); err != nil {
		t.Fatal(err)
	}
	h.run(t, "map[first:1]") // and what it makes again is what the second had
	h.code["of"] = "2"
	h.run(t, "map[first:1 second:1]")
	h.run(t, "map[]")
}

// TestChanged: what an input was when the key was made is what the work must have read.
func TestChanged(t *testing.T) {
	h := newHouse(t)
	h.then = func() {
		if err := os.WriteFile(filepath.Join(h.dir, "a", "text"), []byte("z"), 0o644); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.job().Run(t.Context(), "the second"); !errors.Is(err, stage.ErrChanged) {
		t.Errorf("error is %v, want ErrChanged", err)
	}
	h.then = nil
	h.run(t, "map[first:1 second:1]")
}

func TestLock(t *testing.T) {
	h := newHouse(t)
	unlock, err := stage.Folder(h.dir).Lock("the second")
	if err != nil {
		t.Fatal(err)
	}
	if done, err := h.job().Run(t.Context(), "first"); err != nil || len(done) != 1 {
		t.Errorf("a stage that nobody holds: %v, %v", done, err)
	}
	if done, err := h.job().Run(t.Context(), "the second"); !errors.Is(err, stage.ErrLocked) || len(done) != 1 || !strings.Contains(err.Error(), "the second: ") {
		t.Errorf("a stage that another holds: %v, %v", done, err)
	}
	unlock()
	h.run(t, "map[second:1]")
}

// TestUndeclared: work opens what its stage declares.
func TestUndeclared(t *testing.T) {
	work := map[string]func(*stage.Place) error{
		"read of another file":   func(p *stage.Place) error { _, err := p.Read("c"); return err },
		"read of an output":      func(p *stage.Place) error { _, err := p.Read("out/x"); return err },
		"path up":                func(p *stage.Place) error { _, err := p.In("in/../c"); return err },
		"prefix of a name":       func(p *stage.Place) error { _, err := p.In("in2"); return err },
		"write of another file":  func(p *stage.Place) error { return p.Write("c", nil) },
		"write of an input":      func(p *stage.Place) error { return p.Write("in/x", nil) },
		"clear of another":       func(p *stage.Place) error { return p.Clear("c") },
		"path of another output": func(p *stage.Place) error { _, err := p.Out("c"); return err },
	}
	for name, do := range work {
		h := newHouse(t)
		if err := stage.Folder(h.dir).Write("in/x", nil); err != nil {
			t.Fatal(err)
		}
		j := h.job()
		j.Stages = []stage.Stage{stage.New("s", []string{"in"}, []string{"out"}, stage.Always(1), func(_ context.Context, at *stage.Place, _ int) (stage.Outcome, error) {
			if err := errors.Join(at.Clear("out"), at.Write("out/x", nil)); err != nil {
				t.Error(err)
			}
			if _, err := at.Read("in/x"); err != nil {
				t.Error(err)
			}
			return stage.Outcome{}, do(at)
		})}
		if _, err := j.Run(t.Context(), "s"); err == nil || !strings.Contains(err.Error(), "is none of its") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestUnseen: what the key cannot see cannot be given.
func TestUnseen(t *testing.T) {
	h := newHouse(t)
	type skip struct {
		Skip int `json:"-"`
	}
	type deep struct{ deep int }
	type field struct{ F any }
	for name, s := range map[string]stage.Stage{
		"given.hidden":      of(struct{ hidden int }{1}),
		"given.Out[1].Skip": of(struct{ Out []skip }{[]skip{{}, {2}}}),
		"given.Do":          of(struct{ Do func() }{func() {}}),
		"given.F":           of(field{1}),
		"given.M[k].deep":   of(struct{ M map[string]*deep }{map[string]*deep{"k": {3}}}),
	} {
		j := h.job()
		j.Stages = []stage.Stage{s}
		if _, err := j.Run(t.Context(), "s"); err == nil || !strings.Contains(err.Error(), "s: "+name+" is ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	n := 1
	for _, s := range []stage.Stage{of(given{Text: "t", Big: stage.Named[*int]{Value: &n, Name: "one"}}), of(time.Now()), of(map[string][]int{"a": {1}}), of(skip{}), of(field{}), of((*deep)(nil))} {
		j := h.job()
		j.Stages = []stage.Stage{s}
		if _, err := j.Run(t.Context(), "s"); err != nil {
			t.Error(err)
		}
	}
}

func of[G any](g G) stage.Stage {
	return stage.New("s", nil, nil, stage.Always(g), func(context.Context, *stage.Place, G) (stage.Outcome, error) { return stage.Outcome{}, nil })
}

func TestErrors(t *testing.T) {
	h := newHouse(t)
	if _, err := h.job().Run(t.Context(), "third"); err == nil || !strings.Contains(err.Error(), `"third"`) {
		t.Errorf("error is %v, want one about a stage that there is not", err)
	}
	j := h.job()
	j.Stages = j.Stages[1:]
	if _, err := j.Run(t.Context(), "the second"); err == nil || !strings.Contains(err.Error(), "run the stage that makes it first") {
		t.Errorf("error is %v, want one about an input that is not there", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.job().Run(ctx, "first"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want Canceled", err)
	}
	broken := errors.New("no champion")
	j.Stages = []stage.Stage{stage.New("s", nil, nil, func() (int, error) { return 0, broken }, func(context.Context, *stage.Place, int) (stage.Outcome, error) {
		return stage.Outcome{}, nil
	})}
	if _, err := j.Run(t.Context(), "s"); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "s: ") {
		t.Errorf("error is %v, want %v", err, broken)
	}
}

// TestPlan: what would run is what then runs, and the reason names what changed.
func TestPlan(t *testing.T) {
	h := newHouse(t)
	plan := func() string {
		t.Helper()
		got, err := h.job().Plan("the second")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range got {
			out = append(out, fmt.Sprintf("%s: %s: %s", p.Name, p.State, strings.Join(p.Why, ", ")))
		}
		return strings.Join(out, "\n")
	}
	want := func(first, second string) {
		t.Helper()
		if got := plan(); got != "first: "+first+"\nthe second: "+second {
			t.Errorf("plan is\n%s\nwant\nfirst: %s\nthe second: %s", got, first, second)
		}
	}
	const never, after = "run: it has not run in this folder", "perhaps: what first makes is one of its inputs"
	want(never, never)
	h.run(t, "map[first:1 second:1]")
	want("up to date: ", "up to date: ")
	h.text = "y"
	want(`run: text is "y", was "x"`, after)
	h.run(t, "map[first:1 second:1]")
	h.code["of"] = "2"
	const code = "code of pipelines/stage_test, or of what it imports, changed"
	want("run: "+code, "run: "+code)
	h.run(t, "map[first:1 second:1]")
	if err := os.WriteFile(filepath.Join(h.dir, "a", "more"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want("up to date: ", "run: input a/more is new")
	if err := os.Remove(filepath.Join(h.dir, "b", "twice")); err != nil {
		t.Fatal(err)
	}
	want("up to date: ", "run: input a/more is new, output b/twice is gone")
	if err := os.Remove(filepath.Join(h.dir, "a", "text")); err != nil {
		t.Fatal(err)
	}
	want("run: output a/text is gone", "run: output b/twice is gone")

	// A new folder is compared with the newest one beside it.
	other := &house{dir: filepath.Join(filepath.Dir(h.dir), "other"), text: "z", runs: runs{}, code: map[string]string{"of": "2"}}
	if err := stage.Folder(other.dir).Claim(); err != nil {
		t.Fatal(err)
	}
	h = other
	want(never+`, since run run: text is "z", was "y"`, never)
}
