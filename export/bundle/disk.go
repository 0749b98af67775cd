package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A disk is where bundles and registries are written. Everything that changes files goes
// through it, so that tests can make every step fail, or the process die before it.
//
// The modes are those that the umask leaves of 0666 and 0777.
type disk struct {
	// before is called with each step and the file it is about to change; an error takes
	// the place of the step. Nil: nothing stands between.
	before func(step, name string) error
}

func (d disk) do(step, name string, act func() error) error {
	if d.before != nil {
		if err := d.before(step, name); err != nil {
			return &fs.PathError{Op: step, Path: name, Err: err}
		}
	}
	return act()
}

func (d disk) mkdir(name string) error {
	return d.do("mkdir", name, func() error { return os.Mkdir(name, 0o777) })
}

// mkdirAll makes the folder name and those above it that are missing.
func (d disk) mkdirAll(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	return d.do("mkdir", name, func() error { return os.MkdirAll(name, 0o777) })
}

// mkdirTemp makes a new folder in parent, with a name that begins with prefix.
func (d disk) mkdirTemp(parent, prefix string) (name string, err error) {
	err = d.do("mkdir", filepath.Join(parent, prefix), func() error {
		for i := 0; ; i++ {
			name = filepath.Join(parent, fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), i))
			if err := os.Mkdir(name, 0o777); !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	})
	return name, err
}

func (d disk) rename(from, to string) error {
	return d.do("rename", to, func() error { return os.Rename(from, to) })
}

// remove removes a file that may be there.
func (d disk) remove(name string) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.do("remove", name, func() error { return os.Remove(name) })
}

// removeAll removes a folder that may be there, and all in it.
func (d disk) removeAll(name string) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.do("remove", name, func() error { return os.RemoveAll(name) })
}

// writeFile writes a new file and waits until it is on disk.
func (d disk) writeFile(name string, data []byte) (err error) {
	var f *os.File
	err = d.do("create", name, func() (err error) {
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := d.do("write", name, func() error { _, err := f.Write(data); return err }); err != nil {
		return err
	}
	return d.do("sync", name, f.Sync)
}

// nextSuffix ends the names of files that are about to be renamed to what stands before.
const nextSuffix = ".next"

// replaceFile writes the file called name in one step, over one that may be there.
func (d disk) replaceFile(name string, data []byte) error {
	next, err := d.stageFile(name, data)
	if err != nil {
		return err
	}
	if err := d.rename(next, name); err != nil {
		return errors.Join(err, d.remove(next))
	}
	return d.syncDir(filepath.Dir(name))
}

// stageFile writes data beside name, on disk and ready to be renamed. On an error nothing
// is left, unless the disk does not let go of it: then the next call takes it away.
func (d disk) stageFile(name string, data []byte) (next string, err error) {
	// One name is enough: writers hold a lock, or write the same.
	next = filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+nextSuffix)
	if err := d.remove(next); err != nil {
		return "", err
	}
	if err := d.writeFile(next, data); err != nil {
		return "", errors.Join(err, d.remove(next))
	}
	return next, nil
}

// syncDir waits until the names in dir are on disk.
func (d disk) syncDir(dir string) error {
	return d.do("syncdir", dir, func() error {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
