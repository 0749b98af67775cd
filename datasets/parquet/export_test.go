//go:build unix

package parquet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrFault is what an operation returns that was made to fail.
var ErrFault = errors.New("injected fault")

// A Fault is what happens at an operation of Faults.
type Fault int

// The faults.
const (
	Fails      Fault = iota // the operation fails, those after it do not
	Dies                    // the operation and all after it have no effect, as if the process had ended
	ShortWrite              // Fails, but half of a write is written
	ShortDeath              // Dies, likewise
	Killed                  // the process ends, by kill -9
)

// Faults are files with a fault at one operation. Nothing is synced: what is tested is
// the order of operations, not the disk.
type Faults struct {
	At         int // operation of the fault, from 1; 0 for none
	What       Fault
	NoExchange bool // as on a system that cannot exchange two folders

	Operations int
	Writes     []int // those that are writes to a file
}

// WithFaults makes a store change its folder through f.
func (s *Store) WithFaults(f *Faults) *Store {
	s.fs = f
	return s
}

// step counts an operation and is its fault, if it has one.
func (f *Faults) step() error {
	f.Operations++
	dead := f.What == Dies || f.What == ShortDeath
	switch {
	case f.At == 0 || f.Operations < f.At || f.Operations > f.At && !dead:
		return nil
	case f.What == Killed:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal may take a moment to arrive
	}
	return ErrFault
}

func (f *Faults) create(path string, how int) (handle, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	h, err := disk{}.create(path, how)
	if err != nil {
		return nil, err
	}
	return &faultyHandle{h, f}, nil
}

func (f *Faults) mkdir(path string) error {
	if err := f.step(); err != nil {
		return err
	}
	return disk{}.mkdir(path)
}

func (f *Faults) rename(from, to string) error {
	if err := f.step(); err != nil {
		return err
	}
	return disk{}.rename(from, to)
}

func (f *Faults) exchange(a, b string) error {
	if f.NoExchange {
		return errors.ErrUnsupported
	}
	if err := f.step(); err != nil {
		return err
	}
	return disk{}.exchange(a, b)
}

func (f *Faults) link(from, to string) error {
	if err := f.step(); err != nil {
		return err
	}
	return disk{}.link(from, to)
}

// remove removes one thing after the other, each an operation.
func (f *Faults) remove(path string) error {
	var paths []string
	err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		paths = append(paths, path)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i := range paths {
		if err := f.step(); err != nil {
			return err
		}
		if err := os.Remove(paths[len(paths)-1-i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *Faults) sync(string) error { return f.step() }

type faultyHandle struct {
	handle
	f *Faults
}

func (h *faultyHandle) Write(b []byte) (int, error) {
	first := h.f.Operations+1 == h.f.At
	h.f.Writes = append(h.f.Writes, h.f.Operations+1)
	if err := h.f.step(); err != nil {
		if first && (h.f.What == ShortWrite || h.f.What == ShortDeath) {
			n, werr := h.handle.Write(b[:len(b)/2])
			return n, errors.Join(err, werr)
		}
		return 0, err
	}
	return h.handle.Write(b)
}

func (h *faultyHandle) Sync() error { return h.f.step() }

// Close closes the file even where it fails, as the system does for a process that ends.
func (h *faultyHandle) Close() error { return errors.Join(h.f.step(), h.handle.Close()) }
