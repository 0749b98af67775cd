package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// A tail counts what is behind the end of a compression and no further piece of it. It is left, as
// gzip and bzip2 do; zeros are padding and do not count.
type tail struct {
	after int64
	ended bool
}

// behind is the number of bytes that were not read.
func (t *tail) behind() int64 { return t.after }

// end counts the bytes of r, before which some were read already.
func (t *tail) end(before []byte, r io.Reader) error {
	t.ended = true
	zeros := len(bytes.Trim(before, "\x00")) == 0
	n, buf := int64(len(before)), make([]byte, 1<<12)
	for {
		m, err := r.Read(buf)
		n += int64(m)
		zeros = zeros && len(bytes.Trim(buf[:m], "\x00")) == 0
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if !zeros {
		t.after = n
	}
	return nil
}

// A tailed is a decoder that knows what is behind its end, once it was read.
type tailed interface{ behind() int64 }

// A lookback is a buffered reader that keeps what was read last.
type lookback struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error // that came after the buffer
}

// kept is how many bytes a lookback keeps: the footer of an xz, and the end of a bzip2 with a byte more.
const kept = 16

func newLookback(r io.Reader) *lookback { return &lookback{r: r, buf: make([]byte, 1<<16)} }

// fill reads until n bytes are there, or no more come.
func (l *lookback) fill(n int) {
	if l.pos+n > len(l.buf) {
		from := max(0, l.pos-kept)
		l.end = copy(l.buf, l.buf[from:l.end])
		l.pos -= from
	}
	for l.end-l.pos < n && l.err == nil {
		m, err := l.r.Read(l.buf[l.end:])
		l.end += m
		l.err = err
	}
}

func (l *lookback) ReadByte() (byte, error) {
	if l.pos == l.end {
		if l.fill(1); l.pos == l.end {
			return 0, l.err
		}
	}
	l.pos++
	return l.buf[l.pos-1], nil
}

func (l *lookback) Read(p []byte) (int, error) {
	if l.pos == l.end {
		if l.fill(1); l.pos == l.end {
			return 0, l.err
		}
	}
	n := copy(p, l.buf[l.pos:l.end])
	l.pos += n
	return n, nil
}

// Peek returns the next n bytes, at most half of the buffer, or fewer and the reason.
func (l *lookback) Peek(n int) ([]byte, error) {
	l.fill(n)
	if have := l.end - l.pos; have < n {
		return l.buf[l.pos:l.end], l.err
	}
	return l.buf[l.pos : l.pos+n], nil
}

// last returns the n bytes that were read last, or as many as there are, at most kept.
func (l *lookback) last(n int) []byte { return l.buf[max(0, l.pos-n):l.pos] }

// A bzip2Reader unpacks the streams of a bzip2 file one after the other.
type bzip2Reader struct {
	tail
	in *lookback
	r  io.Reader
}

func openBzip2(r *bufio.Reader) (io.ReadCloser, error) {
	in := newLookback(r)
	return &bzip2Reader{in: in, r: bzip2.NewReader(in)}, nil
}

func (b *bzip2Reader) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	n, err := b.r.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	// The decoder has read two bytes, or the only one, to see whether another stream follows.
	over := 0
	switch syntax := bzip2.StructuralError(""); {
	case errors.As(err, &syntax) && syntax == "bad magic value in continuation file":
		over = 2
	case errors.Is(err, io.ErrUnexpectedEOF) && endsBzip2(b.in.last(kept)):
		over = 1
	default:
		return n, err
	}
	if err := b.end(bytes.Clone(b.in.last(over)), b.in); err != nil {
		return n, err
	}
	return n, io.EOF
}

func (b *bzip2Reader) Close() error { return nil }

// endsBzip2 reports whether a stream of bzip2 ends one byte before the end of a text: with a mark of 48 bits, a
// checksum of 32, and zeros up to the next byte.
func endsBzip2(text []byte) bool {
	const mark, bytesOfEnd = 0x177245385090, 11
	if len(text) < bytesOfEnd+1 {
		return false
	}
	end := text[len(text)-1-bytesOfEnd : len(text)-1]
	for padding := range 8 {
		// The mark begins 80 + padding bits before the end.
		at := 8*bytesOfEnd - 80 - padding
		v := uint64(0)
		for bit := at; bit < at+48; bit++ {
			v = v<<1 | uint64(end[bit/8]>>(7-bit%8)&1)
		}
		if v == mark && end[bytesOfEnd-1]&(1<<padding-1) == 0 {
			return true
		}
	}
	return false
}

// An xzReader unpacks the streams of an xz file one after the other. It sees to it that a file which ends between
// two blocks is no whole file: the decoder takes the end for that of the stream.
type xzReader struct {
	tail
	in *lookback
	r  *xz.Reader
}

func openXZ(r *bufio.Reader) (io.ReadCloser, error) {
	x := &xzReader{in: newLookback(r)}
	return x, x.open()
}

// open goes on with the next stream.
func (x *xzReader) open() (err error) {
	if err := checkDictionary(x.in); err != nil {
		return err
	}
	c := xz.ReaderConfig{DictCap: lzma.MinDictCap, SingleStream: true} // the dictionary is larger where the file says so
	x.r, err = c.NewReader(x.in)
	return err
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.ended {
			return 0, io.EOF
		}
		n, err := x.r.Read(p)
		if err == nil || err != io.EOF && err.Error() != "xz: unexpected data after stream" {
			return n, err
		}
		over := 0 // the decoder has read the first byte behind the stream
		if err != io.EOF {
			over = 1
		}
		if !endsXZ(x.in.last(xzFooter+over), over) {
			return n, io.ErrUnexpectedEOF
		}
		if over == 0 {
			return n, io.EOF
		}
		x.in.pos--
		if err := x.next(); err != nil || n > 0 {
			return n, err
		}
	}
}

// next goes on to the next stream, which may stand behind zeros in fours, or to the end.
func (x *xzReader) next() error {
	for {
		head, err := x.in.Peek(len(xzMagic))
		switch {
		case string(head) == xzMagic:
			if err := x.open(); !errors.Is(err, io.EOF) {
				return err
			}
			return io.ErrUnexpectedEOF
		case len(head) >= 4 && string(head[:4]) == "\x00\x00\x00\x00":
			x.in.pos += 4
		case err != nil && !errors.Is(err, io.EOF):
			return err
		default:
			return x.end(nil, x.in)
		}
	}
}

// endsXZ reports whether a text ends, but for some bytes, with the footer of a stream.
func endsXZ(text []byte, over int) bool {
	foot := text[:max(0, len(text)-over)]
	return len(foot) == xzFooter && string(foot[10:]) == "YZ" && crc32.ChecksumIEEE(foot[4:10]) == binary.LittleEndian.Uint32(foot)
}

func (x *xzReader) Close() error { return nil }

// A zstdReader unpacks the frames of a zstd file one after the other.
type zstdReader struct {
	io.ReadCloser
	frames *zstdFrames
}

func openZstd(r *bufio.Reader) (io.ReadCloser, error) {
	frames := &zstdFrames{r: r}
	z, err := zstd.NewReader(frames, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return &zstdReader{z.IOReadCloser(), frames}, nil
}

func (z *zstdReader) behind() int64 { return z.frames.after }

// A zstdFrames passes the frames of a zstd file on and nothing behind them (RFC 8878, 3.1). It follows headers
// alone; what is damaged is for the decoder to say.
type zstdFrames struct {
	tail
	r        *bufio.Reader
	left     int64 // bytes to pass on before the next header
	inFrame  bool  // a header of a block comes next
	checksum bool  // behind the last block
}

func (z *zstdFrames) Read(p []byte) (int, error) {
	for z.left == 0 {
		if z.ended {
			return 0, io.EOF
		}
		if err := z.header(); err != nil {
			return 0, err
		}
	}
	n, err := z.r.Read(p[:min(int64(len(p)), z.left)])
	z.left -= int64(n)
	return n, err
}

// header looks at the next header, and sets how much is passed on with it. What is cut off is passed on.
func (z *zstdFrames) header() error {
	if z.inFrame {
		h, err := z.r.Peek(3)
		if err != nil {
			return z.rest(h, err)
		}
		const last, raw, rle = 1, 0, 1
		block := uint32(h[0]) | uint32(h[1])<<8 | uint32(h[2])<<16
		size := int64(block >> 3)
		if block>>1&3 == rle {
			size = 1
		}
		z.left = 3 + size
		if block&last != 0 {
			z.inFrame = false
			if z.checksum {
				z.left += 4
			}
		}
		return nil
	}
	h, err := z.r.Peek(8)
	switch {
	case len(h) >= 4 && !isZstd(h), len(h) > 0 && len(h) < 4 && errors.Is(err, io.EOF):
		return z.end(nil, z.r)
	case len(h) < 5:
		return z.rest(h, err)
	case h[0]&0xf0 == 0x50: // skippable: its size follows
		if len(h) < 8 {
			return z.rest(h, err)
		}
		z.left = 8 + int64(binary.LittleEndian.Uint32(h[4:]))
		return nil
	}
	descriptor := h[4]
	z.left = 5 + []int64{0, 1, 2, 4}[descriptor&3] // with the number of a dictionary
	if descriptor&0x20 == 0 {
		z.left++ // the size of the window
	} else if descriptor>>6 == 0 {
		z.left++ // the size of the content in a byte
	}
	z.left += []int64{0, 2, 4, 8}[descriptor>>6]
	z.inFrame, z.checksum = true, descriptor&0x04 != 0
	return nil
}

// rest passes on what is there of a header that is cut off.
func (z *zstdFrames) rest(h []byte, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if len(h) == 0 {
		return io.EOF
	}
	z.left = int64(len(h))
	return nil
}
