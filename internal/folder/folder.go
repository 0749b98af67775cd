// Package folder makes a directory of files that is there whole or not at all: what a
// writer of traces leaves behind.
package folder

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
)

// A Folder is a directory that is being written.
type Folder struct {
	dir   string
	made  bool // the directory was not there
	buf   *bufio.Writer
	files []datasets.WrittenFile
}

// Create makes the directory if need be; one that is not empty is refused and left as
// it is.
func Create(dir string) (*Folder, error) {
	_, err := os.Stat(dir)
	made := errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty (it holds %s): nothing is overwritten, choose another directory", dir, entries[0].Name())
	}
	return &Folder{dir: dir, made: made, buf: bufio.NewWriterSize(nil, 1<<20)}, nil
}

// File writes one file, which is on the disk when it returns. Write returns the number
// of rows of data that it wrote.
func (f *Folder) File(name string, write func(*bufio.Writer) (rows int64, err error)) (err error) {
	out, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	f.files = append(f.files, datasets.WrittenFile{Name: name})
	defer func() { err = errors.Join(err, out.Close()) }()
	f.buf.Reset(out)
	rows, err := write(f.buf)
	if err != nil {
		return err
	}
	if err := f.buf.Flush(); err != nil {
		return fmt.Errorf("%s: %w", out.Name(), err)
	}
	info, err := out.Stat()
	if err != nil {
		return err
	}
	last := &f.files[len(f.files)-1]
	last.Rows, last.Bytes = rows, info.Size()
	return out.Sync()
}

// Files are what was written, in the order of the names.
func (f *Folder) Files() []datasets.WrittenFile {
	return slices.SortedFunc(slices.Values(f.files), func(a, b datasets.WrittenFile) int { return cmp.Compare(a.Name, b.Name) })
}

// Remove takes away what was written, and the directory if Create made it.
func (f *Folder) Remove() error {
	var errs []error
	for _, file := range f.files {
		errs = append(errs, os.Remove(filepath.Join(f.dir, file.Name)))
	}
	if f.made {
		errs = append(errs, os.Remove(f.dir))
	}
	return errors.Join(errs...)
}
