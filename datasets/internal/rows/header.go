package rows

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/internal/bom"
)

// Header returns the names in the first line of a CSV file, of which head is the beginning:
// without quotes and the space around them. The last one may be cut.
func Header(head []byte) []string {
	line, _, _ := bytes.Cut(bom.Trim(head), []byte("\n"))
	var names []string
	for name := range strings.SplitSeq(string(line), ",") {
		name = strings.TrimSpace(name)
		if n := len(name); n >= 2 && name[0] == '"' && name[n-1] == '"' {
			name = name[1 : n-1]
		}
		names = append(names, strings.TrimSpace(name))
	}
	return names
}

// HasColumns reports whether the header of a CSV file, of which head is the beginning, has
// all these columns, in upper or lower case.
func HasColumns(head []byte, columns ...string) bool {
	have := Header(head)
	for _, c := range columns {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, c) }) {
			return false
		}
	}
	return true
}

// HasKeys reports whether a JSON document that begins with head, an object or an array of
// them, has all these keys near its beginning.
func HasKeys(head []byte, keys ...string) bool {
	text := bytes.TrimLeft(bom.Trim(head), " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return false
	}
	for _, k := range keys {
		if !bytes.Contains(text, []byte(`"`+k+`"`)) {
			return false
		}
	}
	return true
}

// Headed picks, of the files at path, those whose headers, or the names of whose folders, have all these columns. A CSV
// file with another header is an error, as is any other file that was given alone; of a
// folder or archive, files of other kinds are left.
func Headed(path string, columns ...string) archive.Pick {
	return func(m *archive.Member, head []byte) (bool, error) {
		folders := partitionsOf(m.Path)
		own := slices.DeleteFunc(slices.Clone(columns), func(c string) bool {
			return slices.ContainsFunc(folders, func(p partition) bool { return strings.EqualFold(p.key, c) })
		})
		if len(own) > 0 && HasColumns(head, own...) {
			return true, nil
		}
		if m.Path != path && !strings.EqualFold(filepath.Ext(m.Plain()), ".csv") {
			return false, nil
		}
		if len(head) == 0 {
			return false, &datasets.SyntaxError{File: m.Path, Line: 1, Msg: "empty: expected a header with " + strings.Join(columns, ", ")}
		}
		what := list(Header(head))
		if !isText(bytes.ToValidUTF8(head, nil)) {
			what = fmt.Sprintf("%.20q", head)
		}
		return false, &datasets.SyntaxError{File: m.Path, Line: 1, Msg: fmt.Sprintf("holds %s: expected a header with %s", what, strings.Join(columns, ", "))}
	}
}
