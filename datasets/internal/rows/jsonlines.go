package rows

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/jsonstream"
)

// jsonLines reads one JSON object (RFC 8259) a line. Values are strings, numbers,
// true, false or null; others may only stand in columns that nobody asked for.
func (s *scan) jsonLines(ctx context.Context) error {
	row := s.object()
	err := s.lines(ctx, func(l *lineReader, line []byte) error {
		if len(bytes.TrimLeft(line, " \t")) == 0 {
			return nil
		}
		return row(l.line, line)
	})
	if err == nil && !s.started {
		return &datasets.SyntaxError{File: s.file.Path, Line: 1, Msg: "no line is a JSON object"}
	}
	return err
}

// jsonArray reads the objects of an array, as pandas' to_json(orient="records") writes it,
// one after the other.
func (s *scan) jsonArray(ctx context.Context) error {
	in, err := s.file.Text(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	objects, row := jsonstream.New(in, maxRow), s.object()
	for {
		object, line, err := objects.Next()
		switch {
		case errors.Is(err, io.EOF) && !s.started:
			return &datasets.SyntaxError{File: s.file.Path, Line: 1, Msg: "the array has no object: expected one for every row"}
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, jsonstream.ErrLong):
			s.rows++
			err = s.reject(line, Fault{LongLine, fmt.Sprintf("longer than %d bytes", maxRow)})
		case err != nil:
			if syntax := (*jsonstream.SyntaxError)(nil); errors.As(err, &syntax) {
				return &datasets.SyntaxError{File: s.file.Path, Line: syntax.Line, Msg: syntax.Msg}
			}
			return s.file.ReadError(err)
		default:
			err = row(line, object)
		}
		if err != nil {
			return err
		}
	}
}

// object returns what reads a row from an object.
func (s *scan) object() func(line int, object []byte) error {
	keys := make([]string, len(s.want)) // of the wanted columns in this file
	var o jsonObject
	return func(line int, object []byte) error {
		s.rows++
		if err := o.parse(object); err != nil {
			return s.reject(line, Fault{BadJSON, err.Error()})
		}
		if !s.started {
			have := make([]string, len(o.members))
			nested := len(o.members) > 0
			for i, m := range o.members {
				have[i] = string(m.key)
				nested = nested && m.nested
			}
			if nested {
				return &datasets.SyntaxError{File: s.file.Path, Line: line, Msg: `an object of columns, as pandas' to_json writes by default: expected an object for every row, as to_json(orient="records") has`}
			}
			at, err := s.resolve(have)
			if err != nil {
				return err
			}
			for i, c := range s.want {
				// A value that is missing in the first row may be there in others.
				if keys[i] = s.name(c); at[i] >= 0 {
					keys[i] = have[at[i]]
				}
			}
		}
		if fault := s.pick(o.members, keys); fault.Reason != "" {
			return s.reject(line, fault)
		}
		s.fill()
		return s.row(line)
	}
}

// pick sets the cells of the wanted columns.
func (s *scan) pick(members []member, keys []string) Fault {
	clear(s.cells)
	seen := uint64(0) // of the wanted columns; there are fewer than 64
next:
	for _, m := range members {
		for i, k := range keys {
			if string(m.key) != k {
				continue
			}
			if seen&(1<<i) != 0 {
				return Fault{BadJSON, fmt.Sprintf("key %.40q is there twice", k)}
			}
			seen |= 1 << i
			if m.nested {
				return Fault{BadJSON, fmt.Sprintf("value of %.40q: must be a string or a number", k)}
			}
			s.cells[i] = m.value
			continue next
		}
		if len(s.extra) < maxExtra {
			s.note(string(m.key))
		}
	}
	return Fault{}
}

// A member is one key of an object and the text of its value.
type member struct {
	key    []byte
	value  []byte // of a string without its quotes; nil for null
	nested bool   // an object or a list, which has no text
}

// A jsonObject parses objects.
type jsonObject struct{ members []member }

// parse parses one object. Plain ones are scanned here; what has escapes or nested
// values, or looks wrong, goes to encoding/json, which decides.
func (o *jsonObject) parse(line []byte) error {
	if !utf8.Valid(line) {
		return errors.New("not UTF-8")
	}
	if o.scan(line) {
		return nil
	}
	return o.decode(line)
}

// scan parses an object without escapes and nested values; false says that it is none.
func (o *jsonObject) scan(b []byte) bool {
	o.members = o.members[:0]
	b, ok := expect(b, '{')
	if !ok {
		return false
	}
	if rest, ok := expect(b, '}'); ok {
		return len(space(rest)) == 0
	}
	for {
		var m member
		if m.key, b, ok = plainString(b); !ok {
			return false
		}
		if b, ok = expect(b, ':'); !ok {
			return false
		}
		if b = space(b); len(b) > 0 && b[0] == '"' {
			m.value, b, ok = plainString(b)
		} else {
			m.value, b, ok = literal(b)
		}
		if !ok {
			return false
		}
		o.members = append(o.members, m)
		if b = space(b); len(b) == 0 {
			return false
		}
		if b[0] == '}' {
			return len(space(b[1:])) == 0
		}
		if b, ok = expect(b, ','); !ok {
			return false
		}
	}
}

func space(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// expect takes a character, after space.
func expect(b []byte, c byte) (rest []byte, ok bool) {
	if b = space(b); len(b) == 0 || b[0] != c {
		return nil, false
	}
	return b[1:], true
}

// plainString takes a string without escapes, after space.
func plainString(b []byte) (text, rest []byte, ok bool) {
	if b, ok = expect(b, '"'); !ok {
		return nil, nil, false
	}
	for i, c := range b {
		switch {
		case c == '"':
			return b[:i:i], b[i+1:], true
		case c == '\\' || c < ' ':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// literal takes a number, true, false or null.
func literal(b []byte) (text, rest []byte, ok bool) {
	n := 0
	for n < len(b) && b[n] != ',' && b[n] != '}' && b[n] > ' ' {
		n++
	}
	text, rest = b[:n:n], b[n:]
	switch string(text) {
	case "null":
		return nil, rest, true
	case "true", "false", "NaN", "Infinity", "-Infinity": // the last three as Python's json writes them
		return text, rest, true
	}
	return text, rest, isNumber(text)
}

// isNumber reports whether text is a number after RFC 8259, section 6.
func isNumber(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	whole, rest := digits(text)
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if len(rest) > 0 && rest[0] == '.' {
		var fraction []byte
		if fraction, rest = digits(rest[1:]); len(fraction) == 0 {
			return false
		}
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		if rest = rest[1:]; len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		var exponent []byte
		if exponent, rest = digits(rest); len(exponent) == 0 {
			return false
		}
	}
	return len(rest) == 0
}

// digits takes the decimal digits that text begins with.
func digits(text []byte) (d, rest []byte) {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return text[:n], text[n:]
}

// nonFinite are the numbers that JSON has no place for, as Python's json writes them. Within
// a string a colon comes before such a word only where nobody asks for the value.
var nonFinite = regexp.MustCompile(`(:\s*)(?:NaN|-?Infinity)`)

// decode parses any object.
func (o *jsonObject) decode(line []byte) error {
	o.members = o.members[:0]
	d := json.NewDecoder(bytes.NewReader(nonFinite.ReplaceAll(line, []byte("${1}null"))))
	d.UseNumber()
	if t, err := d.Token(); err != nil {
		return complaint(err)
	} else if t != json.Delim('{') {
		return errors.New("must be a JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return complaint(err)
		}
		m := member{key: []byte(key.(string))} // a decoder admits no other token as a key
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return complaint(err)
		}
		switch raw[0] {
		case '{', '[':
			m.nested = true
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return complaint(err)
			}
			m.value = []byte(text)
		case 'n':
		default:
			m.value = raw
		}
		o.members = append(o.members, m)
	}
	if _, err := d.Token(); err != nil {
		return complaint(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// complaint says what encoding/json found.
func complaint(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON object is cut short")
	}
	return fmt.Errorf("no JSON: %w", err)
}
