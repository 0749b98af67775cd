package stage

import (
	"errors"
	"fmt"

	"github.com/incendio-faas/incendio/internal/lock"
)

// Lock takes the lock of one step of the folder without waiting; another process that has
// it is [ErrLocked].
func (f Folder) Lock(step string) (unlock func(), err error) {
	release, err := lock.Take(f.Path(state(step, ".lock")))
	if errors.Is(err, lock.ErrHeld) {
		err = fmt.Errorf("%w: %w", ErrLocked, err)
	}
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %s: %w", f, step, err)
	}
	return func() { _ = release() }, nil // nothing was written that could be lost
}
