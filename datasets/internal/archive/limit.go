package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// ErrBomb is returned for what unpacks to more than a trace can have, or has more members.
var ErrBomb = errors.New("it looks like a bomb; unpack it yourself if it is none")

// limits bound what is made of a path.
type limits struct {
	members  int   // of the path, folders included
	unpacked int64 // bytes of all members
	ratio    int64 // unpacked bytes to those of the file as it lies there
	slack    int64 // bytes that any file may have beyond that
}

// A count of a trace that is worth a thousandth of its place says next to nothing; the
// files of the public traces are packed 3 to 50 times.
var defaultLimits = limits{members: 1 << 16, unpacked: 1 << 40, ratio: 1000, slack: 256 << 20}

// spoolRatio bounds the space that the members of a compressed tar take, against that of
// the tar as it lies there; limits.slack comes on top.
const spoolRatio = 16

// A budget counts what was unpacked of a path, every byte once however often it is read.
type budget struct {
	limits
	mu    sync.Mutex
	total int64
}

// A meter counts the bytes that one step of unpacking yields. Its errors name the member
// and the step.
type meter struct {
	ctx    context.Context
	r      io.Reader
	source *source
	path   string // of the member, or of the archive
	what   string // is unpacked
	at     int64
	high   *int64 // the farthest that any reader of this step came; guarded by the budget
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.at += int64(n)
	if e := m.source.charge(m.path, m.at, m.high); e != nil {
		return 0, e
	}
	if err != nil && err != io.EOF {
		err = damage(m.path, m.what, err)
	}
	return n, err
}

// charge counts what of a step is new.
func (s *source) charge(path string, at int64, high *int64) error {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if at <= *high {
		return nil
	}
	s.unpacked += at - *high
	b.total += at - *high
	*high = at
	switch {
	case s.unpacked > b.ratio*s.size+b.slack:
		return &Error{fmt.Errorf("%s: unpacks to more than %d bytes, of the %d of %s: %w", path, b.ratio*s.size+b.slack, s.size, s.path, ErrBomb)}
	case b.total > b.unpacked:
		return &Error{fmt.Errorf("%s: unpacks to more than %d bytes with what was read before: %w", path, b.unpacked, ErrBomb)}
	}
	return nil
}

// An Error is a fault of an archive or of a compressed file. Its text names the file and,
// in an archive, the member.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// damage says which step of unpacking failed, unless err does so itself.
func damage(path, what string, err error) error {
	switch {
	case errors.As(err, new(*Error)), errors.As(err, new(*fs.PathError)),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{fmt.Errorf("%s: truncated %s: %w", path, what, io.ErrUnexpectedEOF)}
	}
	return &Error{fmt.Errorf("%s: damaged %s: %w", path, what, err)}
}
