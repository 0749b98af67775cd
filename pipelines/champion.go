package pipelines

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
)

// A Rival looks up the bundle that a candidate is compared with, under its digest; "" and
// nil where there is none.
type Rival func() (stage.Named[func() (*replay.Subject, error)], error)

// A publisher makes accepted candidates what an alias stands for.
type publisher struct {
	registry *bundle.Registry
	release  Release
	key      *bundle.PrivateKey // of the release; may be nil
	trust    bundle.Policy      // for what the alias stands for before
	log      *slog.Logger
}

// rival is what the alias stands for, for the candidate in dir. A candidate that an earlier
// run made champion is judged against the one before it, as it was then.
func (p *publisher) rival(dir string) Rival {
	return func() (stage.Named[func() (*replay.Subject, error)], error) {
		named := stage.Named[func() (*replay.Subject, error)]{Name: "", Value: func() (*replay.Subject, error) { return nil, nil }}
		champion, err := p.registry.Alias(p.release.Alias)
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
		digest, ref := champion, p.release.Alias // which must be there
		if champion == candidate.Digest() {
			history, err := p.registry.History()
			if err != nil {
				return named, err
			}
			digest = before(history, p.release.Alias, champion)
			ref = digest
		}
		if digest != "" {
			named.Name = digest
			named.Value = func() (*replay.Subject, error) { return replay.OpenReference(p.registry, ref, p.trust) }
		}
		return named, nil
	}
}

// before is what the alias stood for before the named bundle, or "".
func before(history []bundle.Entry, alias, champion string) string {
	last, current := "", ""
	for _, e := range history {
		if cmp.Or(e.Alias, bundle.ChampionRef) != alias || e.Action != bundle.Promote && e.Action != bundle.Rollback {
			continue // of another alias, or no change of it
		}
		if e.Action == bundle.Promote && e.Digest == champion && current != champion {
			last = current
		}
		current = e.Digest
	}
	return last
}

// withdrawn says why the candidate of that digest is not promoted by a run: somebody has taken
// it back from the alias by a rollback, and nobody has promoted it there since. It is
// empty for others. Else the next run on the same inputs would undo the rollback.
func (p *publisher) withdrawn(digest string) (string, error) {
	history, err := p.registry.History()
	if err != nil {
		return "", err
	}
	why, current := "", ""
	for _, e := range history {
		if cmp.Or(e.Alias, bundle.ChampionRef) != p.release.Alias {
			continue
		}
		switch e.Action {
		case bundle.Rollback:
			if current == digest {
				why = fmt.Sprintf("Rolled back at %s (%s): bundle promote makes it what %s stands for again.", e.Time, e.Reason, p.release.Alias)
			}
			current = e.Digest
		case bundle.Promote:
			if current = e.Digest; current == digest {
				why = ""
			}
		}
	}
	return why, nil
}

// publish makes the candidate in dir what the alias stands for, signed if there is a key, or
// records that it was refused. Tried again it does nothing that is done.
func (p *publisher) publish(dir string, v *validate.Validation, origin string, at time.Time) error {
	current, err := p.registry.Alias(p.release.Alias)
	if err != nil && !errors.Is(err, bundle.ErrNotFound) {
		return err
	}
	if v.Verdict == bundle.Refused && current != v.Bundle { // else a person has promoted it since
		if err := p.registry.Refuse(v.Bundle, v.Reason, at); err != nil || current == "" {
			return err
		}
		return p.renew(false, at)
	}
	b, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		return err
	}
	if b.Digest() != v.Bundle {
		return fmt.Errorf("%s holds the bundle %.12s, and %.12s was judged: %w", dir, b.Digest(), v.Bundle, bundle.ErrIntegrity)
	}
	if p.key != nil {
		if _, err := b.WriteSignature(dir, p.key); err != nil {
			return err
		}
	}
	if current == v.Bundle {
		// The registry's copy may be damaged or gone meanwhile.
		if _, err := p.registry.Open(p.release.Alias, bundle.Policy{}); err != nil {
			return err
		}
		if p.key != nil {
			if err := p.registry.Add(b, origin, at); err != nil { // its signature
				return err
			}
		}
		return p.renew(true, at)
	}
	if err := p.registry.Add(b, origin, at); err != nil {
		return err
	}
	d := p.release.Decision(v.Reason, origin, p.key, at)
	d.Trusted = p.trust.Keys
	_, err = p.registry.Promote(b.Digest(), d)
	return err
}

// renew writes a new statement for what the alias stands for where the last one ends in
// less than half of the time that it is given; and, where the run has made the bundle
// itself (own), if it is not signed by the key. What others have put there unsigned it does
// not vouch for.
func (p *publisher) renew(own bool, at time.Time) error {
	if p.key == nil && p.release.ValidFor == 0 {
		return nil
	}
	keys := p.trust.Keys
	if p.key != nil {
		k, err := p.key.Public()
		if err != nil {
			return err
		}
		keys = append(keys[:len(keys):len(keys)], k)
	}
	now, by, err := p.registry.Release(p.release.Alias, keys...)
	if err != nil && !errors.Is(err, bundle.ErrNotFound) { // a decision from before there were statements has none
		return err
	}
	unsigned := p.key != nil && by == nil
	due := unsigned && own
	if p.release.ValidFor > 0 && now != nil {
		end, err := time.Parse(time.RFC3339, now.NotAfter)
		due = due || err != nil || end.Sub(at) < p.release.ValidFor/2
	}
	switch {
	case !due:
		return nil
	case unsigned && !own:
		p.log.Warn("release statement is not signed by this run's key or a trusted one, and not renewed: bundle renew --sign-key does", "alias", p.release.Alias)
		return nil
	}
	d := p.release.Decision("it stays", "nightly run", p.key, at)
	d.Trusted = p.trust.Keys
	if p.key != nil {
		d.Trusted = keys
	}
	_, err = p.registry.Renew(d)
	return err
}
