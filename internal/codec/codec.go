// Package codec writes values as bytes and reads them again, by one description of them: a
// function that names their fields in order, for both directions. Numbers have a fixed width, low byte first,
// and nothing says what they are: who reads must know the version of who wrote, and have checked a checksum.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrTruncated is the error of bytes that end before the values do.
var ErrTruncated = errors.New("codec: the bytes end too early")

// A Codec writes or reads. Once it has failed it reads zeros.
type Codec struct {
	buf  []byte // with room behind at, when it writes
	at   int    // of the next value: cheaper to move than the slice
	read bool
	err  error
}

// Writer appends to buf.
func Writer(buf []byte) *Codec { return &Codec{buf: buf[:cap(buf)], at: len(buf)} }

// Reader reads data.
func Reader(data []byte) *Codec { return &Codec{buf: data, read: true} }

// Reading reports whether c reads.
func (c *Codec) Reading() bool { return c.read }

// Bytes are what was written, or what is left to be read.
func (c *Codec) Bytes() []byte {
	if c.read {
		return c.buf[c.at:]
	}
	return c.buf[:c.at]
}

// Err is the first error.
func (c *Codec) Err() error { return c.err }

// Fail makes err the error, if there is none.
func (c *Codec) Fail(err error) {
	if c.err == nil {
		c.err, c.buf, c.at = err, nil, 0
	}
}

// Wrap says in the error, if there is one, what it is about.
func (c *Codec) Wrap(what string) {
	if c.err != nil {
		c.err = fmt.Errorf("%s: %w", what, c.err)
	}
}

// take reads n bytes.
func (c *Codec) take(n int) []byte {
	if len(c.buf)-c.at < n {
		c.Fail(ErrTruncated)
		return nil
	}
	b := c.buf[c.at : c.at+n]
	c.at += n
	return b
}

// room is where n bytes are to be written.
func (c *Codec) room(n int) []byte {
	if len(c.buf)-c.at < n {
		c.buf = slices.Grow(c.buf[:c.at], n)
		c.buf = c.buf[:cap(c.buf)]
	}
	b := c.buf[c.at : c.at+n]
	c.at += n
	return b
}

func (c *Codec) uint64() uint64 {
	if len(c.buf)-c.at < 8 {
		c.Fail(ErrTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint64(c.buf[c.at:])
	c.at += 8
	return v
}

func (c *Codec) putUint64(v uint64) {
	if len(c.buf)-c.at >= 8 {
		binary.LittleEndian.PutUint64(c.buf[c.at:], v)
		c.at += 8
		return
	}
	binary.LittleEndian.PutUint64(c.room(8), v)
}

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Int is a whole number.
func Int[T integer](c *Codec, p *T) {
	if !c.read {
		c.putUint64(uint64(*p))
		return
	}
	v := c.uint64()
	if *p = T(v); uint64(*p) != v {
		c.Fail(fmt.Errorf("codec: %d is no %T", v, *p))
	}
}

// Float is a number.
func Float[T ~float32 | ~float64](c *Codec, p *T) {
	if !c.read {
		c.putUint64(math.Float64bits(float64(*p)))
		return
	}
	*p = T(math.Float64frombits(c.uint64()))
}

// Bool is a truth.
func Bool[T ~bool](c *Codec, p *T) {
	if !c.read {
		b := byte(0)
		if *p {
			b = 1
		}
		c.room(1)[0] = b
		return
	}
	b := c.take(1)
	*p = b != nil && b[0] != 0
}

// String is a text.
func String[T ~string](c *Codec, p *T) {
	n := c.length(len(*p), 1)
	if !c.read {
		copy(c.room(n), *p)
		return
	}
	*p = T(c.take(n))
}

// length is a number of items, of so many bytes at least when they are read.
func (c *Codec) length(n, least int) int {
	Int(c, &n)
	if c.read && (n < 0 || n > (len(c.buf)-c.at)/least) {
		c.Fail(ErrTruncated)
		return 0
	}
	return n
}

// Shorts are numbers below 65536. What is read into p keeps its room where that suffices.
func Shorts[T ~uint16](c *Codec, p *[]T) {
	n := c.length(len(*p), 2)
	if !c.read {
		b := c.room(2 * n)
		for i, v := range *p {
			binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
		}
		return
	}
	b := c.take(2 * n)
	*p = resize(*p, len(b)/2)
	for i := range *p {
		(*p)[i] = T(binary.LittleEndian.Uint16(b[2*i:]))
	}
}

// Tinies are numbers of 8 bits. What is read into p keeps its room where that suffices.
func Tinies[T ~int8](c *Codec, p *[]T) {
	n := c.length(len(*p), 1)
	if !c.read {
		b := c.room(n)
		for i, v := range *p {
			b[i] = byte(v)
		}
		return
	}
	b := c.take(n)
	*p = resize(*p, len(b))
	for i := range *p {
		(*p)[i] = T(b[i])
	}
}

// Singles are numbers of 32 bits. What is read into p keeps its room where that suffices.
func Singles[T ~float32](c *Codec, p *[]T) {
	n := c.length(len(*p), 4)
	if !c.read {
		b := c.room(4 * n)
		for i, v := range *p {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(float32(v)))
		}
		return
	}
	b := c.take(4 * n)
	*p = resize(*p, len(b)/4)
	for i := range *p {
		(*p)[i] = T(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
}

// Slice are items, each by the function each. What is read into p keeps its room where that
// suffices, and nothing of the items that were there.
func Slice[S ~[]T, T any](c *Codec, p *S, each func(c *Codec, item *T)) {
	n := c.length(len(*p), 1)
	if c.read {
		*p = resize(*p, n)
		clear(*p)
	}
	for i := range *p {
		if each(c, &(*p)[i]); c.err != nil {
			return
		}
	}
}

func resize[S ~[]T, T any](s S, n int) S {
	if cap(s) < n {
		return make(S, n)
	}
	return s[:n]
}

// Fixed are the items of an array.
func Fixed[T any](c *Codec, items []T, each func(c *Codec, item *T)) {
	for i := range items {
		each(c, &items[i])
	}
}
