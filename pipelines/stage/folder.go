package stage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/incendio-faas/incendio/internal/whole"
)

// A Folder is where a job keeps its files, by paths with forward slashes.
type Folder string

// Path is the path of a file or folder in the folder.
func (f Folder) Path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

// Read returns the content of a file.
func (f Folder) Read(name string) ([]byte, error) { return os.ReadFile(f.Path(name)) }

// Write replaces a file, all or nothing, and makes the folders above it.
func (f Folder) Write(name string, data []byte) error {
	to := f.Path(name)
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return whole.Write(to, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// A Reader reads files by name: a [Folder], or a [Place] in it.
type Reader interface {
	Read(name string) ([]byte, error)
}

// A Writer replaces files by name: a [Folder], or a [Place] in it.
type Writer interface {
	Write(name string, data []byte) error
}

// WriteJSON writes v as indented JSON with a final newline.
func WriteJSON(to Writer, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path.Base(name), err)
	}
	return to.Write(name, append(data, '\n'))
}

// ReadJSON reads what [WriteJSON] wrote.
func ReadJSON(from Reader, name string, v any) error {
	data, err := from.Read(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// errAbsent is in the error of a path that is not there.
var errAbsent = errors.New("is not in the run folder")

// digests returns the SHA-256 of every file under paths. A path that is not there is
// an error: a stage that needs it would fail later and say less.
func (f Folder) digests(paths []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range paths {
		err := filepath.WalkDir(f.Path(p), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			r, err := os.Open(name)
			if err != nil {
				return err
			}
			defer r.Close()
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil {
				return err
			}
			rel, err := filepath.Rel(string(f), name)
			if err != nil {
				return err
			}
			out[filepath.ToSlash(rel)] = hex.EncodeToString(h.Sum(nil))
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s %w %s: run the stage that makes it first", p, errAbsent, f)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// A Place is where a stage works. It opens the inputs and the outputs that the stage
// declares, and nothing else.
type Place struct {
	Workers  int      // that compute at once, >= 1: results must not depend on it
	Progress Progress // how far the work is

	stage  string
	folder Folder
	in     []string
	out    []string
}

// undeclared is the error of a file that a stage may not open.
func (p *Place) undeclared(name, as string, declared []string) error {
	return fmt.Errorf("stage %s: %s is none of its %s %q", p.stage, name, as, declared)
}

func under(name string, declared []string) bool {
	name = path.Clean(name)
	for _, d := range declared {
		if name == d || strings.HasPrefix(name, d+"/") {
			return true
		}
	}
	return false
}

// In is the path of an input, for what reads files itself.
func (p *Place) In(name string) (string, error) {
	if !under(name, p.in) {
		return "", p.undeclared(name, "inputs", p.in)
	}
	return p.folder.Path(name), nil
}

// Out is the path of an output, for what writes files itself. The folder that it lies in
// is there.
func (p *Place) Out(name string) (string, error) {
	if !under(name, p.out) {
		return "", p.undeclared(name, "outputs", p.out)
	}
	to := p.folder.Path(name)
	return to, os.MkdirAll(filepath.Dir(to), 0o777)
}

// Read returns the content of an input.
func (p *Place) Read(name string) ([]byte, error) {
	from, err := p.In(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(from)
}

// Write replaces an output, all or nothing.
func (p *Place) Write(name string, data []byte) error {
	if _, err := p.Out(name); err != nil {
		return err
	}
	return p.folder.Write(name, data)
}

// Clear makes an output an empty folder: what an earlier run left there is gone.
func (p *Place) Clear(name string) error {
	to, err := p.Out(name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.MkdirAll(to, 0o777)
}
