// Package jsonstream takes JSON documents apart that are larger than memory: it hands
// over, one by one, the objects of a document, of several that follow each other, or of
// an array that a document wraps.
//
// On the way only the structure is read: strings, brackets, commas. What stands in an
// object is looked at when it is asked for, by [Members], [Elements] and [Text]; a number
// or a word that nobody asks for may be as wrong as it likes.
package jsonstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/incendio-faas/incendio/internal/bom"
)

// A SyntaxError says where a document is no JSON.
type SyntaxError struct {
	Line int // from 1
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// ErrLong says that an object is longer than a [Scanner] holds. Scanning goes on behind it.
var ErrLong = errors.New("object is too long")

const (
	// chunk is how much is read at once, in bytes.
	chunk = 1 << 16

	// maxDepth bounds how deep brackets are nested, as encoding/json does.
	maxDepth = 10_000
)

// A Scanner finds the objects of a stream; see [New].
type Scanner struct {
	r        io.Reader
	most     int
	wrappers []string

	buf  []byte // what was read; offsets count from pos
	pos  int
	line int // in which buf[pos] stands, from 1
	done bool

	chatter []string // what lines between documents begin with that are none

	open  []byte // brackets of the wrappers and of the array that are open
	fresh bool   // nothing stands yet inside the innermost of them
	stack []byte // brackets inside of the value that is being read
}

// New returns a scanner of r. Where a document is an object with a member that has the
// name of one of the wrappers, and that is an array of objects or another such object,
// the elements of the array are handed over, and not the document. An object of more
// than most bytes is left out.
func New(r io.Reader, most int, wrappers ...string) *Scanner {
	return &Scanner{r: r, most: most, wrappers: wrappers, line: 1}
}

// Skip makes the scanner pass over lines between documents that begin with one of these
// words, as a program writes them to say what it has done.
func (s *Scanner) Skip(words ...string) { s.chatter = words }

// skip passes over a line of chatter, if one begins at pos.
func (s *Scanner) skip() (bool, error) {
	for _, word := range s.chatter {
		for len(s.buf)-s.pos < len(word) {
			if err := s.fill(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return false, err
			}
		}
		if !bytes.HasPrefix(s.buf[s.pos:], []byte(word)) {
			continue
		}
		for {
			if end := bytes.IndexByte(s.buf[s.pos:], '\n'); end >= 0 {
				s.consume(end + 1)
				return true, nil
			}
			s.consume(len(s.buf) - s.pos)
			if err := s.fill(); err != nil && !errors.Is(err, io.EOF) {
				return false, err
			} else if err != nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// Next returns the next object and the line in which it begins. The object is valid
// until the next call. The error is io.EOF behind the last one, [ErrLong] for one that is
// left out, a [*SyntaxError], or what the reader reports; after the last two nothing
// more can be read.
func (s *Scanner) Next() (object []byte, line int, err error) {
	for {
		c, err := s.token()
		if errors.Is(err, io.EOF) && len(s.open) == 0 {
			return nil, s.line, io.EOF
		}
		if err != nil {
			return nil, s.line, s.cut(err)
		}
		if len(s.open) == 0 {
			switch c {
			case '[':
				s.enter('[')
				continue
			case '{':
				object, line, wraps, err := s.document()
				if wraps {
					continue
				}
				return object, line, err
			}
			if s.line == 1 && bom.Has(s.buf[s.pos:]) {
				s.consume(len(bom.UTF8))
				continue
			}
			if skipped, err := s.skip(); err != nil {
				return nil, s.line, err
			} else if skipped {
				continue
			}
			return nil, s.line, s.complain("%q: expected an object or an array of objects", c)
		}
		closes := byte(']')
		if s.inside('{') {
			closes = '}'
		}
		switch {
		case c == closes:
			s.leave()
			continue
		case !s.fresh && c != ',':
			return nil, s.line, s.complain("%q: expected a comma or %q", c, closes)
		case !s.fresh:
			s.consume(1)
			if c, err = s.token(); err != nil {
				return nil, s.line, s.cut(err)
			}
		}
		s.fresh = false
		if s.inside('{') {
			if err := s.wrapped(); err != nil {
				return nil, s.line, err
			}
			continue
		}
		if c != '{' {
			return nil, s.line, s.complain("%q: expected an object", c)
		}
		line := s.line
		object, err := s.take()
		return object, line, err
	}
}

func (s *Scanner) inside(bracket byte) bool { return s.open[len(s.open)-1] == bracket }

func (s *Scanner) enter(bracket byte) {
	s.consume(1)
	s.open = append(s.open, bracket)
	s.fresh = true
}

func (s *Scanner) leave() {
	s.consume(1)
	s.open = s.open[:len(s.open)-1]
	s.fresh = false
}

// document reads the object at pos up to a member that wraps others, or returns it.
func (s *Scanner) document() (object []byte, line int, wraps bool, err error) {
	line = s.line
	at := 1
	for first := true; ; first = false {
		c, i, err := s.next(at)
		if err != nil {
			return nil, line, false, s.cut(err)
		}
		if first && c == '}' {
			at = i + 1
			break
		}
		name, start, err := s.member(i)
		if err != nil {
			return nil, line, false, err
		}
		if s.wraps(name, start) {
			s.enter('{')
			s.consume(start - 1)
			s.enter(s.buf[s.pos])
			return nil, line, true, nil
		}
		end, err := s.value(start, s.most)
		if errors.Is(err, ErrLong) {
			// What is left of it now is the rest of the object.
			return nil, line, false, s.rest()
		}
		if err != nil {
			return nil, line, false, err
		}
		if c, i, err = s.next(end); err != nil {
			return nil, line, false, s.cut(err)
		}
		at = i + 1
		if c == '}' {
			break
		}
		if c != ',' {
			s.consume(i)
			return nil, line, false, s.complain("%q: expected a comma or '}'", c)
		}
	}
	object = s.buf[s.pos : s.pos+at]
	s.consume(at)
	return object, line, false, nil
}

// rest reads an object to its end of which a value was too long; members and their
// values that follow are not looked at.
func (s *Scanner) rest() error {
	s.stack = append(s.stack[:0], '{')
	if _, err := s.walk(0, 0, false); err != nil && !errors.Is(err, ErrLong) {
		return err
	}
	return ErrLong
}

// wrapped reads a member of a wrapper: into what it wraps, or over it.
func (s *Scanner) wrapped() error {
	name, start, err := s.member(0)
	if err != nil {
		return err
	}
	if s.wraps(name, start) {
		s.consume(start)
		s.enter(s.buf[s.pos])
		return nil
	}
	s.consume(start)
	s.stack = s.stack[:0]
	if _, err := s.walk(0, 0, false); !errors.Is(err, ErrLong) { // all of it was consumed
		return err
	}
	return nil
}

// wraps reports whether a member is a wrapper: its name is, and its value is an array or
// an object.
func (s *Scanner) wraps(name string, start int) bool {
	c := s.buf[s.pos+start]
	return (c == '[' || c == '{') && slices.Contains(s.wrappers, name)
}

// member reads the name of a member, which begins at i, and the colon behind it. The
// value begins at start.
func (s *Scanner) member(i int) (name string, start int, err error) {
	if c := s.buf[s.pos+i]; c != '"' {
		s.consume(i)
		return "", 0, s.complain("%q: expected the name of a member", c)
	}
	end, err := s.value(i, i+s.most)
	if errors.Is(err, ErrLong) {
		err = s.complain("the name of a member is longer than %d bytes", s.most)
	}
	if err != nil {
		return "", 0, err
	}
	text, ok := Text(s.buf[s.pos+i : s.pos+end])
	if !ok {
		s.consume(i)
		return "", 0, s.complain("the name of a member is no string")
	}
	name = string(text)
	c, i, err := s.next(end)
	if err != nil {
		return "", 0, s.cut(err)
	}
	if c != ':' {
		s.consume(i)
		return "", 0, s.complain("%q: expected ':'", c)
	}
	if _, start, err = s.next(i + 1); err != nil {
		return "", 0, s.cut(err)
	}
	return name, start, nil
}

// take consumes the object at pos.
func (s *Scanner) take() ([]byte, error) {
	end, err := s.value(0, s.most)
	if err != nil {
		return nil, err
	}
	object := s.buf[s.pos : s.pos+end]
	s.consume(end)
	return object, nil
}

// value finds the end of the value that begins at i. A value that ends beyond most is
// consumed, and is ErrLong.
func (s *Scanner) value(i, most int) (end int, err error) {
	s.stack = s.stack[:0]
	return s.walk(i, most, true)
}

// walk goes from i to the end of the value whose brackets are in the stack.
func (s *Scanner) walk(i, most int, short bool) (end int, err error) {
	text, escaped := false, false
	for {
		if short && i > most {
			short = false
		}
		if !short {
			s.consume(i)
			i = 0
		}
		if s.pos+i == len(s.buf) {
			if err := s.fill(); errors.Is(err, io.EOF) && i > 0 && len(s.stack) == 0 && !text {
				return s.ended(i, most, short) // a number at the end
			} else if err != nil {
				return 0, s.cut(err)
			}
		}
		b := s.buf[s.pos+i:]
		if text {
			if escaped {
				i, escaped = i+1, false
				continue
			}
			quote := bytes.IndexByte(b, '"')
			if quote < 0 {
				quote = len(b)
			}
			if slash := bytes.IndexByte(b[:quote], '\\'); slash >= 0 {
				i, escaped = i+slash+1, true
				continue
			}
			if i += quote; quote == len(b) {
				continue
			}
			text = false
			i++
			if len(s.stack) == 0 {
				return s.ended(i, most, short)
			}
			continue
		}
		n := 0
	plain:
		for n < len(b) {
			c := b[n]
			if class[c] == 0 {
				n++
				continue
			}
			switch c {
			case '"':
				n++
				text = true
				break plain
			case '{', '[':
				if len(s.stack) == maxDepth {
					s.consume(i + n)
					return 0, s.complain("brackets are nested more than %d deep", maxDepth)
				}
				s.stack = append(s.stack, c)
				n++
			case '}', ']':
				if len(s.stack) == 0 {
					return s.ended(i+n, most, short) // a number inside of other brackets
				}
				if s.stack[len(s.stack)-1] != c-2 { // as ASCII has it, both pairs are two apart
					s.consume(i + n)
					return 0, s.complain("%q closes no bracket", c)
				}
				s.stack = s.stack[:len(s.stack)-1]
				n++
				if len(s.stack) == 0 {
					return s.ended(i+n, most, short)
				}
			default: // a comma or space
				if len(s.stack) == 0 {
					return s.ended(i+n, most, short)
				}
				n++
			}
		}
		i += n
	}
}

// ended returns the end of a value; one that was consumed on the way was too long.
func (s *Scanner) ended(i, most int, short bool) (int, error) {
	if short && i <= most {
		return i, nil
	}
	s.consume(i)
	return 0, ErrLong
}

// class is 1 for the bytes at which walk stops outside of strings.
var class = func() (t [256]byte) {
	for _, c := range "\"{}[], \t\r\n" {
		t[c] = 1
	}
	return t
}()

// token skips space and returns the byte at pos.
func (s *Scanner) token() (byte, error) {
	c, i, err := s.next(0)
	s.consume(i)
	return c, err
}

// next returns the first byte from i on that is no space, and where it is.
func (s *Scanner) next(i int) (byte, int, error) {
	for {
		for ; s.pos+i < len(s.buf); i++ {
			switch c := s.buf[s.pos+i]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, i, nil
			}
		}
		if err := s.fill(); err != nil {
			return 0, i, err
		}
	}
}

// consume moves pos on by n bytes.
func (s *Scanner) consume(n int) {
	s.line += bytes.Count(s.buf[s.pos:s.pos+n], newline)
	s.pos += n
}

var newline = []byte("\n")

// fill reads more. Offsets from pos stay what they are.
func (s *Scanner) fill() error {
	if s.done {
		return io.EOF
	}
	if s.pos > 0 {
		// What Next has returned lies before pos and is gone with its next call.
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
		s.pos = 0
	}
	s.buf = slices.Grow(s.buf, chunk)
	for {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			if s.done = true; n == 0 {
				return io.EOF
			}
			return nil
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
}

// cut is the error of a document that ends too early, or of its reader.
func (s *Scanner) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return s.complain("the document ends in the middle")
	}
	return err
}

func (s *Scanner) complain(format string, args ...any) error {
	return &SyntaxError{s.line, fmt.Sprintf(format, args...)}
}
