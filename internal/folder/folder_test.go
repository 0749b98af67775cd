package folder_test

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/folder"
)

func text(s string) func(*bufio.Writer) (int64, error) {
	return func(w *bufio.Writer) (int64, error) {
		_, err := w.WriteString(s)
		return int64(strings.Count(s, "\n")), err
	}
}

func TestFilesAreNamedInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	f, err := folder.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "a"} {
		if err := f.File(name, text(name+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	got := f.Files()
	if len(got) != 2 || got[0].Name != "a" || got[0].Rows != 1 || got[0].Bytes != 2 || got[1].Name != "b" {
		t.Errorf("%+v", got)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "b")); err != nil || string(raw) != "b\n" {
		t.Errorf("%q, error %v", raw, err)
	}
	if err := f.File("a", text("twice")); err == nil {
		t.Error("a file was overwritten")
	}
	if _, err := folder.Create(dir); err == nil || !strings.Contains(err.Error(), "not empty (it holds a)") {
		t.Errorf("error %v", err)
	}
}

func TestRemoveLeavesWhatWasThere(t *testing.T) {
	old, parent := t.TempDir(), t.TempDir()
	for dir, stays := range map[string]bool{old: true, filepath.Join(parent, "new"): false} {
		f, err := folder.Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		if err := f.File("a", func(*bufio.Writer) (int64, error) { return 0, broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
			t.Error("the file is still there")
		}
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s: error %v", dir, err)
		}
	}
}
