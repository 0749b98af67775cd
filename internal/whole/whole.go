// Package whole writes files that are there as a whole or not at all: what stood under the name stays until
// the new content is complete.
package whole

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A Staging is a file that is being written beside its place. Its folder, which it has for itself, gives it a free
// name, and leaves it the mode of the umask.
type Staging struct {
	Path string // where it is written; nothing is there yet

	name string
	dir  string
}

// Begin makes room for the file name in the folder that it will be in. It must be abandoned, committed or not.
func Begin(name string) (*Staging, error) {
	dir, err := os.MkdirTemp(filepath.Dir(name), ".write-")
	if err != nil {
		return nil, err
	}
	return &Staging{Path: filepath.Join(dir, filepath.Base(name)), name: name, dir: dir}, nil
}

// Commit puts the file, which is closed, in its place.
func (s *Staging) Commit() error { return os.Rename(s.Path, s.name) }

// Abandon removes what is left beside the place of the file.
func (s *Staging) Abandon() error { return os.RemoveAll(s.dir) }

// Write writes the file name, in place of one that is there.
func Write(name string, write func(io.Writer) error) (err error) {
	s, err := Begin(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Abandon()) }()
	f, err := os.OpenFile(s.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return s.Commit()
}
