package health_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/health"
)

// night is after the last minute of the trace of platform.
var night = time.Date(2026, 3, 6, 2, 0, 0, 0, time.UTC)

// platform returns the configuration of a store with a small trace of three days.
func platform(t *testing.T) pipelines.Config {
	t.Helper()
	cfg := pipelines.DefaultConfig()
	cfg.Store, cfg.Trace = filepath.Join(t.TempDir(), "store"), "production"
	store, err := parquet.Open(cfg.Store)
	must(t, err)
	o := synthetic.DefaultOptions()
	o.Functions, o.Days, o.Holidays = 5, 3, nil
	in, err := synthetic.New(o)
	must(t, err)
	_, _, err = store.Ingest(context.Background(), in, parquet.DefaultIngestOptions(cfg.Trace))
	must(t, err)
	return cfg
}

// fitted returns a bundle that learned the first minutes of the trace.
func fitted(t *testing.T, cfg pipelines.Config, name string, minutes int) *bundle.Bundle {
	t.Helper()
	store, err := parquet.Open(cfg.Store)
	must(t, err)
	d, err := store.Describe(cfg.Trace)
	must(t, err)
	b, err := bundle.New(bundle.Manifest{
		SchemaVersion: bundle.SchemaVersion, BundleVersion: name, ProgramVersion: "0.1.0", Config: []byte("{}"),
		Window: bundle.Window{Start: d.Start.Format(time.RFC3339), To: minutes},
		Traces: []bundle.Trace{{Name: cfg.Trace, Digest: d.Digest}}, Metrics: map[string]float64{},
	}, []bundle.File{{Name: "weights.json", MediaType: bundle.MediaTypeJSON, Data: []byte(name)}})
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStatusFollowsTheNights(t *testing.T) {
	cfg := platform(t)
	next := func(at time.Time, want string) *health.Status {
		t.Helper()
		s, err := health.Read(cfg, at)
		must(t, err)
		if !strings.Contains(s.Next, want) {
			t.Errorf("next: %q, want %q", s.Next, want)
		}
		return s
	}
	other := cfg
	other.Trace = "elsewhere"
	if s, err := health.Read(other, night); err != nil || s.Trace != nil || !strings.Contains(s.Next, "incendio ingest FORMAT PATH --name elsewhere") {
		t.Errorf("a trace that is not there: %+v, %v", s, err)
	}
	if s := next(night, "first bundle"); s.Night != nil || s.Champion != nil || s.Trace.Days != 3 {
		t.Errorf("before the first night: %+v", s)
	}

	r := bundle.NewRegistry(cfg.RegistryDir())
	a, b := fitted(t, cfg, "a", 1440), fitted(t, cfg, "b", 2880)
	must(t, r.Add(a, "run", night))
	_, err := r.Promote(a.Digest(), bundle.Decision{Reason: "better", At: night, NotAfter: night.Add(72 * time.Hour)})
	must(t, err)
	s := next(night.Add(2*time.Hour), "ingest the next day")
	if n := s.Night; n.Verdict != bundle.Accepted || n.Bundle != a.Digest() || n.AgeS != 7200 {
		t.Errorf("the night: %+v", n)
	}
	if c := s.Champion; c.Bundle != a.Digest() || c.AgeS != 7200 || c.Trace != "production" || c.Behind != 2880 || c.EndsInS != 70*3600 || c.Sequence != 1 {
		t.Errorf("the champion: %+v, want one that has not seen two days", c)
	}
	next(night.Add(49*time.Hour), "ends within a day")
	next(night.Add(72*time.Hour), "has ended")

	must(t, r.Refuse(b.Digest(), "worse", night.Add(24*time.Hour)))
	if s := next(night.Add(25*time.Hour), "was refused"); s.Night.Verdict != bundle.Refused || s.Night.Reason != "worse" || s.Champion.Bundle != a.Digest() {
		t.Errorf("after a refusal: %+v, %+v", s.Night, s.Champion)
	}
	// Another alias has nights of its own.
	other = cfg
	other.Release.Alias = "canary"
	if s, err := health.Read(other, night.Add(25*time.Hour)); err != nil || s.Champion != nil {
		t.Errorf("another alias: %+v, %v", s, err)
	}
	must(t, os.RemoveAll(filepath.Join(cfg.RegistryDir(), "bundles", a.Digest())))
	if s := next(night.Add(25*time.Hour), "cannot be opened"); !strings.Contains(s.Champion.Problem, "is gone") {
		t.Errorf("a champion whose folder is gone: %+v", s.Champion)
	}
}

// worst returns the finding about a subject whose state is the worst.
func worst(t *testing.T, cfg pipelines.Config, subject string, now time.Time) health.Finding {
	t.Helper()
	out := health.Finding{}
	for _, f := range health.Examine(context.Background(), cfg, "0.1.0", true, now) {
		if (f.State == health.Fail) != (f.Err != nil) || f.State != health.OK && f.Do == "" {
			t.Errorf("%+v: a failure has an error, and all that is not well says what to do", f)
		}
		if f.Subject == subject && (out.Subject == "" || f.State == health.Fail || f.State == health.Warn && out.State == health.OK) {
			out = f
		}
	}
	return out
}

func TestDoctor(t *testing.T) {
	cfg := platform(t)
	want := func(subject, state, text string, now time.Time) {
		t.Helper()
		if f := worst(t, cfg, subject, now); f.State != state || !strings.Contains(f.Found, text) {
			t.Errorf("%s: %+v, want %s with %q", subject, f, state, text)
		}
	}
	now := time.Now() // of the files that are written
	want("store", health.OK, "can be written", now)
	want("trace", health.OK, "5 functions, 3 days", now)
	want("registry", health.OK, "not there yet", now)
	want("champion", health.OK, "none yet", now)
	want("clock", "", "", now)
	want("clock", health.Warn, "off this machine's clock", now.AddDate(1, 0, 0))
	want("clock", health.Warn, "off this machine's clock", now.AddDate(-1, 0, 0))

	r := bundle.NewRegistry(cfg.RegistryDir())
	b := fitted(t, cfg, "a", 1440)
	must(t, r.Add(b, "run", now))
	_, err := r.Promote(b.Digest(), bundle.Decision{At: now, NotAfter: now.Add(72 * time.Hour)})
	must(t, err)
	want("champion", health.OK, "made by version 0.1.0", now)
	want("journal", health.OK, "2 decisions", now)
	want("release", health.OK, "statement 1, until", now)
	want("release", health.Warn, "ends at", now.Add(49*time.Hour))
	want("release", health.Fail, "loaders refuse it", now.Add(73*time.Hour))

	cfg.Release.SignKey = filepath.Join(t.TempDir(), "key")
	want("sign key", health.Fail, "no such file", now)
	must(t, os.WriteFile(cfg.Release.SignKey, []byte("no key"), 0o600))
	want("sign key", health.Fail, "PEM", now)
	cfg.Trust.Keys = []string{cfg.Release.SignKey}
	want("trust", health.Fail, "trusted key", now)

	journal := filepath.Join(cfg.RegistryDir(), "journal.jsonl")
	data, err := os.ReadFile(journal)
	must(t, err)
	must(t, os.WriteFile(journal, []byte(strings.Replace(string(data), "run", "ran", 1)), 0o666))
	want("journal", health.Fail, "integrity", now)

	counts, err := filepath.Glob(filepath.Join(cfg.Store, "traces", cfg.Trace, "minutes", "*.parquet"))
	must(t, err)
	must(t, os.Truncate(counts[0], 100))
	want("trace", health.Fail, "parquet", now)
	must(t, os.RemoveAll(filepath.Join(cfg.Store, "traces", cfg.Trace)))
	want("trace", health.Fail, "no such trace", now)
	cfg.Store = journal
	want("store", health.Fail, "is no folder", now)
}
