package parquet

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"unsafe"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/klauspost/compress/zstd"
)

// Columns are encoded here and not by Arrow's column writers, which box every value on
// the way to the dictionary and make a new zstd encoder for every page: the ingest of a
// day of 46,412 functions with 5.1 million counts took 3.0 s of CPU with them and takes
// 1.3 s without, for files of the same size. Arrow still writes the footer, and reads.
//
// A chunk, the part of a column in one row group, is encoded in one of two ways:
//
//   - RLE_DICTIONARY where no more than half of its values are distinct: a dictionary
//     page, in ascending order for integers, and the places in it, as runs where a run
//     is 16 long on average (the column function), else as one or two whole bytes each
//     (minute, count). The format would allow fewer bits, but zstd shortens whole bytes
//     better than values that straddle them, and faster than 4 or 8 bytes a value.
//   - PLAIN otherwise: names, measurements.
//
// Which of them follows from the values alone, a chunk never mixes the two, and zstd
// gets whole pages: equal columns give equal bytes, whoever encodes them.

// A chunk is an encoded and compressed column of a row group.
type chunk struct {
	pages        []byte // dictionary page, if any, and data pages, with their headers
	dictionary   int    // bytes of the dictionary page, 0 without
	dataPages    int32
	uncompressed int64
	values       int64 // or empty lists
	stats        metadata.EncodedStatistics
}

const (
	// maxDictionary bounds the distinct values of a chunk to what two bytes number.
	maxDictionary = 1 << 16

	// pageBytes is where a page of strings ends; other pages have the rows of a group.
	pageBytes = 1 << 20

	// maxPage bounds a page, whose size the format keeps in 32 bits.
	maxPage = 1 << 30

	// maxStatistic bounds the strings that bound those of a chunk.
	maxStatistic = 64
)

// An encoder encodes chunks, one at a time.
type encoder struct {
	zstd  *zstd.Encoder
	place []uint16 // of an integer near the smallest in the dictionary
	index []uint16
	body  []byte
}

var encoders = sync.Pool{New: func() any {
	// The default level takes 13 % off the size of a day of counts with its functions, and
	// adds a fifth to the CPU of the whole ingest.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true))
	if err != nil {
		panic(err) // the options are constant and valid
	}
	return &encoder{zstd: z, place: make([]uint16, maxDictionary)}
}}

// encode encodes the rows of c as one chunk.
func encode(c Column) (*chunk, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	switch v := c.Data.(type) {
	case []int32:
		return encodeIntegers(e, v, nil)
	case []int64:
		return encodeIntegers(e, v, nil)
	case []float64:
		return e.floats(v, nil)
	case []bool:
		return e.bools(v)
	case []string:
		return e.strings(v)
	case [][]int64:
		l := flatten(v)
		return encodeIntegers(e, l.values, &l.levels)
	case [][]float64:
		l := flatten(v)
		return e.floats(l.values, &l.levels)
	}
	return nil, fmt.Errorf("a column of %T cannot be stored", c.Data)
}

// levels say which values belong to one list, after Dremel: the definition level of an
// empty list is 0 and that of an element 1, the repetition level is 1 for all elements
// of a list but its first.
type levels struct {
	n                      int
	definition, repetition []byte // a bit each, from the lowest
}

type list[T any] struct {
	values []T
	levels levels
}

func flatten[T any](rows [][]T) list[T] {
	var l list[T]
	for _, row := range rows {
		if len(row) == 0 {
			l.levels.add(0, 0)
		}
		for i, v := range row {
			l.values = append(l.values, v)
			l.levels.add(1, byte(min(i, 1)))
		}
	}
	return l
}

func (l *levels) add(definition, repetition byte) {
	if l.n%8 == 0 {
		l.definition, l.repetition = append(l.definition, 0), append(l.repetition, 0)
	}
	l.definition[l.n/8] |= definition << (l.n % 8)
	l.repetition[l.n/8] |= repetition << (l.n % 8)
	l.n++
}

// appendTo writes the levels as a page begins with them.
func (l *levels) appendTo(body []byte) []byte {
	for _, bits := range [][]byte{l.repetition, l.definition} {
		at := len(body)
		body = append(body, 0, 0, 0, 0)
		body = binary.AppendUvarint(body, uint64(len(bits))<<1|1) // a run of groups of eight
		body = append(body, bits...)
		binary.LittleEndian.PutUint32(body[at:], uint32(len(body)-at-4))
	}
	return body
}

// begin starts the body of a data page.
func (e *encoder) begin(l *levels) {
	e.body = e.body[:0]
	if l != nil {
		e.body = l.appendTo(e.body)
	}
}

// newChunk returns a chunk without pages for n values.
func newChunk(n int, l *levels) *chunk {
	if l != nil {
		return &chunk{values: int64(l.n)}
	}
	c := &chunk{values: int64(n)}
	c.stats.HasNullCount = true
	return c
}

// bounds records the smallest and the largest value.
func (c *chunk) bounds(low, high []byte, signed bool) {
	c.stats.Signed = signed
	c.stats.SetMin(low).SetMax(high)
}

// page appends a page of n values.
func (e *encoder) page(c *chunk, n int64, kind byte, encoding parquet.Encoding, body []byte) error {
	if len(body) > maxPage {
		return fmt.Errorf("%d values take %d bytes: must be at most %d", n, len(body), maxPage)
	}
	// The header gives the size of what follows it, so that is compressed first.
	compressed := e.zstd.EncodeAll(body, nil)
	before := len(c.pages)
	c.pages = appendPageHeader(c.pages, kind, len(body), len(compressed), n, encoding)
	c.uncompressed += int64(len(c.pages) - before + len(body))
	c.pages = append(c.pages, compressed...)
	if kind == dictionaryPage {
		c.dictionary = len(c.pages)
	} else {
		c.dataPages++
	}
	return nil
}

// places writes the places of the values in a dictionary of n.
func (e *encoder) places(c *chunk, n int) error {
	width := 1 // bytes of a place
	if n > 1<<8 {
		width = 2
	}
	e.body = append(e.body, byte(8*width))
	runs := 0
	for i, v := range e.index {
		if i == 0 || v != e.index[i-1] {
			runs++
		}
	}
	if runs*16 <= len(e.index) {
		for i := 0; i < len(e.index); {
			v, from := e.index[i], i
			for i < len(e.index) && e.index[i] == v {
				i++
			}
			e.body = binary.AppendUvarint(e.body, uint64(i-from)<<1)
			e.body = append(e.body, byte(v))
			if width == 2 {
				e.body = append(e.body, byte(v>>8))
			}
		}
	} else {
		groups := (len(e.index) + 7) / 8
		e.body = binary.AppendUvarint(e.body, uint64(groups)<<1|1)
		at := len(e.body)
		e.body = slices.Grow(e.body, groups*8*width)[:at+groups*8*width]
		out := e.body[at:]
		clear(out[len(e.index)*width:])
		if width == 1 {
			for i, v := range e.index {
				out[i] = byte(v)
			}
		} else {
			for i, v := range e.index {
				out[2*i], out[2*i+1] = byte(v), byte(v>>8)
			}
		}
	}
	return e.page(c, c.values, dataPage, parquet.Encodings.RLEDict, e.body)
}

// pays reports whether a dictionary of so many entries pays for n values.
func pays(entries, n int) bool { return entries <= n/2 && entries <= maxDictionary }

// encodeIntegers encodes integers, which are the elements of lists where l is not nil.
func encodeIntegers[T int32 | int64](e *encoder, values []T, l *levels) (*chunk, error) {
	c := newChunk(len(values), l)
	var entries []T
	if len(values) > 0 {
		low, high := slices.Min(values), slices.Max(values)
		c.bounds(appendInteger(nil, low), appendInteger(nil, high), true)
		entries = numberIntegers(e, values, low)
	}
	return c, finish(e, c, values, entries, l, appendInteger)
}

// floats encodes numbers. Their dictionary is one of bits, in which a NaN equals itself.
func (e *encoder) floats(values []float64, l *levels) (*chunk, error) {
	c := newChunk(len(values), l)
	bits := make([]uint64, len(values))
	ordered := len(values) > 0
	for i, v := range values {
		bits[i] = math.Float64bits(v)
		ordered = ordered && !math.IsNaN(v)
	}
	if ordered {
		low, high := slices.Min(values), slices.Max(values)
		if low == 0 { // the format has no order of the two zeros
			low = math.Copysign(0, -1)
		}
		if high == 0 {
			high = 0
		}
		c.bounds(appendBits(nil, math.Float64bits(low)), appendBits(nil, math.Float64bits(high)), true)
	}
	return c, finish(e, c, bits, number(e, bits), l, appendBits)
}

func (e *encoder) strings(values []string) (*chunk, error) {
	c := newChunk(len(values), nil)
	if len(values) > 0 {
		if low, high := slices.Min(values), slices.Max(values); len(low) <= maxStatistic && len(high) <= maxStatistic {
			c.bounds([]byte(low), []byte(high), false)
		}
	}
	return c, finish(e, c, values, number(e, values), nil, appendString)
}

// bools have an encoding of their own, a bit each, that the format calls PLAIN too.
func (e *encoder) bools(values []bool) (*chunk, error) {
	c := newChunk(len(values), nil)
	e.body = slices.Grow(e.body[:0], len(values)/8+1)[:(len(values)+7)/8]
	clear(e.body)
	low, high := byte(1), byte(0)
	for i, v := range values {
		bit := byte(0)
		if v {
			bit = 1
		}
		e.body[i/8] |= bit << (i % 8)
		low, high = min(low, bit), max(high, bit)
	}
	if len(values) > 0 {
		c.bounds([]byte{low}, []byte{high}, true)
	}
	return c, e.page(c, c.values, dataPage, parquet.Encodings.Plain, e.body)
}

// finish writes the pages of values: with a dictionary of the entries, whose places are
// in e.index, or without where there are none.
func finish[T any](e *encoder, c *chunk, values, entries []T, l *levels, put func([]byte, T) []byte) error {
	if len(entries) > 0 {
		e.body = e.body[:0]
		for _, v := range entries {
			e.body = put(e.body, v)
		}
		if err := e.page(c, int64(len(entries)), dictionaryPage, parquet.Encodings.Plain, e.body); err != nil {
			return err
		}
		e.begin(l)
		return e.places(c, len(entries))
	}
	e.begin(l)
	from := 0
	for i, v := range values {
		// The values of a list must not end up on another page than its levels.
		if l == nil && len(e.body) >= pageBytes {
			if err := e.page(c, int64(i-from), dataPage, parquet.Encodings.Plain, e.body); err != nil {
				return err
			}
			e.body, from = e.body[:0], i
		}
		e.body = put(e.body, v)
	}
	return e.page(c, c.values-int64(from), dataPage, parquet.Encodings.Plain, e.body)
}

// numberIntegers finds the distinct values in ascending order and writes the place of
// each value to e.index; without a result, a dictionary does not pay.
func numberIntegers[T int32 | int64](e *encoder, values []T, low T) (entries []T) {
	// Most are near the smallest and numbered by a table, the others by a map.
	near := func(v T) uint64 { return uint64(v) - uint64(low) }
	clear(e.place)
	var far map[T]uint16
	for _, v := range values {
		if d := near(v); d < uint64(len(e.place)) {
			e.place[d] = 1
		} else if _, ok := far[v]; !ok {
			if far == nil {
				far = map[T]uint16{}
			}
			if far[v] = 0; !pays(len(far), len(values)) {
				return nil
			}
		}
	}
	for d, there := range e.place {
		if there != 0 {
			e.place[d] = uint16(len(entries))
			entries = append(entries, low+T(d))
		}
	}
	entries = slices.AppendSeq(entries, maps.Keys(far))
	if !pays(len(entries), len(values)) {
		return nil
	}
	slices.Sort(entries[len(entries)-len(far):])
	for i, v := range entries[len(entries)-len(far):] {
		far[v] = uint16(len(entries) - len(far) + i)
	}
	e.index = slices.Grow(e.index[:0], len(values))[:len(values)]
	for i, v := range values {
		if d := near(v); d < uint64(len(e.place)) {
			e.index[i] = e.place[d]
		} else {
			e.index[i] = far[v]
		}
	}
	return entries
}

// number is numberIntegers for values of any kind, in the order in which they appear.
func number[T comparable](e *encoder, values []T) (entries []T) {
	// What is mostly distinct at the beginning is taken to be so to the end.
	const probe = 1 << 12
	seen := make(map[T]uint16, min(len(values), probe)/2)
	e.index = slices.Grow(e.index[:0], len(values))[:len(values)]
	for i, v := range values {
		place, ok := seen[v]
		if !ok {
			if !pays(len(seen)+1, len(values)) || i < probe && len(seen) >= probe/4*3 {
				return nil
			}
			place = uint16(len(seen))
			seen[v] = place
			entries = append(entries, v)
		}
		e.index[i] = place
	}
	return entries
}

func appendInteger[T int32 | int64](b []byte, v T) []byte {
	if unsafe.Sizeof(v) == 4 {
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(b, uint64(v))
}

func appendBits(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

// The kinds of page, and their structs in a page header.
const (
	dataPage       = 0
	dictionaryPage = 2

	dataPageField       = 5
	dictionaryPageField = 7
)

// appendPageHeader writes the struct PageHeader of parquet.thrift in Thrift's compact
// protocol. Arrow has it in an internal package only.
func appendPageHeader(b []byte, kind byte, size, compressed int, values int64, encoding parquet.Encoding) []byte {
	w := compact{b: b}
	w.integer(1, int64(kind))
	w.integer(2, int64(size))
	w.integer(3, int64(compressed))
	if kind == dictionaryPage {
		w.begin(dictionaryPageField)
		w.integer(1, values)
		w.integer(2, int64(encoding))
	} else {
		w.begin(dataPageField)
		w.integer(1, values)
		w.integer(2, int64(encoding))
		w.integer(3, int64(parquet.Encodings.RLE)) // of definition levels
		w.integer(4, int64(parquet.Encodings.RLE)) // of repetition levels
	}
	w.end()
	w.end()
	return w.b
}

// A compact writes fields of Thrift structs with numbers below 16 apart.
type compact struct {
	b    []byte
	last byte // number of the field before
}

func (w *compact) integer(field byte, v int64) {
	w.b = append(w.b, (field-w.last)<<4|5)
	w.b = binary.AppendVarint(w.b, v) // zigzag, as Thrift has it
	w.last = field
}

func (w *compact) begin(field byte) {
	w.b = append(w.b, (field-w.last)<<4|12)
	w.last = 0
}

// end closes a struct, after which none of its parent's fields may follow.
func (w *compact) end() { w.b = append(w.b, 0) }
