//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bundle

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lock takes the lock file name, or fails with ErrLocked if another open of the file has
// it. The system lets go of it when the holder dies, so that a crash locks nobody out.
// The holder's process id stands in the file, for people.
func lock(name string) (unlock func() error, err error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			holder := make([]byte, 32)
			n, _ := f.Read(holder) // who it is only helps the message
			err = fmt.Errorf("process %s holds %s: %w", strings.TrimSpace(string(holder[:n])), name, ErrLocked)
		}
		return nil, errors.Join(err, f.Close())
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil // closing the only descriptor unlocks
}
