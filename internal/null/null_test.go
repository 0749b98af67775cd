package null_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/incendio-faas/incendio/internal/null"
)

func TestFloat(t *testing.T) {
	for _, v := range []float64{1.25, math.NaN(), math.Inf(1)} {
		b, err := json.Marshal(null.Float(v))
		if err != nil {
			t.Fatal(err)
		}
		var got null.Float
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if finite := !math.IsNaN(v) && !math.IsInf(v, 0); finite && float64(got) != v || !finite && !math.IsNaN(float64(got)) {
			t.Errorf("%v became %s and %v", v, b, got)
		}
	}
}
