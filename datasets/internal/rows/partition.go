package rows

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A partition is a column whose value is in the name of a folder, key=value, as Hive, Spark,
// pyarrow, DuckDB and polars write tables: the files below lack the column.
type partition struct {
	key   string
	value []byte // nil: null
}

// nullPartition is the value by which Hive and all after it name null.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// dayKeys are what a folder of a day may be called beside day.
var dayKeys = []string{"date", "dt", "ds"}

// timeKeys are what folders of a part of time are called.
var timeKeys = append([]string{"year", "month", "day", "hour"}, dayKeys...)

// isTime reports whether a key=value names a part of time.
func isTime(folder string) bool {
	key, _, ok := strings.Cut(folder, "=")
	return ok && slices.ContainsFunc(timeKeys, func(t string) bool { return strings.EqualFold(t, decoded(key)) })
}

// withoutTimes is a path without its folders of a part of time.
func withoutTimes(path string) string {
	folders := strings.Split(path, "/")
	last := len(folders) - 1
	return strings.Join(append(slices.DeleteFunc(folders[:last:last], isTime), folders[last]), "/")
}

// InFolder is the value of a column that the names of the folders above a file have, for readers of files that
// are no tables; nil where they have none.
func InFolder(f *File, column string) []byte {
	for _, p := range partitionsOf(f.Path) {
		if strings.EqualFold(p.key, column) {
			return p.value
		}
	}
	return nil
}

// partitionsOf reads the folders of a path, the innermost last. Keys and values may be
// percent-encoded.
func partitionsOf(path string) []partition {
	var all []partition
	folders := strings.Split(strings.ReplaceAll(path, "\\", "/"), "/")
	for _, folder := range folders[:len(folders)-1] {
		key, value, ok := strings.Cut(folder, "=")
		if !ok || key == "" {
			continue
		}
		p := partition{key: decoded(key), value: []byte(decoded(value))}
		if value == nullPartition || value == "" {
			p.value = nil
		}
		all = slices.DeleteFunc(all, func(q partition) bool { return q.key == p.key })
		all = append(all, p)
	}
	return all
}

// decoded undoes percent-encoding, where it is such.
func decoded(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// inFolder reports whether a folder is named after a column.
func (s *scan) inFolder(name string) bool {
	return slices.ContainsFunc(s.partitions, func(p partition) bool { return strings.EqualFold(p.key, name) })
}

// folder is the value of a column that the file lacks, from the names of its folders.
func (s *scan) folder(c Column) (value []byte, found bool, err error) {
	name := s.name(c)
	take := func(key string) *partition {
		at := slices.IndexFunc(s.partitions, func(p partition) bool { return p.key == key })
		if at < 0 {
			at = slices.IndexFunc(s.partitions, func(p partition) bool { return strings.EqualFold(p.key, key) })
		}
		if at < 0 {
			return nil
		}
		s.used = append(s.used, s.partitions[at].key)
		return &s.partitions[at]
	}
	if name == "" {
		return nil, false, nil
	}
	_, named := s.names[c.Name]
	if c.Name == "day" && !named {
		// year=2024/month=02/day=29 is a date, and a day without a year is none.
		year, month, day := take("year"), take("month"), take("day")
		switch {
		case year != nil && month != nil && day != nil:
			return fmt.Appendf(nil, "%04s-%02s-%02s", year.value, month.value, day.value), true, nil
		case day != nil && (year != nil || month != nil):
			return nil, false, fmt.Errorf("folders name a day without its month or year: expected year=, month= and day=, or day= with a date; --columns day= leaves them out")
		case day != nil:
			return day.value, true, nil
		}
		s.used = slices.DeleteFunc(s.used, func(k string) bool { return strings.EqualFold(k, "year") || strings.EqualFold(k, "month") })
		for _, key := range dayKeys {
			if p := take(key); p != nil {
				return p.value, true, nil
			}
		}
		return nil, false, nil
	}
	if p := take(name); p != nil {
		return p.value, true, nil
	}
	return nil, false, nil
}

// folders sets the cells of the columns that the file lacks and its folders have.
func (s *scan) folders(at []int, present []bool) error {
	for i, c := range s.want {
		if at[i] >= 0 {
			continue
		}
		value, found, err := s.folder(c)
		if err != nil {
			return err
		}
		if present[i] = found; found {
			s.constant = append(s.constant, i)
			s.cells[i] = value
			s.value = append(s.value, value)
		}
	}
	for _, p := range s.partitions {
		if !slices.Contains(s.used, p.key) {
			s.note(p.key + "=")
		}
	}
	return nil
}

// fill sets those cells again, where a row has nothing of its own.
func (s *scan) fill() {
	for k, i := range s.constant {
		if s.cells[i] == nil {
			s.cells[i] = s.value[k]
		}
	}
}
