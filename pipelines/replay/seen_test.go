package replay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/replay"
)

// TestSeen: minutes are those that a bundle was learned on if their times are, in a trace of the same name
// or content.
func TestSeen(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	digest := bundle.Digest([]byte("x"))
	b, err := bundle.New(bundle.Manifest{
		SchemaVersion: bundle.SchemaVersion, BundleVersion: "1", ProgramVersion: "0.1.0", Config: []byte("{}"),
		Window: bundle.Window{Start: start.Format(time.RFC3339), From: 60, To: 1000},
		Traces: []bundle.Trace{{Name: "production", Digest: digest}}, Metrics: map[string]float64{},
	}, []bundle.File{{Name: "weights.json", MediaType: bundle.MediaTypeJSON, Data: []byte("{}")}})
	if err != nil {
		t.Fatal(err)
	}
	s := &replay.Subject{Bundle: b}
	trace := func(name, digest string, later time.Duration) *datasets.Trace {
		return &datasets.Trace{Name: name, Digest: digest, Start: start.Add(later)}
	}
	grown := trace("production", "sha256:of more days", 0)
	for _, c := range []struct {
		name   string
		trace  *datasets.Trace
		window datasets.Window
		want   datasets.Window
	}{
		{"after them", grown, datasets.Window{From: 1000, To: 1200}, datasets.Window{}},
		{"before them", grown, datasets.Window{From: 0, To: 60}, datasets.Window{}},
		{"the last of them", grown, datasets.Window{From: 999, To: 1200}, datasets.Window{From: 999, To: 1000}},
		{"all of them", grown, datasets.Window{From: 0, To: 1440}, datasets.Window{From: 60, To: 1000}},
		{"the same under another name", trace("copy", digest, 0), datasets.Window{From: 0, To: 100}, datasets.Window{From: 60, To: 100}},
		{"another platform", trace("other", "sha256:other", 0), datasets.Window{From: 0, To: 1440}, datasets.Window{}},
		{"a trace that begins later", trace("production", "", 10*time.Hour), datasets.Window{From: 0, To: 600}, datasets.Window{From: 0, To: 400}},
		{"another day", trace("production", "", 24*time.Hour), datasets.Window{From: 0, To: 1440}, datasets.Window{}},
	} {
		if got := s.Seen(c.trace, c.window); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if note := s.Flattered(c.trace, c.window); (note == "") != (c.want.Len() == 0) {
			t.Errorf("%s: %q", c.name, note)
		}
	}
	if note := s.Flattered(grown, datasets.Window{From: 999, To: 1200}); !strings.Contains(note, "on 1 of the 201 minutes of the window, up to 2026-03-02T16:40:00Z") {
		t.Errorf("note is %q", note)
	}
}
