package pipelines

import (
	"errors"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
)

// A Rival looks up the bundle that a candidate is compared with, under its digest; "" and
// nil where there is none.
type Rival func() (stage.Named[func() (*replay.Subject, error)], error)

// rival is the champion of a registry, for the candidate in dir. A candidate that an earlier
// run made champion is judged against the one before it, as it was then.
func rival(registry *bundle.Registry, dir string) Rival {
	return func() (stage.Named[func() (*replay.Subject, error)], error) {
		named := stage.Named[func() (*replay.Subject, error)]{Name: "", Value: func() (*replay.Subject, error) { return nil, nil }}
		champion, err := registry.Champion()
		if errors.Is(err, bundle.ErrNotFound) {
			return named, nil
		}
		if err != nil {
			return named, err
		}
		candidate, err := bundle.Open(dir, bundle.Policy{})
		if err != nil {
			return named, err
		}
		digest, ref := champion, bundle.ChampionRef // which must be there
		if champion == candidate.Digest() {
			history, err := registry.History()
			if err != nil {
				return named, err
			}
			digest = before(history, champion)
			ref = digest
		}
		if digest != "" {
			named.Name = digest
			named.Value = func() (*replay.Subject, error) { return replay.OpenReference(registry, ref) }
		}
		return named, nil
	}
}

// before is the champion that the named one took the place of, or "".
func before(history []bundle.Entry, champion string) string {
	last, current := "", ""
	for _, e := range history {
		if e.Alias != "" || e.Action != bundle.Promote && e.Action != bundle.Rollback {
			continue // of another alias, or no change of the champion
		}
		if e.Action == bundle.Promote && e.Digest == champion && current != champion {
			last = current
		}
		current = e.Digest
	}
	return last
}

// promote makes the candidate in dir the champion, or records that it was refused.
func promote(registry *bundle.Registry, dir string, v *validate.Validation, origin string, at time.Time) error {
	current, err := registry.Champion()
	if err != nil && !errors.Is(err, bundle.ErrNotFound) {
		return err
	}
	if current == v.Bundle {
		_, err := registry.Open(bundle.ChampionRef, bundle.Policy{}) // it may be damaged meanwhile
		return err
	}
	b, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		return err
	}
	if v.Verdict == bundle.Refused {
		return registry.Refuse(b.Digest(), v.Reason, at)
	}
	if err := registry.Add(b, origin, at); err != nil {
		return err
	}
	_, err = registry.Promote(b.Digest(), bundle.Decision{Reason: v.Reason, At: at, By: origin})
	return err
}
