package foreign

import (
	"bytes"
	"io"
	"testing"
)

// Frames come back as they were written; of bytes that are none, nothing is taken.
func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	for _, p := range []string{"", "payload"} {
		if err := writeFrame(&b, frameRows, []byte(p)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add([]byte{'R', 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := frameReader{r: bytes.NewReader(raw)}
		at := 0
		for {
			kind, payload, err := r.next()
			if err != nil {
				if err == io.EOF && len(raw)-at >= 5+4+maxFrame {
					t.Fatal("the end before the end")
				}
				return
			}
			var again bytes.Buffer
			if err := writeFrame(&again, kind, payload); err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(raw[at:], again.Bytes()) {
				t.Fatalf("frame %q of %q is not what was sent", kind, payload)
			}
			at += again.Len()
			cells := make([][]byte, 3)
			for len(payload) > 0 {
				rest, err := decodeRow(payload, cells)
				if err != nil {
					break
				}
				if len(rest) >= len(payload) {
					t.Fatal("a row of no bytes")
				}
				payload = rest
			}
		}
	})
}
