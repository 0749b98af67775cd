//go:build !unix

package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Lock creates the lock file of one step of the folder, which must not exist: one that a
// killed process left has to be removed by hand.
func (f Folder) Lock(step string) (unlock func(), err error) {
	path := f.Path(state(step, ".lock"))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("run folder %s: %s: %w: %s exists", f, step, ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		_ = file.Close()
		_ = os.Remove(path)
	}, nil
}
