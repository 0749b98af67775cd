package bundle_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
)

// errKilled stands for a process that died: nothing that it wanted to do comes after.
var errKilled = errors.New("killed")

// fastDir is a folder in memory where there is one: these tests wait for the disk a
// hundred thousand times, and prove nothing about disks.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bundle-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// An operation is what a person or a nightly job does to a registry, as one that may be
// tried again.
type operation struct {
	name string
	do   func(r *bundle.Registry, before func(step, name string) error) error
}

// TestFaults makes every step of every operation fail in every way, or the process die
// before it: the registry stays readable, no alias points to nothing, the second try
// leads to where an undisturbed first one leads, and nothing else is left.
func TestFaults(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 7 // a part of the points
	}
	versions := []*bundle.Bundle{newBundle(t, "a"), newBundle(t, "b"), newBundle(t, "c"), newBundle(t, "d"), newBundle(t, "e"), newBundle(t, "f")}
	key, _ := newKey(t, "P-256")
	seed := func(dir string) {
		r := bundle.NewRegistry(dir)
		for _, b := range versions[:2] {
			must(t, r.Add(b, "nightly", night))
			_, err := r.Promote(b.Digest(), bundle.Decision{Reason: "better", At: night, Key: key})
			must(t, err)
		}
		_, err := r.Promote(versions[0].Digest(), bundle.Decision{Alias: "canary", At: night, Key: key})
		must(t, err)
		for _, b := range versions[3:] {
			must(t, r.Add(b, "nightly", night))
		}
	}
	later := night.Add(time.Hour)
	decide := func(alias, expect string) bundle.Decision {
		return bundle.Decision{Alias: alias, Reason: "drill", At: later, Expect: expect, Key: key}
	}
	a, b, c := versions[0].Digest(), versions[1].Digest(), versions[2].Digest()
	operations := []operation{
		{"add", func(r *bundle.Registry, f func(string, string) error) error {
			return r.Before(f).Add(versions[2], "nightly", later)
		}},
		{"promote", func(r *bundle.Registry, f func(string, string) error) error {
			if err := r.Before(f).Add(versions[2], "nightly", later); err != nil {
				return err
			}
			_, err := r.Before(f).Promote(c, decide("", b))
			return err
		}},
		{"promote an alias", func(r *bundle.Registry, f func(string, string) error) error {
			_, err := r.Before(f).Promote(b, decide("canary", a))
			return err
		}},
		{"first of an alias", func(r *bundle.Registry, f func(string, string) error) error {
			_, err := r.Before(f).Promote(b, decide("region", bundle.NoChampion))
			return err
		}},
		{"rollback", func(r *bundle.Registry, f func(string, string) error) error {
			_, err := r.Before(f).Rollback(decide("", b))
			return err
		}},
		{"renew", func(r *bundle.Registry, f func(string, string) error) error {
			if now, _, err := r.Release(bundle.ChampionRef); err == nil && now.Action == bundle.Renew {
				return nil // the first try holds
			}
			_, err := r.Before(f).Renew(decide("", b))
			return err
		}},
		{"refuse", func(r *bundle.Registry, f func(string, string) error) error {
			return r.Before(f).Refuse(strings.Repeat("f", 64), "worse", later)
		}},
		{"collect", func(r *bundle.Registry, f func(string, string) error) error {
			_, err := r.Before(f).Collect(bundle.Retention{}, false, later)
			return err
		}},
		{"sign", func(r *bundle.Registry, f func(string, string) error) error {
			dir, err := r.Resolve(b)
			if err != nil {
				return err
			}
			return bundle.WriteSignatureBefore(versions[1], dir, key, f)
		}},
	}
	// What lies beside a bundle where it was made goes along.
	beside := filepath.Join(fastDir(t), "candidate")
	made, err := bundle.Create(beside, versions[2].Manifest(), files()[:2])
	must(t, err)
	_, err = made.WriteSignature(beside, key)
	must(t, err)
	origin, err := made.Attest("https://example.com/origin", []byte(`{}`), key)
	must(t, err)
	must(t, bundle.WriteAttestation(beside, "origin.intoto.json", origin))
	must(t, bundle.WriteAttestation(beside, "materials.json", []byte("{}")))
	candidate, err := bundle.Open(beside, bundle.Policy{})
	must(t, err)
	operations = append(operations, operation{"add with what lies beside", func(r *bundle.Registry, f func(string, string) error) error {
		return r.Before(f).Add(candidate, "nightly", later)
	}})
	points, kinds := 0, map[string]int{}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			root := fastDir(t)
			fresh := func(name string) (*bundle.Registry, string) {
				dir := filepath.Join(root, name)
				must(t, os.RemoveAll(dir))
				seed(dir)
				return bundle.NewRegistry(dir), dir
			}
			r, dir := fresh("undisturbed")
			steps := 0
			must(t, op.do(r, func(string, string) error { steps++; return nil }))
			finish(t, r, later)
			want := listing(t, dir)
			for k := 0; k < steps; k += stride {
				for _, fault := range []struct {
					err   error
					times int // how many steps fail from k on
				}{{errKilled, 1 << 30}, {syscall.EIO, 1}, {syscall.ENOSPC, 1 << 30}, {syscall.ENOSPC, 1}, {syscall.EIO, 2}, {syscall.EMFILE, 2}, {syscall.EINTR, 1}} {
					points++
					kinds[fault.err.Error()]++
					what := fmt.Sprintf("%s, step %d, %v x %d", op.name, k, fault.err, fault.times)
					r, dir := fresh("disturbed")
					n := 0
					err := op.do(r, func(string, string) error {
						n++
						if n > k && n <= k+fault.times {
							return fault.err
						}
						return nil
					})
					if err == nil {
						t.Fatalf("%s: no error", what)
					}
					if !errors.Is(err, fault.err) || errors.Is(err, bundle.ErrIntegrity) {
						t.Fatalf("%s: %v", what, err)
					}
					readable(t, what, dir)
					if err := op.do(r, nil); err != nil {
						t.Fatalf("%s: second try: %v", what, err)
					}
					finish(t, r, later)
					if got := listing(t, dir); got != want {
						t.Fatalf("%s: after the second try\n%s\nwant\n%s", what, got, want)
					}
				}
			}
		})
	}
	t.Logf("%d faults in %d operations: %v", points, len(operations), kinds)
	if points < 1000/stride {
		t.Errorf("%d faults, expected 1000 or more: some steps do not go through disk", points)
	}
}

// finish is the next command of somebody else, which cleans up.
func finish(t *testing.T, r *bundle.Registry, at time.Time) {
	t.Helper()
	must(t, r.Refuse(strings.Repeat("e", 64), "the next night", at))
}

// readable checks all that a reader may ask for.
func readable(t *testing.T, what, dir string) {
	t.Helper()
	r := bundle.NewRegistry(dir)
	aliases, err := r.Aliases()
	if err != nil {
		t.Fatalf("%s: aliases: %v", what, err)
	}
	for alias := range aliases {
		if _, err := r.Open(alias, bundle.Policy{}); err != nil {
			t.Fatalf("%s: open %s: %v", what, alias, err)
		}
	}
	list, err := r.List()
	if err != nil {
		t.Fatalf("%s: list: %v", what, err)
	}
	for _, rec := range list {
		if rec.Problem != "" {
			t.Fatalf("%s: %s: %s", what, rec.Digest, rec.Problem)
		}
	}
	if _, err := r.VerifyAnchor("0:" + strings.Repeat("0", 64)); err != nil {
		t.Fatalf("%s: history: %v", what, err)
	}
}

// listing is what a folder holds, with content; of the lock only that it is there.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		line := rel
		if !e.IsDir() && rel != "lock" {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + bundle.Digest(data)
		}
		lines = append(lines, line)
		return nil
	}))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
