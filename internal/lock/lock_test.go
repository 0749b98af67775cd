package lock_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/lock"
)

func TestTake(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock.Take(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Take(name); !errors.Is(err, lock.ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "since 20") {
		t.Errorf("the second one got %v, want an ErrHeld that names this process and says since when", err)
	}
	if err := os.Truncate(name, 0); err != nil { // as between the lock and the id
		t.Fatal(err)
	}
	if _, err := lock.Take(name); !errors.Is(err, lock.ErrHeld) || !strings.Contains(err.Error(), "another process holds") && !strings.Contains(err.Error(), "exists") {
		t.Errorf("without an id: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
		t.Errorf("let go, the file has %q, want nothing", b)
	}
	unlock, err = lock.Take(name)
	if err != nil {
		t.Fatalf("after it was let go: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestTakeRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, dir} {
		if _, err := lock.Take(name); !errors.Is(err, lock.ErrNoFile) {
			t.Errorf("%s: %v, want ErrNoFile", name, err)
		}
	}
	if b, _ := os.ReadFile(other); string(b) != "precious" {
		t.Errorf("what the link leads to has %q now", b)
	}
}
