package bundle_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/lock"
	"pgregory.net/rapid"
)

var night = time.Date(2019, 7, 29, 3, 0, 0, 0, time.FixedZone("", 7200))

// newBundle returns a bundle with few small files, in memory.
func newBundle(t testing.TB, version string) *bundle.Bundle {
	t.Helper()
	m := manifest()
	m.BundleVersion = version
	b, err := bundle.New(m, files()[:2])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seeded returns a registry to which the versions were added, and promoted in order.
func seeded(t testing.TB, versions ...string) (r *bundle.Registry, dir string, digests []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "registry")
	r = bundle.NewRegistry(dir)
	for _, v := range versions {
		b := newBundle(t, v)
		must(t, r.Add(b, "nightly", night))
		must(t, promote(r, b.Digest(), "better"))
		digests = append(digests, b.Digest())
	}
	return r, dir, digests
}

// promote and rollback decide about the champion, whatever it is.
func promote(r *bundle.Registry, digest, reason string) error {
	_, err := r.Promote(digest, bundle.Decision{Reason: reason, At: night})
	return err
}

func rollback(r *bundle.Registry, reason string) (string, error) {
	o, err := r.Rollback(bundle.Decision{Reason: reason, At: night})
	return o.Digest, err
}

func TestEmptyRegistry(t *testing.T) {
	r := bundle.NewRegistry(filepath.Join(t.TempDir(), "none"))
	if _, err := r.Champion(); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("champion: %v", err)
	}
	if l, err := r.List(); err != nil || len(l) != 0 {
		t.Errorf("list: %v, %v", l, err)
	}
	if h, err := r.History(); err != nil || len(h) != 0 {
		t.Errorf("history: %v, %v", h, err)
	}
	if _, err := rollback(r, ""); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("rollback: %v", err)
	}
	if err := promote(r, strings.Repeat("0", 64), ""); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("promote: %v", err)
	}
	for _, ref := range []string{"champion", "01234567", "no/such/folder", ""} {
		if _, err := r.Resolve(ref); !errors.Is(err, bundle.ErrNotFound) {
			t.Errorf("resolve %q: %v", ref, err)
		}
	}
}

func TestPromoteRefuseRollback(t *testing.T) {
	r, dir, d := seeded(t, "a", "b")
	must(t, promote(r, d[1], "again")) // nothing to do
	refused := strings.Repeat("f", 64)
	must(t, r.Refuse(refused, "wape 0.4 > 0.3\nby far", night))
	if got, err := r.Champion(); err != nil || got != d[1] {
		t.Errorf("champion %s, %v; want %s", got, err, d[1])
	}
	if got, err := rollback(r, "incident"); err != nil || got != d[0] {
		t.Errorf("rollback to %s, %v; want %s", got, err, d[0])
	}
	pointer, err := os.ReadFile(filepath.Join(dir, "champion"))
	if err != nil || string(pointer) != d[0]+"\n" {
		t.Errorf("champion file %q, %v", pointer, err)
	}
	if _, err := rollback(r, ""); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("second rollback: %v", err)
	}
	must(t, promote(r, d[1], "fixed"))
	h, err := r.History()
	must(t, err)
	var got []string
	for i, e := range h {
		got = append(got, fmt.Sprintf("%s %.4s", e.Action, e.Digest))
		if e.Seq != i+1 || e.Time != "2019-07-29T01:00:00Z" || i > 0 && e.Prev != h[i-1].Hash {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	want := []string{"import " + d[0][:4], "promote " + d[0][:4], "import " + d[1][:4], "promote " + d[1][:4],
		"refuse ffff", "rollback " + d[0][:4], "promote " + d[1][:4]}
	if !slices.Equal(got, want) {
		t.Errorf("history %v, want %v", got, want)
	}
	l, err := r.List()
	if err != nil || len(l) != 2 || l[0].Champion || !l[1].Champion || l[1].BundleVersion != "b" || l[1].Files != 2 || l[1].Problem != "" {
		t.Errorf("list %+v, %v", l, err)
	}
}

func TestResolve(t *testing.T) {
	r, dir, d := seeded(t, "a", "b")
	_, folder := create(t, "c")
	for ref, want := range map[string]string{
		"champion": d[1], d[0]: d[0], d[0][:8]: d[0], "sha256:" + d[0][:10]: d[0], "sha256:" + d[1]: d[1], filepath.Join(dir, "bundles", d[0]): d[0],
	} {
		if got, err := r.Resolve(ref); err != nil || got != filepath.Join(dir, "bundles", want) {
			t.Errorf("%s: %s, %v", ref, got, err)
		}
		if b, err := r.Open(ref, bundle.Policy{}); err != nil || b.Digest() != want {
			t.Errorf("open %s: %v", ref, err)
		}
	}
	if b, err := r.Open(folder, bundle.Policy{}); err != nil || b.Manifest().BundleVersion != "c" {
		t.Errorf("open %s: %v", folder, err)
	}
	if _, err := r.Resolve(d[0][:7]); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("7 digits: %v", err)
	}
	twin := d[0][:63] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", d[0][63])+1)%16])
	must(t, os.Mkdir(filepath.Join(dir, "bundles", twin), 0o755))
	if _, err := r.Resolve(d[0][:20]); err == nil || errors.Is(err, bundle.ErrNotFound) || !strings.Contains(err.Error(), twin) {
		t.Errorf("ambiguous prefix: %v", err)
	}
}

func TestAddVerifiesAndLeavesNothingBehind(t *testing.T) {
	r, dir, d := seeded(t, "a")
	must(t, r.Add(newBundle(t, "a"), "again", night)) // nothing to do
	h, err := r.History()
	if err != nil || len(h) != 2 {
		t.Errorf("history after adding twice: %v, %v", h, err)
	}
	// A copy that was damaged since is reported, not trusted or papered over.
	name := filepath.Join(dir, "bundles", d[0], "priority.json")
	write(t, name, []byte("{}"))
	for what, err := range map[string]error{
		"add":     r.Add(newBundle(t, "a"), "", night),
		"promote": promote(r, d[0], ""),
	} {
		if !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s of a damaged bundle: %v", what, err)
		}
	}
	if l, err := r.List(); err != nil || l[0].Problem == "" {
		t.Errorf("list of a damaged bundle: %+v, %v", l, err)
	}

	// The journal cannot be written: the copy made before is taken away again.
	dir = filepath.Join(t.TempDir(), "registry")
	r = bundle.NewRegistry(dir)
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.Symlink("absent/journal", filepath.Join(dir, "journal.jsonl")))
	b := newBundle(t, "b")
	if err := r.Add(b, "", night); err == nil {
		t.Fatal("add without a journal: no error")
	}
	if left, err := os.ReadDir(filepath.Join(dir, "bundles")); err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	must(t, os.Remove(filepath.Join(dir, "journal.jsonl")))

	// The folder of bundles cannot be made: no entry is written.
	must(t, os.RemoveAll(filepath.Join(dir, "bundles")))
	write(t, filepath.Join(dir, "bundles"), nil)
	if err := r.Add(b, "", night); err == nil {
		t.Fatal("add without a folder: no error")
	}
	if h, err := r.History(); err != nil || len(h) != 0 {
		t.Errorf("history: %v, %v", h, err)
	}
	must(t, os.Remove(filepath.Join(dir, "bundles")))

	// What a writer that died left is cleaned up.
	must(t, os.MkdirAll(filepath.Join(dir, "bundles", ".bundle-123"), 0o755))
	must(t, r.Add(b, "", night))
	if left, err := os.ReadDir(filepath.Join(dir, "bundles")); err != nil || len(left) != 1 {
		t.Errorf("bundles: %v, %v", left, err)
	}
}

func TestPromoteOfASwappedFolder(t *testing.T) {
	r, dir, d := seeded(t, "a", "b")
	must(t, os.RemoveAll(filepath.Join(dir, "bundles", d[0])))
	if _, err := rollback(r, ""); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("rollback to a bundle that is gone: %v", err)
	}
	must(t, os.Rename(filepath.Join(dir, "bundles", d[1]), filepath.Join(dir, "bundles", d[0])))
	if _, err := rollback(r, ""); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("rollback to another bundle's content: %v", err)
	}
	if _, err := r.Open(d[0], bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("open of another bundle's content: %v", err)
	}
	if got, err := r.Champion(); err != nil || got != d[1] {
		t.Errorf("champion %s, %v", got, err)
	}
}

// TestHistoryFindsTampering changes every byte of the journal in turn, then lines.
func TestHistoryFindsTampering(t *testing.T) {
	r, dir, d := seeded(t, "a", "b")
	must(t, r.Refuse(strings.Repeat("f", 64), "no", night))
	name := filepath.Join(dir, "journal.jsonl")
	good, err := os.ReadFile(name)
	must(t, err)
	expect := func(what string, data []byte) {
		t.Helper()
		write(t, name, data)
		if _, err := r.History(); !errors.Is(err, bundle.ErrIntegrity) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1 << (i % 8)
		expect(fmt.Sprintf("byte %d", i), bad)
	}
	lines := bytes.SplitAfter(good, []byte("\n"))
	lines = lines[:len(lines)-1]
	for i := range lines {
		if i < len(lines)-1 { // the refusal at the end changes no state; see below
			expect(fmt.Sprintf("line %d removed", i+1), slices.Concat(slices.Concat(lines[:i]...), slices.Concat(lines[i+1:]...)))
			swapped := slices.Clone(lines)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			expect(fmt.Sprintf("lines %d and %d swapped", i+1, i+2), slices.Concat(swapped...))
		}
		expect(fmt.Sprintf("line %d repeated", i+1), slices.Concat(slices.Concat(lines[:i+1]...), lines[i], slices.Concat(lines[i+1:]...)))
	}
	expect("an empty line", append(slices.Clone(good), '\n'))
	expect("no last promotion", slices.Concat(lines[:3]...))
	expect("no journal", nil)
	for _, err := range []error{promote(r, d[0], ""), r.Refuse(d[0], "", night), r.Add(newBundle(t, "c"), "", night)} {
		if !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("a write on a broken journal: %v", err)
		}
	}
	write(t, name, good)
	for _, champion := range []string{"", d[0] + "\n", d[1], strings.ToUpper(d[1]) + "\n", "../x\n"} {
		write(t, filepath.Join(dir, "champion"), []byte(champion))
		if _, err := r.Champion(); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("champion file %q: %v", champion, err)
		}
	}
}

// TestCrashes puts the registry in each state that a crash can leave.
func TestCrashes(t *testing.T) {
	r, dir, d := seeded(t, "a", "b")
	journal, champion := filepath.Join(dir, "journal.jsonl"), filepath.Join(dir, "champion")
	good, err := os.ReadFile(journal)
	must(t, err)

	// After the entry, before the champion file: the journal decides, and the next writer
	// puts the file right.
	write(t, champion, []byte(d[0]+"\n"))
	write(t, filepath.Join(dir, ".champion.next"), []byte(d[1][:5]))
	if got, err := r.Champion(); err != nil || got != d[1] {
		t.Errorf("champion %s, %v; want %s", got, err, d[1])
	}
	must(t, r.Refuse(strings.Repeat("f", 64), "", night))
	if data, _ := os.ReadFile(champion); string(data) != d[1]+"\n" {
		t.Errorf("champion file %q after the next write", data)
	}

	// In the middle of an entry: it does not count, and the next writer overwrites it.
	full, err := os.ReadFile(journal)
	must(t, err)
	for cut := len(good); cut < len(full); cut++ {
		write(t, journal, full[:cut])
		h, err := r.History()
		want := 4
		if cut == len(full)-1 {
			want = 5 // only the newline is missing
		}
		if err != nil || len(h) != want {
			t.Fatalf("cut at %d: %d entries, %v; want %d", cut-len(good), len(h), err, want)
		}
		if cut%97 == 0 || cut == len(full)-1 {
			must(t, r.Refuse(strings.Repeat("e", 64), "", night))
			if h, err := r.History(); err != nil || len(h) != want+1 {
				t.Fatalf("cut at %d, then a write: %d entries, %v", cut-len(good), len(h), err)
			}
		}
	}
}

func TestLocked(t *testing.T) {
	r, dir, d := seeded(t, "a", "b")
	unlock, err := lock.Take(filepath.Join(dir, "lock"))
	must(t, err)
	for what, err := range map[string]error{
		"add":     r.Add(newBundle(t, "c"), "", night),
		"promote": promote(r, d[0], ""),
		"refuse":  r.Refuse(d[0], "", night),
		"rollback": func() error {
			_, err := rollback(r, "")
			return err
		}(),
	} {
		if !errors.Is(err, bundle.ErrLocked) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := r.Champion(); err != nil || got != d[1] {
		t.Errorf("a reader was kept out: %s, %v", got, err)
	}
	must(t, unlock())
	must(t, promote(r, d[0], ""))
}

func TestConcurrentPromotions(t *testing.T) {
	_, dir, d := seeded(t, "a", "b", "c")
	start, err := bundle.NewRegistry(dir).History()
	must(t, err)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	counts := make([]int, 4)
	for w := range counts {
		writers.Go(func() {
			r := bundle.NewRegistry(dir)
			for i := range 10 {
				err := promote(r, d[(w+i)%3], fmt.Sprint(w, i))
				if err == nil {
					counts[w]++
				} else if !errors.Is(err, bundle.ErrLocked) {
					t.Errorf("promote: %v", err)
				}
			}
		})
	}
	readers.Go(func() {
		r := bundle.NewRegistry(dir)
		for {
			select {
			case <-done:
				return
			default:
			}
			if c, err := r.Champion(); err != nil || !slices.Contains(d, c) {
				t.Errorf("champion while others write: %s, %v", c, err)
				return
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	r := bundle.NewRegistry(dir)
	h, err := r.History()
	must(t, err)
	c, err := r.Champion()
	must(t, err)
	if last := h[len(h)-1]; last.Digest != c {
		t.Errorf("champion %s, last promotion %s", c, last.Digest)
	}
	succeeded := counts[0] + counts[1] + counts[2] + counts[3]
	if n := len(h) - len(start); n > succeeded || succeeded == 0 {
		t.Errorf("%d entries for %d promotions that returned no error", n, succeeded)
	}
}

// TestRegistryAgainstModel compares random sequences of operations with a list in memory.
func TestRegistryAgainstModel(t *testing.T) {
	bundles := make([]*bundle.Bundle, 4)
	for i := range bundles {
		bundles[i] = newBundle(t, fmt.Sprint(i))
	}
	// Every operation waits for the disk several times, so fewer sequences than usual.
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	must(t, checks.Value.Set("25"))
	t.Cleanup(func() { must(t, checks.Value.Set(before)) })
	parent := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		r := bundle.NewRegistry(filepath.Join(parent, fmt.Sprint(run)))
		added, refused := map[string]bool{}, map[string]bool{}
		var reign []string
		actions := 0
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			b := bundles[rapid.IntRange(0, len(bundles)-1).Draw(t, "bundle")]
			d := b.Digest()
			switch rapid.SampledFrom([]string{"add", "promote", "promote", "rollback", "refuse"}).Draw(t, "operation") {
			case "add":
				if err := r.Add(b, "", night); err != nil {
					t.Fatal(err)
				}
				if !added[d] {
					actions++
				}
				added[d] = true
			case "promote":
				err := promote(r, d, "")
				if !added[d] {
					if !errors.Is(err, bundle.ErrNotFound) {
						t.Fatalf("promote of what was not added: %v", err)
					}
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if len(reign) == 0 || reign[len(reign)-1] != d {
					delete(refused, d)
					reign = append(reign, d)
					actions++
				}
			case "rollback":
				got, err := rollback(r, "")
				if len(reign) < 2 {
					if !errors.Is(err, bundle.ErrNotFound) {
						t.Fatalf("rollback to nothing: %v", err)
					}
					break
				}
				reign = reign[:len(reign)-1]
				actions++
				if err != nil || got != reign[len(reign)-1] {
					t.Fatalf("rollback to %s, %v; want %s", got, err, reign[len(reign)-1])
				}
			case "refuse":
				if err := r.Refuse(d, "", night); err != nil {
					t.Fatal(err)
				}
				if !refused[d] {
					actions++ // once
				}
				refused[d] = true
			}
			got, err := r.Champion()
			if len(reign) == 0 {
				if !errors.Is(err, bundle.ErrNotFound) {
					t.Fatalf("champion %s, %v; want none", got, err)
				}
			} else if err != nil || got != reign[len(reign)-1] {
				t.Fatalf("champion %s, %v; want %s", got, err, reign[len(reign)-1])
			}
			h, err := r.History()
			if err != nil || len(h) != actions {
				t.Fatalf("%d entries, %v; want %d", len(h), err, actions)
			}
		}
	})
}
