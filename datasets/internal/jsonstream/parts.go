package jsonstream

import (
	"bytes"
	"encoding/json"
)

// Members calls f with the name and the value of each member of an object, both as they
// are written but for the quotes of the name, until f returns false. It returns false if
// the object is none.
func Members(object []byte, f func(name, value []byte) bool) bool {
	return parts(object, '{', '}', f)
}

// Elements calls f with each element of an array, as it is written, until f returns
// false. It returns false if the array is none.
func Elements(array []byte, f func(value []byte) bool) bool {
	return parts(array, '[', ']', func(_, v []byte) bool { return f(v) })
}

func parts(b []byte, opens, closes byte, f func(name, value []byte) bool) bool {
	b = bytes.TrimLeft(b, spaces)
	if len(b) == 0 || b[0] != opens {
		return false
	}
	s := Scanner{buf: b, done: true, line: 1}
	at := 1
	for first := true; ; first = false {
		c, i, err := s.next(at)
		if err != nil {
			return false
		}
		if c == closes && first {
			return blank(b[i+1:])
		}
		var name []byte
		if opens == '{' {
			end, err := s.value(i, len(b))
			if err != nil || c != '"' {
				return false
			}
			name = b[i+1 : end-1]
			if c, i, err = s.next(end); err != nil || c != ':' {
				return false
			}
			if _, i, err = s.next(i + 1); err != nil {
				return false
			}
		}
		end, err := s.value(i, len(b))
		if err != nil || end == i {
			return false
		}
		if !f(name, b[i:end]) {
			return true
		}
		if c, i, err = s.next(end); err != nil {
			return false
		}
		if at = i + 1; c == closes {
			return blank(b[at:])
		}
		if c != ',' {
			return false
		}
	}
}

const spaces = " \t\r\n"

func blank(b []byte) bool { return len(bytes.TrimLeft(b, spaces)) == 0 }

// Text returns what a string says, and false if the value is no string. It may share
// memory with the value.
func Text(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil, false
	}
	plain := value[1 : len(value)-1]
	for _, c := range plain {
		if c < ' ' || c == '\\' || c == '"' || c >= 0x80 {
			var s string
			if json.Unmarshal(value, &s) != nil {
				return nil, false
			}
			return []byte(s), true
		}
	}
	return plain, true
}
