package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The reader of a foreign file sends frames:
//
//	kind byte | length uint32 | payload | CRC-32C of kind, length and payload uint32
//
// little-endian. A file that makes the reader write nonsense is then told from one
// that was read: the last frame is frameEnd or frameError, and nothing else is an end.
const (
	frameFooter = 'F' // JSON of a footer
	frameRows   = 'R' // rows, each as cells: uvarint of length + 1 (0: null) | text
	frameError  = 'E' // what is wrong with the file
	frameEnd    = 'Z' // everything was read

	maxFrame     = 16 << 20
	maxRowsFrame = 1 << 18 // a frame of rows is sent when it has grown to this
	maxCell      = 1 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	head := make([]byte, 5, 5+len(payload)+4)
	head[0] = kind
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	frame := append(head, payload...)
	_, err := w.Write(binary.LittleEndian.AppendUint32(frame, crc32.Checksum(frame, castagnoli)))
	return err
}

// A frameReader reads frames; the payload is valid until the next.
type frameReader struct {
	r   io.Reader
	buf []byte
}

// next returns io.EOF where the stream ends, also in the middle of a frame.
func (f *frameReader) next() (kind byte, payload []byte, err error) {
	var head [5]byte
	if err := f.read(head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("its reader sent a frame of %d bytes", n)
	}
	if need := int(n) + 4; cap(f.buf) < need {
		f.buf = make([]byte, need)
	}
	f.buf = f.buf[:n+4]
	if err := f.read(f.buf); err != nil {
		return 0, nil, err
	}
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, f.buf[:n])
	if sum != binary.LittleEndian.Uint32(f.buf[n:]) {
		return 0, nil, errors.New("its reader sent a damaged frame")
	}
	return head[0], f.buf[:n], nil
}

func (f *frameReader) read(p []byte) error {
	_, err := io.ReadFull(f.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// appendCell appends one cell of a row.
func appendCell(b, text []byte) []byte {
	text = text[:min(len(text), maxCell)]
	return append(binary.AppendUvarint(b, uint64(len(text))+1), text...)
}

func appendNull(b []byte) []byte { return append(b, 0) }

// decodeRow takes the cells of one row from b.
func decodeRow(b []byte, cells [][]byte) (rest []byte, err error) {
	for i := range cells {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > maxCell+1 || n > uint64(len(b)-size)+1 {
			return nil, errors.New("its reader sent a damaged row")
		}
		b = b[size:]
		cells[i] = nil
		if n > 0 {
			cells[i], b = b[:n-1:n-1], b[n-1:]
		}
	}
	return b, nil
}
