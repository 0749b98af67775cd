package bundle_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
)

// released returns a registry in which a was promoted, then b, both signed, with copies
// of the whole registry after each.
func released(t *testing.T) (dir string, key *bundle.PrivateKey, after [2]string, digests [2]string) {
	t.Helper()
	key, _ = newKey(t, "P-256")
	dir = filepath.Join(t.TempDir(), "registry")
	r := bundle.NewRegistry(dir)
	for i, v := range []string{"a", "b"} {
		b := newBundle(t, v)
		must(t, r.Add(b, "nightly", night))
		digests[i] = b.Digest()
		_, err := b.WriteSignature(filepath.Join(dir, "bundles", b.Digest()), key)
		must(t, err)
		_, err = r.Promote(b.Digest(), bundle.Decision{Reason: "better", At: night, By: "the night", Key: key, NotAfter: night.Add(48 * time.Hour)})
		must(t, err)
		after[i] = filepath.Join(t.TempDir(), "copy")
		must(t, os.CopyFS(after[i], os.DirFS(dir)))
	}
	return dir, key, after, digests
}

// restore puts an earlier copy in the place of a registry.
func restore(t *testing.T, dir, copied string) {
	t.Helper()
	must(t, os.RemoveAll(dir))
	must(t, os.CopyFS(dir, os.DirFS(copied)))
}

// TestLoaderFollowsReleases attacks a loader that has a state of its own.
func TestLoaderFollowsReleases(t *testing.T) {
	dir, key, after, d := released(t)
	public, err := key.Public()
	must(t, err)
	r := bundle.NewRegistry(dir)
	file := filepath.Join(t.TempDir(), "seen.json")
	load := func(at time.Time) (string, error) {
		t.Helper()
		s, err := bundle.OpenSeen(file) // as a loader that was started again
		must(t, err)
		b, err := r.Open(bundle.ChampionRef, bundle.Policy{Keys: []*bundle.PublicKey{public}, Seen: s, Now: at})
		if err != nil {
			return "", err
		}
		return b.Digest(), nil
	}
	refused := func(what, why string) {
		t.Helper()
		if _, err := load(night); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, expected %q", what, err, why)
		}
	}
	if got, err := load(night); err != nil || got != d[1] {
		t.Fatalf("loads %s, %v", got, err)
	}
	if _, err := load(night.Add(49 * time.Hour)); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after two days: %v", err)
	}

	// The whole registry of yesterday: consistent, signed, and old.
	restore(t, dir, after[0])
	refused("yesterday's registry", "handed in again")
	// Another decision of the same number, by somebody with the key and an old copy.
	_, err = r.Promote(d[0], bundle.Decision{At: night, Key: key})
	must(t, err) // it is the champion: nothing to do
	b := newBundle(t, "c")
	must(t, r.Add(b, "", night))
	_, err = b.WriteSignature(filepath.Join(dir, "bundles", b.Digest()), key)
	must(t, err)
	_, err = r.Promote(b.Digest(), bundle.Decision{At: night, Key: key})
	must(t, err)
	refused("a fork", "another than the one")
	// Nothing at all.
	restore(t, dir, after[1])
	must(t, os.Remove(filepath.Join(dir, "journal.jsonl")))
	must(t, os.Remove(filepath.Join(dir, "champion")))
	refused("no journal and no champion", "followed release 2")
	// The statement is gone, or another one's.
	restore(t, dir, after[1])
	statements := filepath.Join(dir, "releases", "champion")
	first, err := os.ReadFile(filepath.Join(statements, "00000001.json"))
	must(t, err)
	second, err := os.ReadFile(filepath.Join(statements, "00000002.json"))
	must(t, err)
	write(t, filepath.Join(statements, "00000002.json"), first)
	refused("the first statement as the second", "the journal has")
	must(t, os.Remove(filepath.Join(statements, "00000002.json")))
	refused("no statement", "00000002.json")
	// Not signed, or by somebody else.
	sig := second[bytes.Index(second, []byte(`"signatures"`)):]
	write(t, filepath.Join(statements, "00000002.json"), []byte(strings.Replace(string(second), string(sig), `"signatures":[]}`, 1)))
	refused("a statement without its signature", "is not signed by the trusted key")
	restore(t, dir, after[1])
	if got, err := load(night); err != nil || got != d[1] {
		t.Fatalf("after all that it loads %s, %v", got, err)
	}

	// A rollback has a higher number, and is followed.
	_, err = r.Rollback(bundle.Decision{At: night, Reason: "regression", Key: key})
	must(t, err)
	if got, err := load(night); err != nil || got != d[0] {
		t.Fatalf("after a rollback it loads %s, %v", got, err)
	}
	restore(t, dir, after[1])
	refused("the registry of before the rollback", "followed 3 already")

	// The operator may say otherwise, in the loader's own state.
	seen, err := bundle.OpenSeen(file)
	must(t, err)
	must(t, seen.Override(bundle.ChampionRef, 2, "drill", night))
	if got, err := load(night); err != nil || got != d[1] {
		t.Fatalf("after an override it loads %s, %v", got, err)
	}
	seen, err = bundle.OpenSeen(file)
	must(t, err)
	if o := seen.Overrides(); len(o) != 1 || o[0].Reason != "drill" || o[0].Sequence != 2 {
		t.Errorf("overrides %+v", o)
	}
	write(t, file, []byte(`{"aliases":{}, "aliases":{}}`))
	if _, err := bundle.OpenSeen(file); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("a damaged state: %v", err)
	}
}

// TestAnchor keeps the head of a journal elsewhere, and rewrites the registry.
func TestAnchor(t *testing.T) {
	dir, _, after, _ := released(t)
	r := bundle.NewRegistry(dir)
	anchor, err := r.Anchor()
	must(t, err)
	must(t, r.Refuse(strings.Repeat("f", 64), "worse", night))
	if since, err := r.VerifyAnchor(anchor); err != nil || since != 1 {
		t.Errorf("%d entries since, %v", since, err)
	}
	restore(t, dir, after[0])
	if _, err := r.VerifyAnchor(anchor); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "cut") {
		t.Errorf("a cut journal with the champion set back: %v", err)
	}
	_, other, _ := seeded(t, "x", "y", "z")
	restore(t, dir, other)
	if _, err := r.VerifyAnchor(anchor); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("another journal: %v", err)
	}
	must(t, os.RemoveAll(dir))
	if _, err := r.VerifyAnchor(anchor); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("no journal: %v", err)
	}
	restore(t, dir, after[1])
	must(t, os.Remove(filepath.Join(dir, "releases", "champion", "00000001.json")))
	if _, err := r.VerifyAnchor(anchor); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("a statement is gone: %v", err)
	}
	for _, bad := range []string{"", "7", "x:" + strings.Repeat("0", 64), "-1:" + strings.Repeat("0", 64), "1:ff"} {
		if _, err := r.VerifyAnchor(bad); err == nil || errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("anchor %q: %v", bad, err)
		}
	}
}

// TestCollect removes what nothing needs, and remembers it.
func TestCollect(t *testing.T) {
	r, dir, d := seeded(t, "a", "b", "c", "d", "e")
	for _, want := range []struct {
		keep    bundle.Retention
		removed int
	}{{bundle.Retention{Last: 5}, 0}, {bundle.Retention{Last: 3}, 2}, {bundle.Retention{}, 3}, {bundle.Retention{Daily: 7, Weekly: 4}, 3}} {
		c, err := r.Collect(want.keep, true, night)
		if err != nil || len(c.Removed) != want.removed || len(c.Kept)+len(c.Removed) != 5 {
			t.Errorf("%+v: %+v, %v", want.keep, c, err)
		}
	}
	if l, err := r.List(); err != nil || len(l) != 5 {
		t.Errorf("a dry run left %d bundles, %v", len(l), err)
	}
	c, err := r.Collect(bundle.Retention{}, false, night)
	must(t, err)
	if len(c.Removed) != 3 || c.Kept[0].Why[0] != "rollback of champion" || c.Kept[1].Why[0] != "champion" {
		t.Errorf("%+v", c)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "bundles")); err != nil || len(left) != 2 {
		t.Errorf("%d folders, %v", len(left), err)
	}
	for _, name := range []string{d[0], d[0][:8]} {
		if _, err := r.Open(name, bundle.Policy{}); !errors.Is(err, bundle.ErrNotFound) || !strings.Contains(err.Error(), "collected at") {
			t.Errorf("open of a collected bundle: %v", err)
		}
	}
	if _, err := rollback(r, ""); err != nil {
		t.Error(err)
	}
	if _, err := rollback(r, ""); !errors.Is(err, bundle.ErrNotFound) || !strings.Contains(err.Error(), "collected at") {
		t.Errorf("rollback to a collected bundle: %v", err)
	}
	must(t, r.Add(newBundle(t, "a"), "again", night))
	must(t, promote(r, d[0], "again"))
	if h, err := r.History(); err != nil || len(h) != 16 {
		t.Errorf("%d entries, %v", len(h), err)
	}
}
