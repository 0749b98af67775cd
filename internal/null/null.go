// Package null has numbers that may be missing.
package null

import (
	"encoding/json"
	"math"
)

// A Float is a number that may be missing: NaN and the infinities are null in JSON, and null
// is NaN.
type Float float64

// Missing is the Float that stands for no number.
var Missing = Float(math.NaN())

// Known reports whether f is a finite number.
func (f Float) Known() bool { return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) }

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	if !f.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*f = Missing
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}
