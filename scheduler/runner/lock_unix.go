//go:build unix

package runner

import (
	"os"
	"syscall"
)

// hold takes the lock of f, which ends with the process, or fails where another one has it.
func hold(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
