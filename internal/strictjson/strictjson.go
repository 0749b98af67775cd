// Package strictjson decodes JSON that must be just what was expected.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Decode decodes the one JSON document of data into the value that to points to. A member
// that the value does not have, a value of another type and anything behind the document
// are errors.
func Decode(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more after the first value, expected the end")
	}
	return nil
}
