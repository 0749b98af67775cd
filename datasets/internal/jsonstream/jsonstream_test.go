package jsonstream_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets/internal/jsonstream"
)

// scan returns the objects with their lines, and the last error but io.EOF.
func scan(r io.Reader, most int, wrappers ...string) (out []string, err error) {
	s := jsonstream.New(r, most, wrappers...)
	for {
		object, line, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.Is(err, jsonstream.ErrLong):
			out = append(out, fmt.Sprintf("%d:long", line))
		case err != nil:
			return out, err
		default:
			out = append(out, fmt.Sprintf("%d:%s", line, object))
		}
	}
}

func TestObjects(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"nothing", " \n ", nil, ""},
		{"one after the other", `{"a":1}{"b":[{"c":2}]}` + "\n\n{}", []string{`1:{"a":1}`, `1:{"b":[{"c":2}]}`, "3:{}"}, ""},
		{"lines with commas between arrays", "[{\"a\":1}]\n[{\"a\":2},\n{\"a\":3}]", []string{`1:{"a":1}`, `2:{"a":2}`, `3:{"a":3}`}, ""},
		{"an empty array", "[ ]", nil, ""},
		{"a wrapper", `{"total_rows":2,"rows":[{"doc":{"rows":1}},{"x":"]}\"["}],"z":[[]]}`, []string{`1:{"doc":{"rows":1}}`, `1:{"x":"]}\"["}`}, ""},
		{"a wrapper in a wrapper", `{"status":"success","data":{"type":"m","result":[{"a":1}]}}`, []string{`1:{"a":1}`}, ""},
		{"a wrapper by name alone", `{"rows":3}`, []string{`1:{"rows":3}`}, ""},
		{"a name with an escape", `{"\u0072ows":[{}]}`, []string{"1:{}"}, ""},
		{"two wrappers", `{"rows":[{"a":1}],"data":{"rows":[{"a":2}]}}`, []string{`1:{"a":1}`, `1:{"a":2}`}, ""},
		{"long ones", `[{"a":"` + strings.Repeat("x", 100) + `"},{"a":1}]{"b":["` + strings.Repeat("\\\"", 100) + `"],"c":{"d":1}}` + "\n{}", []string{"1:long", `1:{"a":1}`, "1:long", "2:{}"}, ""},
		{"a long one of many members", `{"a":"` + strings.Repeat(`","a":"`, 30) + `"} {"b":1}`, []string{"1:long", `1:{"b":1}`}, ""},
		{"no object", "\n7", nil, "line 2: '7': expected an object or an array of objects"},
		{"an array of numbers", "[1]", nil, "line 1: '1': expected an object"},
		{"an array of arrays", "[[{}]]", nil, "line 1: '[': expected an object"},
		{"cut", `{"a":1}` + "\n[{\"a\":", []string{`1:{"a":1}`}, "line 2: the document ends in the middle"},
		{"cut in a wrapper", `{"rows":[{"a":1},`, []string{`1:{"a":1}`}, "line 1: the document ends in the middle"},
		{"cut in a string", `{"a":"b`, nil, "line 1: the document ends in the middle"},
		{"no comma", `[{"a":1}{"a":2}]`, []string{`1:{"a":1}`}, `line 1: '{': expected a comma or ']'`},
		{"a comma at the end", `[{"a":1},]`, []string{`1:{"a":1}`}, `line 1: ']': expected an object`},
		{"crossed brackets", `[{"a":[}]]`, nil, `line 1: '}' closes no bracket`},
		{"no colon", `{"a" 1}`, nil, `line 1: '1': expected ':'`},
		{"no name", `{1:2}`, nil, `line 1: '1': expected the name of a member`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.text), "by bytes": iotest.OneByteReader(strings.NewReader(c.text)), "with its end": iotest.DataErrReader(strings.NewReader(c.text))} {
				got, err := scan(r, 90, "rows", "data", "result")
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: %q, expected %q", name, got, c.want)
				}
				if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
					t.Errorf("%s: error %v, expected %q", name, err, c.err)
				}
			}
		})
	}
}

func TestDepth(t *testing.T) {
	_, err := scan(strings.NewReader(`{"a":`+strings.Repeat("[", 20_000)), 1<<20)
	if err == nil || err.Error() != "line 1: brackets are nested more than 10000 deep" {
		t.Errorf("error %v", err)
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	got, err := scan(io.MultiReader(strings.NewReader(`{"a":1}{"b"`), iotest.ErrReader(broken)), 100)
	if !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("%q, error %v", got, err)
	}
}

// Memory does not grow with the document.
func TestMemory(t *testing.T) {
	object := []byte(`{"name":"f","logs":["` + strings.Repeat("x", 500) + `"]},`)
	n := 0
	r := readerFunc(func(p []byte) (int, error) {
		if n++; n > 20_000 {
			return 0, io.EOF
		}
		return copy(p, object), nil
	})
	s := jsonstream.New(io.MultiReader(strings.NewReader(`{"rows":[`), r, strings.NewReader(`{}]}`)), 1<<20, "rows")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for {
		if _, _, err := s.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; n < 20_000 || got > 1<<20 {
		t.Errorf("%d bytes allocated for %d objects", got, n)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func jsonValue(depth int) *rapid.Generator[any] {
	scalar := rapid.OneOf(rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int32().AsAny(), rapid.String().AsAny())
	if depth == 0 {
		return scalar
	}
	inner := jsonValue(depth - 1)
	return rapid.OneOf(scalar, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())
}

// Whatever encoding/json writes comes apart into what it was made of, however the bytes
// arrive.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects := rapid.SliceOfN(rapid.MapOfN(rapid.String(), jsonValue(2), 0, 5), 0, 6).Draw(t, "objects")
		indent := rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent")
		var document any = objects
		wrapped := rapid.Bool().Draw(t, "wrapped")
		if wrapped {
			document = map[string]any{"a": 1, "rows": objects, "z": []int{1}}
		}
		text, err := json.MarshalIndent(document, "", indent)
		if err != nil {
			t.Fatal(err)
		}
		s := jsonstream.New(&choppy{t, text}, 1<<20, "rows")
		for i, want := range objects {
			got, _, err := s.Next()
			if err != nil {
				t.Fatalf("object %d: %v", i, err)
			}
			members := map[string]any{}
			ok := jsonstream.Members(got, func(name, value []byte) bool {
				key, ok := jsonstream.Text(append(append([]byte{'"'}, name...), '"'))
				if !ok {
					t.Fatalf("name %q", name)
				}
				var v any
				if err := json.Unmarshal(value, &v); err != nil {
					t.Fatalf("value %q: %v", value, err)
				}
				if list, is := v.([]any); is {
					n := 0
					if !jsonstream.Elements(value, func([]byte) bool { n++; return true }) || n != len(list) {
						t.Fatalf("%d elements of %q", n, value)
					}
				}
				members[string(key)] = v
				return true
			})
			if !ok {
				t.Fatalf("%q is no object", got)
			}
			a, _ := json.Marshal(members)
			b, _ := json.Marshal(want)
			if !bytes.Equal(a, b) {
				t.Fatalf("%s, expected %s", a, b)
			}
		}
		if got, _, err := s.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("%q, error %v; expected the end", got, err)
		}
	})
}

// choppy reads a few bytes at a time.
type choppy struct {
	t    *rapid.T
	rest []byte
}

func (c *choppy) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:rapid.IntRange(1, len(c.rest)).Draw(c.t, "bytes")])
	c.rest = c.rest[n:]
	return n, nil
}

// What encoding/json takes for a list of objects is one; nothing panics or is endless.
func FuzzObjects(f *testing.F) {
	for _, s := range []string{`[{"a":1}]`, `{"rows":[{}]}`, `{"a":"\"`, `{}{}`, `{"rows":{"rows":[`, `{"a":1,"rows":[{"b":[]}],"c":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := scan(bytes.NewReader(b), 100, "rows")
		slow, serr := scan(iotest.OneByteReader(bytes.NewReader(b)), 100, "rows")
		if !slices.Equal(got, slow) || fmt.Sprint(err) != fmt.Sprint(serr) {
			t.Errorf("%q, %v; by bytes %q, %v", got, err, slow, serr)
		}
		var list []map[string]json.RawMessage
		if json.Unmarshal(b, &list) == nil && bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) && !bytes.Contains(b, []byte("null")) && (err != nil || len(got) != len(list)) {
			t.Errorf("%d objects, error %v; expected %d", len(got), err, len(list))
		}
		jsonstream.Elements(b, func(v []byte) bool { jsonstream.Text(v); return true })
	})
}

func BenchmarkNext(b *testing.B) {
	object := `{"activationId":"0123456789abcdef","name":"f","logs":["` + strings.Repeat("a line of a log ", 20) + `"],"annotations":[{"key":"kind","value":"nodejs:20"},{"key":"waitTime","value":12}],"start":1700000000000}`
	text := "[" + strings.Repeat(object+",\n", 2000) + "{}]"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s := jsonstream.New(strings.NewReader(text), 1<<20, "rows")
		for {
			if _, _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
