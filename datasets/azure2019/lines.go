package azure2019

import (
	"bytes"
	"errors"
	"io"
)

// blockSize is also the longest line; an official row of counts has some 3 to 15 KB.
const blockSize = 1 << 20

// A blockReader cuts text into blocks of whole lines.
type blockReader struct {
	r    io.Reader
	rest []byte // of the last block, after its last newline
	done bool
}

// next returns the next block in buf, which must have length blockSize; the last
// line of the text may lack its newline. Where long is true, the block is empty
// and stands for one line longer than blockSize. The end is io.EOF.
func (b *blockReader) next(buf []byte) (block []byte, long bool, err error) {
	n := copy(buf, b.rest)
	b.rest = b.rest[:0]
	if b.done && n == 0 {
		return nil, false, io.EOF
	}
	for !b.done && n < len(buf) {
		m, err := b.r.Read(buf[n:])
		n += m
		if err == io.EOF {
			b.done = true
		} else if err != nil {
			return nil, false, err
		}
	}
	if b.done {
		if n == 0 {
			return nil, false, io.EOF
		}
		return buf[:n], false, nil
	}
	if end := bytes.LastIndexByte(buf, '\n'); end >= 0 {
		b.rest = append(b.rest, buf[end+1:]...)
		return buf[:end+1], false, nil
	}
	for !b.done {
		m, err := b.r.Read(buf)
		if end := bytes.IndexByte(buf[:m], '\n'); end >= 0 {
			b.rest = append(b.rest, buf[end+1:m]...)
			b.done = errors.Is(err, io.EOF)
			return nil, true, nil
		}
		if err == io.EOF {
			b.done = true
		} else if err != nil {
			return nil, false, err
		}
	}
	return nil, true, nil
}

// cutLine splits the first line off a block, without its line end.
func cutLine(block []byte) (line, rest []byte) {
	line, rest = block, nil
	if end := bytes.IndexByte(block, '\n'); end >= 0 {
		line, rest = block[:end], block[end+1:]
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// cutField splits the first field off a line; more is false for the last one.
func cutField(line []byte) (field, rest []byte, more bool) {
	if end := bytes.IndexByte(line, ','); end >= 0 {
		return line[:end], line[end+1:], true
	}
	return line, nil, false
}
