//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hold locks a file as another process would, until the test ends or release is called.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}

// With --lock-wait a command goes on when the other one is through, and no later gives up.
func TestLockWait(t *testing.T) {
	registry := filepath.Join(t.TempDir(), "registry")
	release := hold(t, filepath.Join(registry, "lock"))
	rollback := func(wait string) (int, string) {
		code, _, stderr := incendio(t, "bundle", "rollback", "--registry", registry, "--lock-wait", wait)
		return code, stderr
	}
	if code, stderr := rollback("300ms"); code != codeLocked || !strings.Contains(stderr, "waiting for a lock") {
		t.Errorf("longer than it waits: exit code %d\n%s", code, stderr)
	}
	if code, stderr := rollback("-1s"); code != codeUsage {
		t.Errorf("a negative time: exit code %d\n%s", code, stderr)
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		release()
	}()
	if code, stderr := rollback("1m"); code != codeNotFound { // no champion, which it learns with the lock
		t.Errorf("shorter than it waits: exit code %d\n%s", code, stderr)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	day, store, registry := filepath.Join(dir, "day"), filepath.Join(dir, "store"), filepath.Join(dir, "registry")
	if err := os.MkdirAll(day, 0o755); err != nil {
		t.Fatal(err)
	}
	rows := "HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,http,1\n"
	if err := os.WriteFile(filepath.Join(day, "invocations.csv"), []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	ingest := func(name string) (int, string) {
		code, _, stderr := incendio(t, "ingest", "azure2019", day, "--name", name, "--store", store)
		return code, stderr
	}
	if code, stderr := ingest("a"); code != 0 {
		t.Fatalf("ingest: exit code %d\n%s", code, stderr)
	}
	hold(t, filepath.Join(store, "traces", ".lock"))
	if code, stderr := ingest("b"); code != codeLocked || !strings.Contains(stderr, "locked by another process") {
		t.Errorf("ingest into a locked store: exit code %d\n%s", code, stderr)
	}
	if code, stderr := ingest("a"); code != 0 {
		t.Errorf("the same again is no work and needs no lock: exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := incendio(t, "traces", "--store", store); code != 0 {
		t.Errorf("reading a locked store: exit code %d\n%s", code, stderr)
	}

	features := func() (int, string) {
		code, _, stderr := incendio(t, "features", "--config", "testdata/tiny.yaml", "--store", filepath.Join(dir, "other"), "--out", filepath.Join(dir, "run"))
		return code, stderr
	}
	if code, stderr := features(); code != 0 {
		t.Fatalf("features: exit code %d\n%s", code, stderr)
	}
	hold(t, filepath.Join(dir, "run", ".stages", "forecast.lock"))
	if code, stderr := features(); code != 0 {
		t.Errorf("another stage than the locked one: exit code %d\n%s", code, stderr)
	}
	hold(t, filepath.Join(dir, "run", ".stages", "features.lock"))
	if code, stderr := features(); code != codeLocked || !strings.Contains(stderr, "features: another process works in it") {
		t.Errorf("a locked stage: exit code %d\n%s", code, stderr)
	}

	hold(t, filepath.Join(registry, "lock"))
	if code, _, stderr := incendio(t, "bundle", "rollback", "--registry", registry); code != codeLocked {
		t.Errorf("rollback in a locked registry: exit code %d\n%s", code, stderr)
	}
}
