//go:build !unix

package parquet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lock creates the lock file at path, which must not exist: one that a killed
// process left has to be removed by hand.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %s exists", ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		f.Close()
		os.Remove(path)
	}, nil
}
