package rows

import (
	"context"
	"fmt"
)

// Find lists the files at path.
func Find(path string) (files []File, ignored []string, err error) {
	_, files, ignored, err = find(context.Background(), path, nil, tables, nil)
	return files, ignored, err
}

// ParseObject parses a JSON object, with the scanner for plain ones where it applies,
// and by encoding/json alone.
func ParseObject(line []byte) (plain, slow []string, ok bool) {
	text := func(o *jsonObject) (out []string) {
		for _, m := range o.members {
			out = append(out, fmt.Sprintf("%q %q %t %t", m.key, m.value, m.value == nil, m.nested))
		}
		return out
	}
	var o jsonObject
	if !o.scan(line) {
		return nil, nil, false
	}
	plain = text(&o)
	if err := o.decode(line); err != nil {
		return plain, []string{err.Error()}, true
	}
	return plain, text(&o), true
}

var (
	ParseTime = parseTime
	Date      = date
)

// AddRow counts a row on a day.
func (s *Span) AddRow(n, day int64, minute int) { s.add(n, day, minute) }

// Settle decides which days make up the trace.
func (s *Span) Settle() error { return s.settle() }
