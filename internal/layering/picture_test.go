package layering_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// pictureFile holds the picture: the first block of code below pictureHead.
const (
	pictureFile = "docs/architecture.md"
	pictureHead = "## The picture"
)

// A picture is the rows of packages, from the top. A package imports rows below its own.
type picture struct {
	row  map[string]int // by package, from 1 at the top
	line map[int]int    // of pictureFile, by row
}

// readPicture parses the picture in the text of a document. A row is packages, in braces
// where they share a beginning, and after three spaces or more what they are; a line that
// begins with a space belongs to the row above it, an empty one to none.
func readPicture(text string) (picture, error) {
	p := picture{row: map[string]int{}, line: map[int]int{}}
	inside, after := false, false
	row := 0
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, pictureHead):
			after = true
		case after && strings.HasPrefix(line, "```"):
			if inside {
				return p, nil
			}
			inside = true
		case inside && line != "" && line[0] != ' ':
			row++
			p.line[row] = i + 1
			packages, _, _ := strings.Cut(line, "   ")
			for _, name := range expand(packages) {
				if p.row[name] != 0 {
					return p, fmt.Errorf("%s:%d: %s stands in two rows", pictureFile, i+1, name)
				}
				p.row[name] = row
			}
		}
	}
	return p, fmt.Errorf("%s: no block of code below %q", pictureFile, pictureHead)
}

// expand returns the packages of a row: "a/{b, c} d" is a/b, a/c, d.
func expand(row string) []string {
	var out []string
	for row = strings.TrimSpace(row); row != ""; row = strings.TrimLeft(row, " ,") {
		end := strings.IndexAny(row, " ,{")
		if end < 0 {
			return append(out, row)
		}
		prefix := row[:end]
		if row[end] != '{' {
			out, row = append(out, prefix), row[end:]
			continue
		}
		inner, rest, _ := strings.Cut(row[end+1:], "}")
		for _, name := range strings.Split(inner, ",") {
			out = append(out, prefix+strings.TrimSpace(name))
		}
		row = rest
	}
	return out
}

// misplaced returns what is wrong with the picture of packages that import so, each with
// the line to change and what to write.
func (p picture) misplaced(imports map[string][]string) []string {
	var out []string
	users := map[string][]string{}
	for name, of := range imports {
		for _, i := range of {
			users[i] = append(users[i], name)
		}
	}
	names := make([]string, 0, len(imports))
	for name := range imports {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		row := p.row[name]
		if row == 0 {
			out = append(out, p.place(name, imports[name], users[name]))
			continue
		}
		for _, i := range imports[name] {
			if below := p.row[i]; below != 0 && below <= row {
				out = append(out, fmt.Sprintf("%s (%s:%d) imports %s (line %d), which stands no lower: turn the import round, or move one of the two in the picture",
					name, pictureFile, p.line[row], i, p.line[below]))
			}
		}
	}
	for name, row := range p.row {
		if _, ok := imports[name]; !ok {
			out = append(out, fmt.Sprintf("%s:%d: there is no package %s: remove it from the row", pictureFile, p.line[row], name))
		}
	}
	slices.Sort(out)
	return out
}

// place says where a package that the picture lacks can stand.
func (p picture) place(name string, imports, users []string) string {
	high, low := 0, len(p.line)+1 // rows of the lowest user and of the highest import
	var above, below string
	for _, u := range users {
		if r := p.row[u]; r > high {
			high, above = r, u
		}
	}
	for _, i := range imports {
		if r := p.row[i]; r != 0 && r < low {
			low, below = r, i
		}
	}
	s := fmt.Sprintf("%s: package %s stands nowhere in the picture: ", pictureFile, name)
	switch {
	case high >= low:
		return s + fmt.Sprintf("%s (line %d) imports it and it imports %s (line %d), which stands no lower: turn an import round, or move one of them", above, p.line[high], below, p.line[low])
	case high+1 == low && high == 0:
		return s + fmt.Sprintf("add a row %q before line %d", name, p.line[low])
	case high+1 == low:
		return s + fmt.Sprintf("add a row %q between line %d (%s imports it) and line %d (it imports %s)", name, p.line[high], above, p.line[low], below)
	}
	return s + fmt.Sprintf("add it to the row in line %d, or add a row %q in its neighbourhood; it can stand in lines %d to %d", p.line[low-1], name, p.line[high+1], p.line[low-1])
}

// TestPicture holds the imports of the module against docs/architecture.md.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile("../../" + pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPicture(string(text))
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	// short is a package's path below the module; the root of it is ".".
	short := func(path string) string {
		if path == module {
			return "."
		}
		return strings.TrimPrefix(path, module+"/")
	}
	for _, of := range packages(t) {
		name := short(of.ImportPath)
		imports[name] = []string{}
		for _, i := range of.Imports {
			if below(i, module) {
				imports[name] = append(imports[name], short(i))
			}
		}
	}
	for _, fault := range p.misplaced(imports) {
		t.Error(fault)
	}
}

// TestMisplaced holds that test itself to known answers.
func TestMisplaced(t *testing.T) {
	p, err := readPicture("# A\n\n## The picture\n\n```\ntop     what it is\n\na/{b, c/d}   two\n        of them\ne f\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]string{"top": {"a/b", "f"}, "a/b": {"e"}, "a/c/d": nil, "e": nil, "f": nil}
	if got := p.misplaced(good); len(got) != 0 {
		t.Errorf("faults of a house as drawn: %q", got)
	}
	for _, c := range []struct {
		name    string
		imports []string
		want    string
	}{
		{"e", []string{"top"}, "e (docs/architecture.md:10) imports top (line 6), which stands no lower"},
		{"a/b", []string{"a/c/d"}, "a/b (docs/architecture.md:8) imports a/c/d (line 8), which stands no lower"},
		{"new", []string{"e"}, `package new stands nowhere in the picture: add it to the row in line 8, or add a row "new"`},
		{"new", []string{"top"}, `add a row "new" before line 6`},
	} {
		house := map[string][]string{}
		for name, of := range good {
			house[name] = of
		}
		house[c.name] = c.imports
		if got := p.misplaced(house); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s imports %v: faults %q, want one that says %q", c.name, c.imports, got, c.want)
		}
	}
	between := map[string][]string{"top": {"new"}, "new": {"a/b"}, "a/b": nil, "a/c/d": nil, "e": nil, "f": nil}
	if got := p.misplaced(between); len(got) != 1 || !strings.Contains(got[0], `add a row "new" between line 6 (top imports it) and line 8 (it imports a/b)`) {
		t.Errorf("between two rows: faults %q", got)
	}
	delete(good, "f")
	good["top"] = nil
	if got := p.misplaced(good); len(got) != 1 || !strings.Contains(got[0], "there is no package f") {
		t.Errorf("without f: faults %q", got)
	}
	if _, err := readPicture("## The picture\n\n```\na\na/{b} a\n```\n"); err == nil || !strings.Contains(err.Error(), ":5: a stands in two rows") {
		t.Errorf("error is %v, want one about a in two rows", err)
	}
	if _, err := readPicture("nothing"); err == nil {
		t.Error("a picture was read from nothing")
	}
}
