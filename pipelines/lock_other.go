//go:build !unix

package pipelines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lock creates the lock file of the run folder, which must not exist: one that a
// killed process left has to be removed by hand.
func (r *Run) lock() (unlock func(), err error) {
	path := r.Path(".stages", ".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("run folder %s: %w: %s exists", r.Dir, ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		_ = f.Close()
		_ = os.Remove(path)
	}, nil
}
