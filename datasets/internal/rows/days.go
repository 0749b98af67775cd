package rows

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// A Codec says how records of a fixed size are written and ordered.
type Codec[T any] struct {
	Size    int // bytes
	Put     func([]byte, T)
	Get     func([]byte) T
	Compare func(a, b T) int
}

// DefaultHeld is the number of records that [Days] keeps in memory.
const DefaultHeld = 1 << 21

// Days keeps records by day until their day is asked for. Up to a number of records
// are held in memory; beyond that, all of them go to a temporary file, sorted within
// their day, and a day comes back as the merger of its sorted runs. Memory is thus
// bounded whatever the order and number of the records.
type Days[T any] struct {
	codec Codec[T]
	most  int // records in memory
	held  int
	day   []*dayRecords[T]

	file *os.File
	size int64
}

type dayRecords[T any] struct {
	held []T
	runs []run
	done bool
}

// A run is a range of the temporary file, of sorted records.
type run struct{ from, to int64 }

// NewDays returns room for some days, of which most records are held in memory.
func NewDays[T any](days, most int, c Codec[T]) *Days[T] {
	d := &Days[T]{codec: c, most: most, day: make([]*dayRecords[T], days)}
	for i := range d.day {
		d.day[i] = new(dayRecords[T])
	}
	return d
}

var errDone = errors.New("a row of a day that was read to its end: the file changed while it was read")

// Add keeps a record.
func (d *Days[T]) Add(day int, record T) error {
	r := d.day[day]
	if r.done {
		return errDone
	}
	if r.held = append(r.held, record); d.held+1 < d.most {
		d.held++
		return nil
	}
	return d.spill()
}

// spill moves what is held to the file.
func (d *Days[T]) spill() error {
	if d.file == nil {
		f, err := os.CreateTemp("", "incendio-rows-")
		if err != nil {
			return fmt.Errorf("keep rows aside: %w", err)
		}
		d.file = f
		// Where the system allows it, nothing stays behind however this process ends.
		_ = os.Remove(f.Name())
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(d.file, d.size), 1<<18)
	buf := make([]byte, d.codec.Size)
	for _, r := range d.day {
		if len(r.held) == 0 {
			continue
		}
		d.sort(r.held)
		from := d.size
		for _, record := range r.held {
			d.codec.Put(buf, record)
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("keep rows aside: %w", err)
			}
		}
		d.size += int64(len(r.held) * d.codec.Size)
		r.runs = append(r.runs, run{from, d.size})
		r.held = nil
	}
	d.held = 0
	if err := w.Flush(); err != nil {
		return fmt.Errorf("keep rows aside: %w", err)
	}
	return nil
}

func (d *Days[T]) sort(records []T) {
	if !slices.IsSortedFunc(records, d.codec.Compare) {
		slices.SortFunc(records, d.codec.Compare)
	}
}

// Take yields the records of a day in order, once, and forgets them.
func (d *Days[T]) Take(day int) iter.Seq2[T, error] {
	r := d.day[day]
	r.done = true
	return func(yield func(T, error) bool) {
		d.sort(r.held)
		defer func() {
			d.held -= len(r.held)
			r.held, r.runs = nil, nil
		}()
		m := merger[T]{compare: d.codec.Compare}
		for _, part := range r.runs {
			m.heads = append(m.heads, &head[T]{codec: d.codec, r: bufio.NewReaderSize(io.NewSectionReader(d.file, part.from, part.to-part.from), 1<<15), buf: make([]byte, d.codec.Size)})
		}
		m.heads = append(m.heads, &head[T]{held: r.held})
		if err := m.open(); err != nil {
			yield(*new(T), err)
			return
		}
		for len(m.heads) > 0 {
			if !yield(m.heads[0].record, nil) {
				return
			}
			if err := m.advance(); err != nil {
				yield(*new(T), err)
				return
			}
		}
	}
}

// Close removes the temporary file.
func (d *Days[T]) Close() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	if rerr := os.Remove(d.file.Name()); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// A head is the next record of a run, in the file or in memory.
type head[T any] struct {
	record T
	held   []T

	codec Codec[T]
	r     *bufio.Reader
	buf   []byte
}

// next goes on to the next record; false at the end.
func (h *head[T]) next() (bool, error) {
	if h.r == nil {
		if len(h.held) == 0 {
			return false, nil
		}
		h.record, h.held = h.held[0], h.held[1:]
		return true, nil
	}
	if _, err := io.ReadFull(h.r, h.buf); errors.Is(err, io.EOF) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("read rows that were kept aside: %w", err)
	}
	h.record = h.codec.Get(h.buf)
	return true, nil
}

// A merger is a heap of heads, the smallest record first.
type merger[T any] struct {
	heads   []*head[T]
	compare func(a, b T) int
}

func (m *merger[T]) open() error {
	open := m.heads[:0]
	for _, h := range m.heads {
		ok, err := h.next()
		if err != nil {
			return err
		}
		if ok {
			open = append(open, h)
		}
	}
	m.heads = open
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return nil
}

// advance replaces the smallest record by the next one of its run.
func (m *merger[T]) advance() error {
	ok, err := m.heads[0].next()
	if err != nil {
		return err
	}
	if !ok {
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	}
	if len(m.heads) > 1 {
		m.down(0)
	}
	return nil
}

func (m *merger[T]) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heads); child++ {
			if m.compare(m.heads[child].record, m.heads[least].record) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heads[i], m.heads[least] = m.heads[least], m.heads[i]
		i = least
	}
}
