package strictjson_test

import (
	"testing"

	"github.com/incendio-faas/incendio/internal/strictjson"
)

func TestDecode(t *testing.T) {
	for in, ok := range map[string]bool{
		`{"a": 1}`:         true,
		" {\"a\": 1}\n\t ": true,
		`{"a": 1, "b": 2}`: false,
		`{"a": "1"}`:       false,
		`{"a": 1} {}`:      false,
		`{"a": 1} x`:       false,
		`{"a": 1`:          false,
		``:                 false,
	} {
		var v struct{ A int }
		err := strictjson.Decode([]byte(in), &v)
		if (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
		if ok && v.A != 1 {
			t.Errorf("%q: a is %d", in, v.A)
		}
	}
}
