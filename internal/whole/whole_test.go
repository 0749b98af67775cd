package whole_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/incendio-faas/incendio/internal/whole"
)

func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	text := func(s string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, werr := io.WriteString(w, s)
			if _, serr := os.Stat(name); s == "a" && serr == nil {
				t.Error("the file is there before it is whole")
			}
			return errors.Join(werr, err)
		}
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		text string
		err  error
		want string
	}{{"a", nil, "a"}, {"b", broken, "a"}, {"c", nil, "c"}} {
		if err := whole.Write(name, text(c.text, c.err)); !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, expected %v", c.text, err, c.err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != c.want {
			t.Errorf("%s: file holds %q, expected %q (%v)", c.text, got, c.want, err)
		}
	}
	// Nothing stays beside it, not of a file that has no place either.
	if err := whole.Write(filepath.Dir(name), text("d", nil)); err == nil {
		t.Error("a folder was replaced by a file")
	}
	for dir, want := range map[string]int{filepath.Dir(name): 1, filepath.Dir(filepath.Dir(name)): 1} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
			t.Errorf("%s holds %v, expected %d entries (%v)", dir, entries, want, err)
		}
	}
	if err := whole.Write(filepath.Join(name, "g"), text("e", nil)); err == nil {
		t.Error("a file below a file")
	}
}
