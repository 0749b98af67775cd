// Package health answers an operator's two questions: where do things stand ([Read]), and is
// anything in the way of the next night ([Examine]). It reads the store and the registry and
// changes neither.
package health

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
)

// A Status is where a platform stands.
type Status struct {
	Store    string    `json:"store"`
	Registry string    `json:"registry"`
	Alias    string    `json:"alias"`
	Trace    *Trace    `json:"trace"`      // nil: not in the store
	Night    *Night    `json:"last_night"` // nil: none yet
	Champion *Champion `json:"champion"`   // nil: none yet
	Next     string    `json:"next"`       // what to do, in words
}

// A Trace is what the store has of the trace that the configuration names.
type Trace struct {
	Name      string `json:"name"`
	Functions int    `json:"functions"`
	Days      int    `json:"days"`
	Until     string `json:"until,omitempty"` // RFC 3339, UTC; empty where the trace has no date
	AgeS      int64  `json:"age_s,omitempty"` // from then to now
}

// A Night is the last decision on a candidate of the alias.
type Night struct {
	Time    string `json:"time"` // RFC 3339, UTC
	AgeS    int64  `json:"age_s"`
	Verdict string `json:"verdict"` // accepted or refused
	Bundle  string `json:"bundle"`  // the digest of the candidate
	Reason  string `json:"reason"`
}

// A Champion is the bundle that the alias stands for.
type Champion struct {
	Bundle   string `json:"bundle"` // its digest
	Since    string `json:"since"`  // RFC 3339, UTC: when the alias came to stand for it
	AgeS     int64  `json:"age_s"`
	Trace    string `json:"trace"`                // the names of the traces that it learned, joined
	Until    string `json:"fitted_until"`         // the end of what it was fitted on; empty without a date
	NotAfter string `json:"not_after,omitempty"`  // when loaders stop to take its release statement
	Sequence int    `json:"sequence,omitempty"`   // of the statement
	Problem  string `json:"problem,omitempty"`    // why it cannot be opened
	EndsInS  int64  `json:"ends_in_s,omitempty"`  // from now to NotAfter; negative: it has ended
	Behind   int64  `json:"behind_min,omitempty"` // minutes of the same trace after what it was fitted on
}

// Read tells where the platform of cfg stands at a time. What is damaged is an error, but for
// the champion's bundle, whose problem stands in it.
func Read(cfg pipelines.Config, now time.Time) (*Status, error) {
	s := &Status{Store: cfg.Store, Registry: cfg.RegistryDir(), Alias: cfg.Release.Alias}
	end, err := s.trace(cfg, now)
	if err != nil {
		return nil, err
	}
	registry := bundle.NewRegistry(cfg.RegistryDir())
	history, err := registry.History()
	if err != nil {
		return nil, err
	}
	if err := s.decisions(registry, history, now); err != nil {
		return nil, err
	}
	if c := s.Champion; c != nil && c.Problem == "" && !end.IsZero() && c.Until != "" && s.Trace != nil && c.Trace == s.Trace.Name {
		if until, err := time.Parse(time.RFC3339, c.Until); err == nil && end.After(until) {
			c.Behind = int64(end.Sub(until) / time.Minute)
		}
	}
	s.Next = s.next(cfg)
	return s, nil
}

// trace describes the trace and returns when it ends; zero where it has no date.
func (s *Status) trace(cfg pipelines.Config, now time.Time) (time.Time, error) {
	store, err := parquet.Open(cfg.Store)
	if err != nil {
		return time.Time{}, err
	}
	d, err := store.Describe(cfg.Trace)
	if errors.Is(err, parquet.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	s.Trace = &Trace{Name: d.Name, Functions: d.Functions, Days: d.Days}
	if d.Start.IsZero() {
		return time.Time{}, nil
	}
	end := d.Start.Add(time.Duration(d.Span.To) * time.Minute)
	s.Trace.Until = end.UTC().Format(time.RFC3339)
	s.Trace.AgeS = int64(now.Sub(end) / time.Second)
	return end, nil
}

// decisions fills in what the journal says of the alias.
func (s *Status) decisions(registry *bundle.Registry, history []bundle.Entry, now time.Time) error {
	current, err := registry.Alias(s.Alias)
	if errors.Is(err, bundle.ErrNotFound) {
		current = ""
	} else if err != nil {
		return err
	}
	since := ""
	for _, e := range history {
		ours := cmp.Or(e.Alias, bundle.ChampionRef) == s.Alias
		switch {
		case e.Action == bundle.Promote && ours:
			s.Night = &Night{Time: e.Time, Verdict: bundle.Accepted, Bundle: e.Digest, Reason: e.Reason}
			since = e.Time
		case e.Action == bundle.Rollback && ours:
			since = e.Time
		case e.Action == bundle.Refuse:
			s.Night = &Night{Time: e.Time, Verdict: bundle.Refused, Bundle: e.Digest, Reason: e.Reason}
		}
	}
	if s.Night != nil {
		if s.Night.AgeS, err = age(s.Night.Time, now); err != nil {
			return err
		}
	}
	if current == "" {
		return nil
	}
	c := &Champion{Bundle: current, Since: since}
	s.Champion = c
	if c.AgeS, err = age(since, now); err != nil {
		return err
	}
	b, err := registry.Open(s.Alias, bundle.Policy{})
	if err != nil {
		c.Problem = err.Error()
		return nil
	}
	m := b.Manifest()
	for _, t := range m.Traces {
		if c.Trace != "" {
			c.Trace += ", "
		}
		c.Trace += t.Name
	}
	if start, err := time.Parse(time.RFC3339, m.Window.Start); err == nil {
		c.Until = start.Add(time.Duration(m.Window.To) * time.Minute).UTC().Format(time.RFC3339)
	}
	r, _, err := registry.Release(s.Alias)
	if errors.Is(err, bundle.ErrNotFound) {
		return nil // promoted before there were statements
	}
	if err != nil {
		return err
	}
	c.Sequence, c.NotAfter = r.Sequence, r.NotAfter
	if r.NotAfter != "" {
		left, err := age(r.NotAfter, now)
		if err != nil {
			return err
		}
		c.EndsInS = -left
	}
	return nil
}

// age is the time from text to now in seconds.
func age(text string, now time.Time) (int64, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, fmt.Errorf("a time of the journal: %w", err)
	}
	return int64(now.Sub(t) / time.Second), nil
}

// soon is how long before the end of a statement it is time to write a new one.
const soon = 24 * time.Hour

// next says what to do.
func (s *Status) next(cfg pipelines.Config) string {
	c := s.Champion
	switch {
	case s.Trace == nil && cfg.Trace != synthetic.Format:
		return fmt.Sprintf("ingest the trace: incendio ingest FORMAT PATH --name %s", cfg.Trace)
	case c == nil:
		return "train the first bundle: incendio run"
	case c.Problem != "":
		return "the champion cannot be opened: incendio bundle rollback, or repeat its run"
	case c.NotAfter != "" && c.EndsInS <= 0:
		return "the release statement has ended, loaders refuse it: incendio run, or incendio bundle renew"
	case c.NotAfter != "" && time.Duration(c.EndsInS)*time.Second < soon:
		return "the release statement ends within a day: incendio run, or incendio bundle renew"
	case c.Behind > 0 && s.Night != nil && s.Night.Verdict == bundle.Refused:
		return "the last candidate was refused: read its report; incendio run after the next day is ingested"
	}
	return "nothing: ingest the next day when it is there, then incendio run"
}
