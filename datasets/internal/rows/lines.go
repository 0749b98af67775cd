package rows

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/bom"
)

// Bounds of a text file.
const (
	// maxRow is the longest row in bytes. It is also what a quoted field may span.
	maxRow = 1 << 20

	// smallBuffer is what small files need; that of others grows to two rows of maxRow.
	smallBuffer = 1 << 14

	// maxLine is the length of a line beyond which a file is no text.
	maxLine = 1 << 30

	// MaxRow is the bound of a row for other readers.
	MaxRow = maxRow

	// maxBlank is the number of blank lines in a row beyond which a file is none of rows.
	maxBlank = 1 << 20
)

// A lineReader cuts text into lines, which end in LF or CR LF; the last one may
// lack its end. A row is one line, or several where it is extended.
type lineReader struct {
	r        io.Reader
	buf      []byte
	from, to int  // unread bytes of buf, from the current row on
	first    int  // length of the first line of the current row, with its end
	end      int  // length of the current row, with its end
	eof      bool // of r
	line     int  // number of the first line of the current row, from 1
	lines    int  // in the current row
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: r, buf: make([]byte, smallBuffer)}
}

var errLongLine = errors.New("long line")

// next goes on to the line after the current row. The bytes are valid until the
// next call. The end is io.EOF; errLongLine stands for one line above maxRow, of
// which nothing is kept.
func (l *lineReader) next() ([]byte, error) {
	l.from += l.end
	l.line += l.lines
	l.end, l.first, l.lines = 0, 0, 0
	end, err := l.lineEnd(0)
	if err != nil {
		return nil, err
	}
	if end < 0 {
		return nil, l.skipLong()
	}
	if l.line == 0 {
		l.line = 1
		if bom.Has(l.buf[l.from : l.from+end]) {
			l.from += len(bom.UTF8)
			end -= len(bom.UTF8)
		}
	}
	l.first, l.end, l.lines = end, end, 1
	return trimEnd(l.buf[l.from : l.from+end]), nil
}

// extend adds the following line to the current row; false if there is none or
// the row would become longer than maxRow.
func (l *lineReader) extend() ([]byte, bool, error) {
	end, err := l.lineEnd(l.end)
	if err != nil || end < 0 {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, false, err
	}
	l.end = end
	l.lines++
	return trimEnd(l.buf[l.from : l.from+end]), true, nil
}

// shrink gives all lines of the current row but the first back.
func (l *lineReader) shrink() { l.end, l.lines = l.first, 1 }

// lineEnd finds the end of the line that starts at offset skip of the current row:
// its length from the start of the row, -1 where that is above maxRow.
func (l *lineReader) lineEnd(skip int) (int, error) {
	for at := skip; ; {
		if end := bytes.IndexByte(l.buf[l.from+at:l.to], '\n'); end >= 0 {
			if at+end+1 > maxRow {
				return -1, nil
			}
			return at + end + 1, nil
		}
		at = l.to - l.from
		if at >= maxRow {
			return -1, nil
		}
		if l.eof {
			if at == skip {
				return 0, io.EOF
			}
			return at, nil
		}
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
}

// fill reads more, after the unread bytes.
func (l *lineReader) fill() error {
	if l.from > 0 && l.to > len(l.buf)-maxRow/2 {
		l.to = copy(l.buf, l.buf[l.from:l.to])
		l.from = 0
	}
	if l.to > len(l.buf)/2 && len(l.buf) < 2*maxRow {
		larger := make([]byte, min(4*len(l.buf), 2*maxRow))
		copy(larger, l.buf[:l.to])
		l.buf = larger
	}
	n, err := l.r.Read(l.buf[l.to:])
	l.to += n
	if errors.Is(err, io.EOF) {
		l.eof = true
		return nil
	}
	return err
}

// skipLong drops the rest of a line above maxRow.
func (l *lineReader) skipLong() error {
	if l.line == 0 {
		l.line = 1
	}
	for dropped := 0; ; {
		end := bytes.IndexByte(l.buf[l.from:l.to], '\n')
		if end >= 0 || l.eof {
			if end < 0 {
				end = l.to - l.from - 1
			}
			l.end, l.first, l.lines = end+1, end+1, 1
			return errLongLine
		}
		if dropped += l.to - l.from; dropped > maxLine {
			return fmt.Errorf("line %d is longer than %d bytes: this is no text", l.line, maxLine)
		}
		l.from, l.to = 0, 0
		if err := l.fill(); err != nil {
			return err
		}
	}
}

func trimEnd(line []byte) []byte {
	n := len(line)
	if n > 0 && line[n-1] == '\n' {
		n--
	}
	if n > 0 && line[n-1] == '\r' {
		n--
	}
	return line[:n]
}

// A Line is one line of a text, without its end.
type Line struct {
	Number int    // from 1
	Text   []byte // valid until the next line is asked for
	Long   bool   // it is longer than a row may be, and Text is empty
}

// EachLine hands over the lines of a text that are not blank, for readers of layouts that
// are not tables of named columns. An error of each ends it and is returned.
func EachLine(file string, r io.Reader, each func(Line) error) error {
	l := newLineReader(r)
	for blank := 0; ; {
		text, err := l.next()
		switch {
		case err == nil && len(text) == 0:
			if blank++; blank > maxBlank {
				return &datasets.SyntaxError{File: file, Line: l.line, Msg: fmt.Sprintf("more than %d blank lines: expected rows", maxBlank)}
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, errLongLine):
			return err
		}
		blank = 0
		if err := each(Line{l.line, text, err != nil}); err != nil {
			return err
		}
	}
}
