package bundle_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
)

// TestRenew lets a statement expire and writes another one for the same bundle.
func TestRenew(t *testing.T) {
	dir, key, _, d := released(t)
	public, err := key.Public()
	must(t, err)
	r := bundle.NewRegistry(dir)
	seen, err := bundle.OpenSeen(filepath.Join(t.TempDir(), "seen"))
	must(t, err)
	later := night.Add(49 * time.Hour)
	p := bundle.Policy{Keys: []*bundle.PublicKey{public}, Seen: seen, Now: later}
	if _, err := r.Open(bundle.ChampionRef, p); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "expired at") {
		t.Fatalf("after two days: %v", err)
	}
	o, err := r.Renew(bundle.Decision{Reason: "it stays", At: later, Key: key, NotAfter: later.Add(time.Hour), Expect: d[1]})
	if err != nil || !o.Changed || o.Digest != d[1] || o.Before != d[1] || o.Sequence != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	if b, err := r.Open(bundle.ChampionRef, p); err != nil || b.Digest() != d[1] {
		t.Fatalf("renewed: %v", err)
	}
	now, by, err := r.Release(bundle.ChampionRef, public)
	if err != nil || now.Action != bundle.Renew || now.Sequence != 3 || by == nil || by.Hint() != public.Hint() {
		t.Errorf("%+v, %v, %v", now, by, err)
	}
	// A rollback after it goes back to what was promoted before, not to before the renewal.
	if o, err := r.Rollback(bundle.Decision{At: later, Key: key}); err != nil || o.Digest != d[0] || o.Sequence != 4 {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := r.Renew(bundle.Decision{Alias: "canary", At: later}); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("renewal of nothing: %v", err)
	}
	_, stranger := newKey(t, "P-256")
	if _, err := r.Renew(bundle.Decision{At: later, Trusted: []*bundle.PublicKey{stranger}}); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("a bundle that nobody trusted has signed: %v", err)
	}
}

// TestSeenIsShared has two loaders with one file: what one of them followed, the other
// does not undo, although it read the file before.
func TestSeenIsShared(t *testing.T) {
	dir, _, after, d := released(t)
	file := filepath.Join(t.TempDir(), "seen")
	fast, err := bundle.OpenSeen(file)
	must(t, err)
	slow, err := bundle.OpenSeen(file)
	must(t, err)
	_, err = bundle.NewRegistry(dir).Open(bundle.ChampionRef, bundle.Policy{Seen: fast})
	must(t, err)
	if _, err := bundle.NewRegistry(after[0]).Open(bundle.ChampionRef, bundle.Policy{Seen: slow}); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "handed in again") {
		t.Errorf("the slow one follows yesterday's: %v", err)
	}
	// An override is in force until a later release than ever comes.
	if o := fast.InForce(); len(o) != 0 {
		t.Errorf("in force %v", o)
	}
	must(t, fast.Override(bundle.ChampionRef, 1, "drill", night))
	if o := fast.InForce(); len(o) != 1 || o[0].Before != 2 || o[0].Sequence != 1 {
		t.Errorf("in force %v", o)
	}
	b, err := bundle.NewRegistry(after[0]).Open(bundle.ChampionRef, bundle.Policy{Seen: fast})
	if err != nil || b.Digest() != d[0] || len(fast.InForce()) != 1 {
		t.Errorf("after the override: %v, in force %v", err, fast.InForce())
	}
	_, err = bundle.NewRegistry(dir).Open(bundle.ChampionRef, bundle.Policy{Seen: fast})
	must(t, err)
	if o := fast.InForce(); len(o) != 0 || len(fast.Overrides()) != 1 {
		t.Errorf("in force %v of %v", o, fast.Overrides())
	}
}

// TestAliasIsGone removes the journal and the files of aliases: a loader that followed one
// does not take a folder of its name.
func TestAliasIsGone(t *testing.T) {
	dir, _, _, d := released(t)
	r := bundle.NewRegistry(dir)
	_, err := r.Promote(d[0], bundle.Decision{Alias: "canary", At: night})
	must(t, err)
	seen, err := bundle.OpenSeen(filepath.Join(t.TempDir(), "seen"))
	must(t, err)
	_, err = r.Open("canary", bundle.Policy{Seen: seen})
	must(t, err)
	must(t, os.Remove(filepath.Join(dir, "journal.jsonl")))
	must(t, os.Remove(filepath.Join(dir, "champion")))
	must(t, os.RemoveAll(filepath.Join(dir, "aliases")))
	t.Chdir(t.TempDir())
	must(t, os.CopyFS("canary", os.DirFS(filepath.Join(dir, "bundles", d[1]))))
	if _, err := r.Open("canary", bundle.Policy{Seen: seen}); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "followed release 1") {
		t.Errorf("%v", err)
	}
	if _, err := r.Open("canary", bundle.Policy{}); err != nil {
		t.Errorf("without a state it is a folder: %v", err)
	}
}

// TestAccept refuses a bundle after all else: nothing is remembered of it.
func TestAccept(t *testing.T) {
	dir, _, _, d := released(t)
	file := filepath.Join(t.TempDir(), "seen")
	seen, err := bundle.OpenSeen(file)
	must(t, err)
	why := errors.New("a golden case comes out otherwise")
	p := bundle.Policy{Seen: seen, Accept: func(b *bundle.Bundle) error {
		if b.Digest() != d[1] {
			t.Errorf("asked about %s", b.Digest())
		}
		return why
	}}
	if _, err := bundle.NewRegistry(dir).Open(bundle.ChampionRef, p); !errors.Is(err, why) || seen.Sequence(bundle.ChampionRef) != 0 {
		t.Errorf("%v, followed %d", err, seen.Sequence(bundle.ChampionRef))
	}
}

// TestAttestations go with a bundle into a registry and out of it; those of another one
// do not.
func TestAttestations(t *testing.T) {
	key, public := newKey(t, "P-256")
	_, stranger := newKey(t, "P-256")
	dir := filepath.Join(t.TempDir(), "b")
	m := manifest()
	made, err := bundle.Create(dir, m, files()[:2])
	must(t, err)
	data, err := made.Attest("https://example.com/origin", []byte(`{"from":"here"}`), key)
	must(t, err)
	kind, predicate, by, err := made.VerifyAttestation(data, stranger, public)
	if err != nil || kind != "https://example.com/origin" || string(predicate) != `{"from":"here"}` || by.Hint() != public.Hint() {
		t.Errorf("%s, %s, %v, %v", kind, predicate, by, err)
	}
	unsigned, err := made.Attest("https://example.com/origin", []byte(`{}`), nil)
	must(t, err)
	if _, _, _, err := made.VerifyAttestation(unsigned); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]struct {
		b    *bundle.Bundle
		data []byte
		key  *bundle.PublicKey
	}{
		"a stranger's key": {made, data, stranger}, "unsigned": {made, unsigned, public}, "another bundle": {newBundle(t, "z"), data, public},
		"a changed predicate": {made, []byte(strings.Replace(string(data), `"payload":"eyJ`, `"payload":"eyK`, 1)), public}, "no JSON": {made, []byte("{"), public},
	} {
		if _, _, _, err := c.b.VerifyAttestation(c.data, c.key); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, bundle.WriteAttestation(dir, "origin.intoto.json", data))
	must(t, bundle.WriteAttestation(dir, "materials.json", []byte("{}\n")))
	for _, bad := range []string{"", "a/b", "../b", ".hidden"} {
		if err := bundle.WriteAttestation(dir, bad, nil); err == nil {
			t.Errorf("name %q is taken", bad)
		}
	}
	b, err := bundle.Open(dir, bundle.Policy{})
	must(t, err)
	registry := filepath.Join(t.TempDir(), "registry")
	r := bundle.NewRegistry(registry)
	must(t, r.Add(b, "nightly", night))
	there := filepath.Join(registry, "bundles", b.Digest())
	if all, err := bundle.Attestations(there); err != nil || len(all) != 2 || string(all["origin.intoto.json"]) != string(data) {
		t.Errorf("%d attestations, %v", len(all), err)
	}
	// What lies beside it is of another bundle.
	m.BundleVersion = "other"
	_, err = bundle.Replace(dir, m, files()[:2])
	must(t, err)
	other, err := bundle.Open(dir, bundle.Policy{})
	must(t, err)
	must(t, r.Add(other, "nightly", night))
	if all, err := bundle.Attestations(filepath.Join(registry, "bundles", other.Digest())); err != nil || len(all) != 0 {
		t.Errorf("%d attestations of another bundle, %v", len(all), err)
	}
	_, err = r.Collect(bundle.Retention{}, false, night)
	must(t, err)
	if left, err := os.ReadDir(filepath.Join(registry, "bundles")); err != nil || len(left) != 0 {
		t.Errorf("%d left, %v", len(left), err)
	}
}
