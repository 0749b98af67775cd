//go:build unix

package pipelines

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock takes the lock of the run folder without waiting. The system releases it when
// the process ends, however it ends.
func (r *Run) lock() (unlock func(), err error) {
	f, err := os.OpenFile(r.Path(".stages", ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("run folder %s: %w", r.Dir, err)
	}
	return func() { _ = f.Close() }, nil
}
