//go:build unix

package stage

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock takes the lock of one step of the folder without waiting; another process that has
// it is [ErrLocked]. The system releases it when the process ends, however it ends.
func (f Folder) Lock(step string) (unlock func(), err error) {
	file, err := os.OpenFile(f.Path(state(step, ".lock")), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o666)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("a lock must be a file of its own, and is a link: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("run folder %s: %s: %w", f, step, err)
	}
	return func() { _ = file.Close() }, nil
}
