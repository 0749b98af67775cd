package parquet

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// files are the operations by which a store changes its folder. A test has others,
// which fail or end the process; reading goes through package os.
type files interface {
	// create opens a file for writing: a new one with os.O_EXCL, an empty one with
	// os.O_TRUNC, the end of one with os.O_APPEND.
	create(path string, how int) (handle, error)
	mkdir(path string) error // with its parents
	rename(from, to string) error
	exchange(a, b string) error // errors.ErrUnsupported where the system cannot
	link(from, to string) error
	remove(path string) error // with what it holds; no error if there is nothing
	sync(dir string) error
}

// A handle is a file that is open for writing.
type handle interface {
	io.Writer
	Sync() error
	Close() error
}

// disk is the real file system.
type disk struct{}

func (disk) create(path string, how int) (handle, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|how, 0o666)
}

func (disk) mkdir(path string) error      { return os.MkdirAll(path, 0o777) }
func (disk) rename(from, to string) error { return os.Rename(from, to) }
func (disk) exchange(a, b string) error   { return exchange(a, b) }
func (disk) link(from, to string) error   { return os.Link(from, to) }
func (disk) remove(path string) error     { return os.RemoveAll(path) }

func (disk) sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// link makes the unchanging file from appear as to, by a copy where it must.
func link(fs files, from, to string) error {
	if fs.link(from, to) == nil {
		return nil
	}
	return copyFile(fs, from, to)
}

func copyFile(fs files, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := fs.create(to, os.O_EXCL)
	if err != nil {
		return err
	}
	// Without the methods of *os.File that would bypass the writer.
	_, err = io.Copy(struct{ io.Writer }{out}, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// writeJSON writes v to path, durably and as a whole. One process does it at a time.
func writeJSON(fs files, path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	// The name is always the same, so that one that a killed process left is used again.
	staged := filepath.Join(filepath.Dir(path), ".write-"+filepath.Base(path))
	f, err := fs.create(staged, os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fs.rename(staged, path)
	}
	if err != nil {
		return errors.Join(err, fs.remove(staged))
	}
	return nil
}
