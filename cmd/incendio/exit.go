package main

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// A usageError is a mistake in the command line or the configuration.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usage(err error) error { return usageError{err} }

// Exit codes, as documented in docs/operations.md.
const (
	codeError     = 1
	codeUsage     = 2
	codeFallback  = 3
	codeRefused   = 4
	codeInput     = 5
	codeIntegrity = 6
	codeNotFound  = 10
	codeLocked    = 11
	codeDeadline  = 12
	codeTemporary = 75
)

// exitCode maps an error to its code. The order matters where an error is of two
// kinds: a file of a bundle that cannot be read because the machine has no more open
// files or a bad disk is no damage, but a damaged file that is also missing is.
func exitCode(err error) int {
	for _, k := range []struct {
		is   error
		code int
	}{
		{syscall.EMFILE, codeTemporary},
		{syscall.ENFILE, codeTemporary},
		{syscall.EIO, codeTemporary},
		{syscall.ENOSPC, codeTemporary},
		{syscall.EDQUOT, codeTemporary},
		{bundle.ErrIntegrity, codeIntegrity},
		{parquet.ErrCorrupt, codeIntegrity},
		{parquet.ErrQuarantine, codeInput},
		{pipelines.ErrRefused, codeRefused},
		{pipelines.ErrFallback, codeFallback},
		{bundle.ErrLocked, codeLocked},
		{parquet.ErrLocked, codeLocked},
		{stage.ErrLocked, codeLocked},
		{context.DeadlineExceeded, codeDeadline},
		{bundle.ErrNotFound, codeNotFound},
		{parquet.ErrNotFound, codeNotFound},
		{forecast.ErrUnknown, codeNotFound},
		{fs.ErrNotExist, codeNotFound},
	} {
		if errors.Is(err, k.is) {
			return k.code
		}
	}
	if u := (usageError{}); errors.As(err, &u) {
		return codeUsage
	}
	return codeError
}
