package codec_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/incendio-faas/incendio/internal/codec"
)

type value struct {
	a int32
	b float64
	c bool
	d string
	e []uint16
	f []float32
	i []int8
	g [2]int64
	h []value
}

func (v *value) code(c *codec.Codec) {
	codec.Int(c, &v.a)
	codec.Float(c, &v.b)
	codec.Bool(c, &v.c)
	codec.String(c, &v.d)
	codec.Shorts(c, &v.e)
	codec.Singles(c, &v.f)
	codec.Tinies(c, &v.i)
	codec.Fixed(c, v.g[:], codec.Int[int64])
	codec.Slice(c, &v.h, func(c *codec.Codec, v *value) { v.code(c) })
}

// TestRoundTrip: what is written is read, and no part of it is.
func TestRoundTrip(t *testing.T) {
	in := value{-1, math.Inf(-1), true, "text", []uint16{1, 65535}, []float32{0.1, 2}, []int8{-128, 3}, [2]int64{math.MinInt64, 7}, []value{{a: 5, e: []uint16{}, f: []float32{}, i: []int8{}, h: []value{}}, {d: "x", e: []uint16{}, f: []float32{}, i: []int8{}, h: []value{}}}}
	w := codec.Writer(nil)
	in.code(w)
	var out value
	r := codec.Reader(w.Bytes())
	if out.code(r); r.Err() != nil || len(r.Bytes()) != 0 || !r.Reading() {
		t.Fatalf("%v, %d bytes are left", r.Err(), len(r.Bytes()))
	}
	for k := range out.h {
		v := &out.h[k]
		v.e, v.f, v.i, v.h = []uint16{}, []float32{}, []int8{}, []value{}
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("got %+v, want %+v", out, in)
	}
	for n := range w.Bytes() {
		r := codec.Reader(w.Bytes()[:n])
		var out value
		if out.code(r); !errors.Is(r.Err(), codec.ErrTruncated) {
			t.Fatalf("%d of %d bytes: %v", n, len(w.Bytes()), r.Err())
		}
	}
	large := int64(1) << 40
	w = codec.Writer(nil)
	codec.Int(w, &large)
	var small int32
	r = codec.Reader(w.Bytes())
	if codec.Int(r, &small); r.Err() == nil {
		t.Error("a number that does not fit is read")
	}
}

// FuzzReader: no bytes let it panic or take memory beyond their number.
func FuzzReader(f *testing.F) {
	w := codec.Writer(nil)
	(&value{h: []value{{}}}).code(w)
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		var v value
		v.code(codec.Reader(data))
	})
}
