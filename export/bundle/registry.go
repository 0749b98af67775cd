package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ChampionRef is the reference that Resolve takes for the champion.
const ChampionRef = "champion"

// minPrefix is the least number of hex digits that may stand for a digest: shorter ones
// are more likely a mistake than a name.
const minPrefix = 8

// A Registry keeps bundles under their digests, names one of them the champion, and
// records each decision in a journal.
//
// The journal is the truth. A promotion copies nothing: the bundle is on disk before it
// can be promoted, then the entry is written and synced, then the champion file is
// replaced in one step. After a crash between these two the journal decides, and the
// next writer puts the file right.
//
// Writers exclude each other, across processes, and fail with ErrLocked rather than
// wait. Readers need no lock. A Registry may be used by several goroutines.
type Registry struct{ dir string }

// NewRegistry returns the registry in the folder dir, which the first Add or Refuse
// creates.
func NewRegistry(dir string) *Registry { return &Registry{dir} }

// A Record is a line of the list of a registry's bundles.
type Record struct {
	Digest         string `json:"digest"`
	Champion       bool   `json:"champion"`
	Imported       string `json:"imported"` // RFC 3339, UTC
	BundleVersion  string `json:"bundle_version,omitempty"`
	ProgramVersion string `json:"program_version,omitempty"`
	Window         Window `json:"window"`
	Files          int    `json:"files"`
	Size           int64  `json:"size"`              // bytes of the files
	Problem        string `json:"problem,omitempty"` // why the bundle cannot be opened
}

func (r *Registry) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

func (r *Registry) bundleDir(digest string) string { return r.path("bundles", digest) }
func (r *Registry) journalFile() string            { return r.path("journal.jsonl") }
func (r *Registry) championFile() string           { return r.path("champion") }

// Add copies b into the registry. A bundle that is there already stays as it is. A
// failed Add leaves nothing behind.
func (r *Registry) Add(b *Bundle, reason string, at time.Time) error {
	return r.update("add "+short(b.digest), func(j *journal) error {
		dir := r.bundleDir(b.digest)
		_, err := os.Lstat(dir)
		created := errors.Is(err, fs.ErrNotExist)
		switch {
		case created:
			if err := r.sweep(); err != nil {
				return err
			}
			if err := b.create(dir); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if _, err := r.open(b.digest, Policy{}); err != nil {
				return err
			}
		}
		if j.imported[b.digest] {
			return nil
		}
		if err := j.write(r.journalFile(), Import, b.digest, reason, at); err != nil {
			if created {
				err = errors.Join(err, os.RemoveAll(dir))
			}
			return err
		}
		return nil
	})
}

// sweep removes the unfinished copies of writers that died. Under the lock there is no
// other kind.
func (r *Registry) sweep() error {
	stale, err := filepath.Glob(r.path("bundles", ".bundle-*"))
	for _, dir := range stale {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// Promote makes the bundle of the given digest (all 64 digits) the champion, after
// verifying it. If it is the champion already there is nothing to do. The error wraps
// ErrNotFound if the registry has no such bundle.
func (r *Registry) Promote(digest, reason string, at time.Time) error {
	return r.update("promote "+short(digest), func(j *journal) error {
		if !j.imported[digest] {
			return fmt.Errorf("the bundle was not added: %w", ErrNotFound)
		}
		if _, err := r.open(digest, Policy{}); err != nil {
			return err
		}
		if j.champion() == digest {
			return nil
		}
		return r.enthrone(j, Promote, digest, reason, at)
	})
}

// Refuse records that the candidate of the given digest failed a gate. The candidate
// need not be in the registry.
func (r *Registry) Refuse(digest, reason string, at time.Time) error {
	return r.update("refuse "+short(digest), func(j *journal) error {
		if len(digest) != len(genesis) || !isHex(digest) {
			return fmt.Errorf("digest %q, expected 64 hex digits", digest)
		}
		return j.write(r.journalFile(), Refuse, digest, reason, at)
	})
}

// Rollback makes the champion before the last promotion that still stands the champion
// again, after verifying it, and returns its digest. Two rollbacks go back two
// promotions. The error wraps ErrNotFound if there is no earlier champion.
func (r *Registry) Rollback(reason string, at time.Time) (digest string, err error) {
	err = r.update("rollback", func(j *journal) error {
		digest = j.nth(2)
		if digest == "" {
			return fmt.Errorf("earlier champion: %w", ErrNotFound)
		}
		if _, err := r.open(digest, Policy{}); err != nil {
			return err
		}
		return r.enthrone(j, Rollback, digest, reason, at)
	})
	if err != nil {
		return "", err
	}
	return digest, nil
}

// Champion returns the digest of the champion. The error wraps ErrNotFound if there is
// none, and ErrIntegrity if the champion file and the journal tell different stories.
func (r *Registry) Champion() (string, error) {
	j, err := r.state()
	if err != nil {
		return "", fmt.Errorf("champion of %s: %w", r.dir, err)
	}
	if j.champion() == "" {
		return "", fmt.Errorf("champion of %s: %w", r.dir, ErrNotFound)
	}
	return j.champion(), nil
}

// History returns the journal, oldest entry first, after verifying its chain and that
// it agrees with the champion file.
func (r *Registry) History() ([]Entry, error) {
	j, err := r.state()
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", r.dir, err)
	}
	return j.entries, nil
}

// List returns the bundles in the order of their import. One that cannot be opened is
// listed with its Problem.
func (r *Registry) List() ([]Record, error) {
	j, err := r.state()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", r.dir, err)
	}
	records := []Record{}
	for _, e := range j.entries {
		if e.Action != Import {
			continue
		}
		rec := Record{Digest: e.Digest, Champion: e.Digest == j.champion(), Imported: e.Time}
		if b, err := r.open(e.Digest, Policy{}); err != nil {
			rec.Problem = err.Error()
		} else {
			rec.BundleVersion, rec.ProgramVersion = b.manifest.BundleVersion, b.manifest.ProgramVersion
			rec.Window, rec.Files = b.manifest.Window, len(b.manifest.Files)
			for _, f := range b.manifest.Files {
				rec.Size += f.Size
			}
		}
		records = append(records, rec)
	}
	return records, nil
}

// Resolve returns the directory of the bundle that ref names: "champion", a digest or a
// prefix of one of at least 8 hex digits (with or without "sha256:"), or the path of a
// directory. Names come before paths, so a directory called champion is ./champion. The
// bundle is not opened; see Open. The error wraps ErrNotFound if there is nothing.
func (r *Registry) Resolve(ref string) (dir string, err error) {
	if ref == ChampionRef {
		digest, err := r.Champion()
		if err != nil {
			return "", err
		}
		return r.bundleDir(digest), nil
	}
	if prefix := strings.TrimPrefix(ref, digestPrefix); isHex(prefix) && len(prefix) >= minPrefix {
		digest, err := r.match(prefix)
		if err == nil {
			return r.bundleDir(digest), nil
		}
		if !errors.Is(err, ErrNotFound) {
			return "", fmt.Errorf("resolve %q: %w", ref, err)
		}
	}
	info, err := os.Stat(ref)
	if err != nil || !info.IsDir() {
		return "", fmt.Errorf("resolve %q: expected champion, a digest of the registry %s (at least %d hex digits) or a directory: %w", ref, r.dir, minPrefix, ErrNotFound)
	}
	return ref, nil
}

// Open resolves ref and opens the bundle, as the function Open does. A bundle of the
// registry must also be the one whose digest its folder has.
func (r *Registry) Open(ref string, p Policy) (*Bundle, error) {
	dir, err := r.Resolve(ref)
	if err != nil {
		return nil, err
	}
	if digest := filepath.Base(dir); dir == r.bundleDir(digest) {
		return r.open(digest, p)
	}
	return Open(dir, p)
}

// match returns the only digest in bundles/ that begins with prefix.
func (r *Registry) match(prefix string) (string, error) {
	entries, err := os.ReadDir(r.path("bundles"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if n := e.Name(); len(n) == len(genesis) && isHex(n) && strings.HasPrefix(n, prefix) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return "", ErrNotFound
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("the prefix fits %d bundles: %s", len(found), strings.Join(found, ", "))
}

// open opens the bundle called digest. A folder that is gone is an integrity failure: the
// journal says that it was there.
func (r *Registry) open(digest string, p Policy) (*Bundle, error) {
	b, err := Open(r.bundleDir(digest), p)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("bundle %s of the registry is gone: %w", short(digest), ErrIntegrity)
	}
	if err != nil {
		return nil, err
	}
	if b.digest != digest {
		return nil, fmt.Errorf("the folder of bundle %s holds %s: %w", short(digest), short(b.digest), ErrIntegrity)
	}
	return b, nil
}

// state reads the journal and checks the champion file against it. Both may change
// meanwhile, so a disagreement counts only if the file stood still.
func (r *Registry) state() (*journal, error) {
	const attempts = 100
	for attempt := 1; ; attempt++ {
		pointer, err := r.pointer()
		if err != nil {
			return nil, err
		}
		j, err := readJournal(r.journalFile())
		if err != nil {
			return nil, err
		}
		// The file may be one decision behind: its writer is about to replace it, or died.
		if pointer == j.champion() || pointer == j.before {
			return j, nil
		}
		again, err := r.pointer()
		if err != nil {
			return nil, err
		}
		if again == pointer || attempt == attempts {
			return nil, fmt.Errorf("the champion file holds %q, the journal says %q: %w", pointer, j.champion(), ErrIntegrity)
		}
	}
}

// pointer returns the content of the champion file, or "" if there is none.
func (r *Registry) pointer() (string, error) {
	data, err := os.ReadFile(r.championFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read champion: %w: %w", ErrIntegrity, err)
	}
	digest, ok := strings.CutSuffix(string(data), "\n")
	if !ok || len(digest) != len(genesis) || !isHex(digest) {
		return "", fmt.Errorf("the champion file holds %.80q, expected 64 hex digits and a newline: %w", data, ErrIntegrity)
	}
	return digest, nil
}

// update runs do under the registry's lock, on a journal that the champion file agrees with.
func (r *Registry) update(what string, do func(*journal) error) error {
	if err := r.locked(do); err != nil {
		return fmt.Errorf("%s in %s: %w", what, r.dir, err)
	}
	return nil
}

func (r *Registry) locked(do func(*journal) error) (err error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(r.path("lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	j, err := r.state()
	if err != nil {
		return err
	}
	if pointer, err := r.pointer(); err != nil {
		return err
	} else if pointer != j.champion() { // a crash came between the journal and the file
		if err := r.point(j.champion(), nil); err != nil {
			return err
		}
	}
	return do(j)
}

// enthrone records action and points the champion file to digest.
func (r *Registry) enthrone(j *journal, action Action, digest, reason string, at time.Time) error {
	size := j.size
	return r.point(digest, func() (undo func() error, err error) {
		if err := j.write(r.journalFile(), action, digest, reason, at); err != nil {
			return nil, err
		}
		return func() error { return unwrite(r.journalFile(), size) }, nil
	})
}

// point replaces the champion file in one step. The new file is on disk before record
// runs, so that after record only a rename can still fail; then record is undone.
func (r *Registry) point(digest string, record func() (undo func() error, err error)) error {
	next := r.path(".champion.next") // one name is enough under the lock
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFile(next, []byte(digest+"\n")); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	undo := func() error { return nil }
	if record != nil {
		var err error
		if undo, err = record(); err != nil {
			return errors.Join(err, os.Remove(next))
		}
	}
	if err := os.Rename(next, r.championFile()); err != nil {
		return errors.Join(err, undo(), os.Remove(next))
	}
	return syncDir(r.dir)
}

// short is the beginning of a digest, for messages.
func short(digest string) string { return fmt.Sprintf("%.12s", digest) }
