//go:build !linux

package parquet

import "errors"

// exchange is not known to this system; the caller renames in two steps.
func exchange(_, _ string) error { return errors.ErrUnsupported }
