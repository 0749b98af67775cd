// Package lock keeps two processes from working on the same files at once.
package lock

import "errors"

// ErrHeld is the kind of error of a lock that somebody else has.
var ErrHeld = errors.New("the lock is held")

// A held says who has the lock and where it is.
type held string

func (h held) Error() string        { return string(h) }
func (h held) Is(target error) bool { return target == ErrHeld }

// ErrNoFile is wrapped by the error of a lock whose name stands for something that is not a
// file of its own, such as a link: what lies behind it belongs to others.
var ErrNoFile = errors.New("a lock must be a file of its own")
