package pipelines

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/option"
)

// Release says how a run publishes what it decides. Nothing of it enters a bundle.
type Release struct {
	// Alias is what an accepted candidate is promoted to, and whose bundle it is compared
	// with. Default "champion".
	Alias string `json:"alias"`
	// SignKey is the file of a private key that signs bundles and release statements.
	// Empty, the default: nothing is signed.
	SignKey string `json:"sign_key"`
	// ValidFor is how long loaders may take a release statement. A run that keeps the
	// champion renews its statement when less than half of that is left. 0, the default:
	// for ever.
	ValidFor time.Duration `json:"valid_for"`
}

// Validate reports all values that are out of range.
func (r Release) Validate() error {
	var k option.Check
	k.Note("alias", bundle.CheckAlias(r.Alias))
	k.That(r.ValidFor >= 0, "valid_for", "must not be negative, got %v", r.ValidFor)
	return k.Err()
}

// Key reads the private key, nil if there is none.
func (r Release) Key() (*bundle.PrivateKey, error) {
	if r.SignKey == "" {
		return nil, nil
	}
	data, err := os.ReadFile(r.SignKey)
	if err != nil {
		return nil, fmt.Errorf("key that signs: %w", err)
	}
	k, err := bundle.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("key that signs: %s: %w", r.SignKey, err)
	}
	return k, nil
}

// Decision is what a promotion to the alias at a time needs, with the key.
func (r Release) Decision(reason, by string, key *bundle.PrivateKey, at time.Time) bundle.Decision {
	d := bundle.Decision{Alias: r.Alias, Reason: reason, By: by, At: at, Key: key}
	if r.ValidFor > 0 {
		d.NotAfter = at.Add(r.ValidFor)
	}
	return d
}

// Trust says what a bundle has to prove before it is loaded, beside that it is whole.
// Nothing of it enters a bundle.
type Trust struct {
	// Keys are files of public keys: a bundle needs a signature by one of them. None, the
	// default: no signature is asked for.
	Keys []string `json:"keys"`
	// Seen is the file in which this loader remembers the releases that it followed. A
	// bundle that is named by an alias then needs a release statement, signed if there are
	// Keys, that has not expired and is no older than what was followed before. Empty, the
	// default: no statement is asked for.
	Seen string `json:"seen"`
}

// Validate reports all values that are out of range.
func (t Trust) Validate() error {
	var k option.Check
	for i, name := range t.Keys {
		k.That(name != "", fmt.Sprintf("keys[%d]", i), "must be the file of a public key, got \"\"")
	}
	return k.Err()
}

// Policy reads the keys and the loader's state. Releases must not have expired at now; the
// zero time asks for no end. Overrides that are in force go to the log.
func (t Trust) Policy(now time.Time, log *slog.Logger) (bundle.Policy, error) {
	p := bundle.Policy{Now: now}
	for _, name := range t.Keys {
		data, err := os.ReadFile(name)
		if err != nil {
			return p, fmt.Errorf("trusted key: %w", err)
		}
		k, err := bundle.ParsePublicKey(data)
		if err != nil {
			return p, fmt.Errorf("trusted key: %s: %w", name, err)
		}
		p.Keys = append(p.Keys, k)
	}
	if t.Seen == "" {
		return p, nil
	}
	var err error
	if p.Seen, err = bundle.OpenSeen(t.Seen); err != nil {
		return p, err
	}
	for _, o := range p.Seen.InForce() {
		log.Warn("release override in force", "state", t.Seen, "alias", o.Alias, "sequence", o.Sequence, "followed", o.Before, "since", o.Time, "reason", o.Reason)
	}
	return p, nil
}
