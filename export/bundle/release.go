package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// predicateRelease is the type of the predicate of release statements, described in
// docs/bundle.md.
const predicateRelease = "https://github.com/incendio-faas/incendio/release/v1"

// maxRelease bounds the file of a release statement, in bytes.
const maxRelease = 1 << 20

// A Release says that an alias stands for a bundle from now on. Every promotion and every
// rollback writes one, as an in-toto statement in a DSSE envelope, whose subject is
// manifest.json with the digest of the bundle. With a key it is signed; loaders that ask
// for that take no earlier one again (see Seen).
type Release struct {
	Alias    string `json:"alias"`
	Sequence int    `json:"sequence"` // 1 for the first of the alias, then one more each
	Action   Action `json:"action"`   // Promote, Rollback or Renew
	Previous string `json:"previous"` // SHA-256 of the statement before; 64 zeros if there is none
	Time     string `json:"time"`     // RFC 3339, UTC
	NotAfter string `json:"not_after,omitempty"`
	By       string `json:"by,omitempty"` // who decided
	Reason   string `json:"reason"`
}

// A sealedRelease is a statement as it is stored.
type sealedRelease struct {
	Release
	bundle   string // digest of the bundle
	id       string // SHA-256 of the statement
	envelope *envelope
}

func newRelease(r Release, digest string, key *PrivateKey) (file []byte, id string, err error) {
	payload, err := CanonicalJSON(statement[Release]{
		Type: typeStatement, PredicateType: predicateRelease, Predicate: r,
		Subject: []subject{{ManifestName, map[string]string{"sha256": digest}}},
	})
	if err != nil {
		return nil, "", err
	}
	var keys []*PrivateKey
	if key != nil {
		keys = append(keys, key)
	}
	e, err := seal(payload, true, keys...)
	if err != nil {
		return nil, "", err
	}
	file, err = marshal(e, "")
	return file, sum(payload), err
}

// releaseFile is where the statement of an alias with that sequence lies.
func (r *Registry) releaseFile(alias string, sequence int) string {
	return r.path("releases", alias, fmt.Sprintf("%08d.json", sequence))
}

// readRelease returns the statement that decision made, which must be the one that the
// journal knows by its digest.
func (r *Registry) readRelease(last decision) (*sealedRelease, error) {
	if last.statement == "" {
		return nil, fmt.Errorf("release %d of %s: it was made before there were statements: %w", last.sequence, last.alias, ErrIntegrity)
	}
	name := r.releaseFile(last.alias, last.sequence)
	s, err := parseRelease(name)
	if err == nil {
		switch {
		case s.id != last.statement:
			err = fmt.Errorf("the statement is %s, the journal has %s: %w", short(s.id), short(last.statement), ErrIntegrity)
		case s.Alias != last.alias || s.Sequence != last.sequence || s.bundle != last.digest:
			err = fmt.Errorf("it is release %d of %q for %s, expected %d of %q for %s: %w",
				s.Sequence, s.Alias, short(s.bundle), last.sequence, last.alias, short(last.digest), ErrIntegrity)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("release statement %s: %w", name, err)
	}
	return s, nil
}

func parseRelease(name string) (*sealedRelease, error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIntegrity, err)
	}
	defer func() { _ = root.Close() }() // nothing was written
	data, err := read(root, filepath.Base(name), maxRelease)
	if err != nil {
		return nil, err
	}
	var e envelope
	var s statement[Release]
	if err := decodeStrict(data, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIntegrity, err)
	}
	if err := decodeStrict(e.Payload, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIntegrity, err)
	}
	if e.PayloadType != payloadInToto || s.Type != typeStatement || s.PredicateType != predicateRelease || len(s.Subject) != 1 {
		return nil, fmt.Errorf("it holds a %.80q of %.80q, expected %s: %w", e.PayloadType, s.PredicateType, predicateRelease, ErrIntegrity)
	}
	return &sealedRelease{s.Predicate, s.Subject[0].Digest["sha256"], sum(e.Payload), &e}, nil
}

// Release returns the statement that an alias follows, after checking that it is the one
// that the journal knows, and which of keys signed it; nil if none did. The error wraps
// ErrNotFound if the alias stands for nothing, or by a decision that is older than
// statements, and ErrIntegrity if the statement is gone or another one.
func (r *Registry) Release(alias string, keys ...*PublicKey) (*Release, *PublicKey, error) {
	last, err := r.last(alias)
	if err != nil {
		return nil, nil, err
	}
	if last.statement == "" {
		return nil, nil, fmt.Errorf("release %d of %s: it was made before there were statements: %w", last.sequence, alias, ErrNotFound)
	}
	s, err := r.readRelease(last)
	if err != nil {
		return nil, nil, err
	}
	return &s.Release, s.envelope.signedBy(keys), nil
}

// Seen is what a loader remembers of the releases that it followed, in a file of its own,
// outside the registry: the highest sequence of each alias. Whoever can write the
// registry can then not hand yesterday's bundle in again. Several loaders, of several
// processes too, may share a file: what one of them followed the others do not undo.
type Seen struct {
	file  string
	state seenState
}

type seenState struct {
	Aliases   map[string]seenAlias `json:"aliases"`
	Overrides []Override           `json:"overrides"` // oldest first
}

type seenAlias struct {
	Sequence  int    `json:"sequence"`
	Statement string `json:"statement,omitempty"` // its SHA-256; empty after an override
}

// An Override is a decision of a loader's operator to take an earlier release again, or
// to follow a registry that began anew.
type Override struct {
	Alias    string `json:"alias"`
	Sequence int    `json:"sequence"` // the lowest that is taken from then on
	Before   int    `json:"before"`   // the last that the loader had followed
	Time     string `json:"time"`     // RFC 3339, UTC
	Reason   string `json:"reason"`
}

// OpenSeen reads the state of a loader. A file that does not exist is a loader that saw
// nothing yet; one that cannot be read is an error that wraps ErrIntegrity.
func OpenSeen(file string) (*Seen, error) {
	s := &Seen{file: file}
	if err := s.read(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Seen) read() error {
	s.state = seenState{Aliases: map[string]seenAlias{}, Overrides: []Override{}}
	data, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("loader's state: %w", err)
	}
	if err := decodeStrict(data, &s.state); err != nil {
		return fmt.Errorf("loader's state %s: %w: %w", s.file, ErrIntegrity, err)
	}
	if s.state.Aliases == nil {
		s.state.Aliases = map[string]seenAlias{}
	}
	return nil
}

// change runs do on the state as it is now, under its lock, and writes what comes of it.
func (s *Seen) change(do func() error) (err error) {
	unlock, err := take(s.file + ".lock")
	if err != nil {
		return fmt.Errorf("loader's state %s: %w", s.file, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := s.read(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return s.save()
}

// Override makes the loader take releases of alias from sequence on, although it saw
// later ones. The decision and its reason stay in the loader's file.
func (s *Seen) Override(alias string, sequence int, reason string, at time.Time) error {
	if sequence < 1 {
		return fmt.Errorf("override: sequence %d, expected at least 1", sequence)
	}
	return s.change(func() error {
		s.state.Overrides = append(s.state.Overrides, Override{alias, sequence, s.Sequence(alias), stamp(at), reason})
		s.state.Aliases[alias] = seenAlias{Sequence: sequence}
		return nil
	})
}

// Overrides returns the overrides so far, oldest first.
func (s *Seen) Overrides() []Override { return append([]Override(nil), s.state.Overrides...) }

// InForce returns the overrides that let the loader follow earlier releases than it has
// seen, until a later one comes.
func (s *Seen) InForce() []Override {
	return slices.DeleteFunc(s.Overrides(), func(o Override) bool { return s.Sequence(o.Alias) >= o.Before })
}

// Sequence returns the lowest sequence of alias that the loader takes, 0 if any.
func (s *Seen) Sequence(alias string) int { return s.state.Aliases[alias].Sequence }

// check reports whether the loader may follow r.
func (s *Seen) check(r *sealedRelease) error {
	last, ok := s.state.Aliases[r.Alias]
	switch {
	case !ok || r.Sequence > last.Sequence:
		return nil
	case r.Sequence < last.Sequence:
		return fmt.Errorf("release %d of %s is handed in again: this loader followed %d already: %w", r.Sequence, r.Alias, last.Sequence, ErrIntegrity)
	case last.Statement != "" && last.Statement != r.id:
		return fmt.Errorf("release %d of %s is another than the one that this loader followed: %w", r.Sequence, r.Alias, ErrIntegrity)
	}
	return nil
}

// remember makes r the last that the loader followed.
func (s *Seen) remember(r *sealedRelease) error {
	if s.state.Aliases[r.Alias] == (seenAlias{r.Sequence, r.id}) {
		return nil
	}
	return s.change(func() error {
		if err := s.check(r); err != nil { // another loader may have gone on
			return err
		}
		s.state.Aliases[r.Alias] = seenAlias{r.Sequence, r.id}
		return nil
	})
}

func (s *Seen) save() error {
	data, err := json.MarshalIndent(s.state, "", "  ")
	if err != nil {
		return err
	}
	var d disk
	if err := d.replaceFile(s.file, append(data, '\n')); err != nil {
		return fmt.Errorf("loader's state: %w", err)
	}
	return nil
}

// follow checks the statement that an alias follows against the policy. Nil: the policy
// asks for none.
func (p Policy) follow(r *Registry, last decision) (*sealedRelease, error) {
	if p.Seen == nil {
		return nil, nil
	}
	s, err := r.readRelease(last)
	if err != nil {
		return nil, err
	}
	if len(p.Keys) > 0 && s.envelope.signedBy(p.Keys) == nil {
		return nil, fmt.Errorf("release statement %s: release %d of %s is not signed by %s: %w", r.releaseFile(s.Alias, s.Sequence), s.Sequence, s.Alias, hints(p.Keys), ErrIntegrity)
	}
	if s.NotAfter != "" {
		end, err := time.Parse(time.RFC3339, s.NotAfter)
		if err != nil {
			return nil, fmt.Errorf("release %d of %s: not_after: %w: %w", s.Sequence, s.Alias, ErrIntegrity, err)
		}
		if p.Now.After(end) {
			return nil, fmt.Errorf("release statement %s: release %d of %s expired at %s, it is %s: %w", r.releaseFile(s.Alias, s.Sequence), s.Sequence, s.Alias, s.NotAfter, stamp(p.Now), ErrIntegrity)
		}
	}
	return s, p.Seen.check(s)
}

// stamp is how times stand in journals and statements.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// CheckAlias reports whether name can be an alias: letters, digits, ".", "_" and "-", at
// most 64, beginning with a letter or digit, and nothing that is taken for a digest.
func CheckAlias(name string) error {
	ok := name != "" && len(name) <= 64 && name[0] != '.' && name[0] != '-' && name[0] != '_'
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0)
	}
	if !ok || isHex(name) && len(name) >= minPrefix {
		return fmt.Errorf("alias %.80q: expected at most 64 of a-z, 0-9, \".\", \"_\" and \"-\", a letter or digit first, and no %d or more hex digits", name, minPrefix)
	}
	return nil
}
