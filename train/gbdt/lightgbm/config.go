package lightgbm

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/internal/bom"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// A Config is a task of LightGBM's command line.
type Config struct {
	// Options are those of training, without the columns, which are numbers only when
	// the data are read: see [Config.Resolve].
	Options gbdt.Options
	// Task is train or predict; empty means that the configuration does not say.
	Task string
	// Data and Valid are paths of data files, relative to the working directory.
	Data  string
	Valid string
	// Layout is that of all data files.
	Layout Layout
	// OutputModel is the path of the model to write. Default LightGBM_model.txt.
	OutputModel string

	// RawScore asks for raw scores as predictions, LeafIndex for the leaf of each tree.
	RawScore, LeafIndex bool
	// NumIteration is the number of trees to predict with; <= 0 means all.
	NumIteration int

	// Recorded holds the keys, by their main names, that were accepted although they do
	// nothing here, because they can not change the model.
	Recorded map[string]string
	// Warnings tell which settings were overridden by others.
	Warnings []string
}

// A setting is one key=value.
type setting struct {
	name  string // as written
	value string
	where string // file:line, or the argument
}

// Parse reads a configuration from r, which is called file in errors, and the arguments,
// key=value, that override it. As in LightGBM, the first of several values of one name
// counts, the main name of a key counts before its aliases, and a shorter alias before a
// longer one. A key that is unknown, or asks for something that is not supported, is an
// error that names it, its place and the known key that is most like it.
func Parse(r io.Reader, file string, args []string) (*Config, error) {
	c := &Config{Options: gbdt.DefaultOptions(), OutputModel: "LightGBM_model.txt", Recorded: map[string]string{}}
	overrides := make([]setting, 0, len(args))
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("argument %q must be key=value", a)
		}
		overrides = append(overrides, setting{clean(name), clean(value), fmt.Sprintf("argument %q", a)})
	}
	settings, marked, err := scan(r, file)
	if err != nil {
		return nil, err
	}
	if marked {
		c.Warnings = append(c.Warnings, file+": a byte order mark at the beginning was left out; LightGBM would take it for a part of the first key")
	}
	chosen := map[*key]setting{}
	if err := c.choose(chosen, overrides); err != nil {
		return nil, err
	}
	given := map[*key]bool{}
	for k := range chosen {
		given[k] = true
	}
	// What an argument sets, the file can not.
	var rest []setting
	for _, s := range settings {
		k, err := lookUp(s)
		if err != nil {
			return nil, err
		}
		if !given[k] {
			rest = append(rest, s)
		}
	}
	if err := c.choose(chosen, rest); err != nil {
		return nil, err
	}
	return c, c.apply(chosen)
}

// scan returns the settings of a file, and whether it began with a byte order mark. A #
// begins a comment.
func scan(r io.Reader, file string) (out []setting, marked bool, err error) {
	in := bufio.NewReader(r)
	start, _ := in.Peek(len(bom.UTF8)) // an error comes again
	if marked, err = dropMark(start, file); err != nil {
		return nil, false, err
	}
	if marked {
		in.Discard(len(bom.UTF8))
	}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || clean(name) == "" {
			return nil, false, &SyntaxError{file, n, fmt.Sprintf("must be key=value, got %q", clip(line))}
		}
		out = append(out, setting{clean(name), clean(value), fmt.Sprintf("%s:%d", file, n)})
	}
	if err := lines.Err(); err != nil {
		return nil, false, fmt.Errorf("%s: %w", file, err)
	}
	return out, marked, nil
}

// clean removes white space and quotation marks around s.
func clean(s string) string {
	return strings.Trim(strings.TrimSpace(s), `"'`)
}

// choose picks one setting for each key.
func (c *Config) choose(chosen map[*key]setting, settings []setting) error {
	for _, s := range settings {
		k, err := lookUp(s)
		if err != nil {
			return err
		}
		old, ok := chosen[k]
		if ok && !before(k, s.name, old.name) {
			old, s = s, old // old is what is dropped
		}
		chosen[k] = s
		if ok && old.value != s.value {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: %s=%s has no effect, because %s sets %s=%s", old.where, old.name, old.value, s.where, s.name, s.value))
		}
	}
	return nil
}

// before reports whether name a of a key counts before its name b.
func before(k *key, a, b string) bool {
	switch {
	case a == b || b == k.name:
		return false
	case a == k.name:
		return true
	case len(a) != len(b):
		return len(a) < len(b)
	}
	return a < b
}

// apply sets the fields of c.
func (c *Config) apply(chosen map[*key]setting) error {
	order := make([]*key, 0, len(chosen))
	for k := range chosen {
		order = append(order, k)
	}
	// seed sets other seeds, which have their own keys too: in the order of the table it
	// comes first.
	slices.SortFunc(order, func(a, b *key) int { return a.place - b.place })
	for _, k := range order {
		s := chosen[k]
		switch {
		case k.set != nil:
			if err := k.set(c, s.value); err != nil {
				return fmt.Errorf("%s: %s %w", s.where, s.name, err)
			}
		case k.unsupported != "" && !k.inert(s.value):
			return fmt.Errorf("%s: %s=%s is not supported: %s", s.where, s.name, s.value, k.unsupported)
		default:
			c.Recorded[k.name] = s.value
		}
	}
	return nil
}

// Resolve returns the options for a table as it was read. A list of values per feature
// that has not as many values as there are features is an error, as is a table whose
// features LightGBM would find by chance.
func (c *Config) Resolve(d *Data) (gbdt.Options, error) {
	o := c.Options
	features := len(d.Table.Columns)
	for i := range keys {
		k := &keys[i]
		v, ok := c.Recorded[k.name]
		if !ok || k.each == "" || v == "" {
			continue
		}
		if n := strings.Count(v, ",") + 1; n != features {
			return o, fmt.Errorf("%s=%s must have a value for each of the %d features, as LightGBM demands, got %d", k.name, clip(v), features, n)
		}
		if k.name == "max_bin_by_feature" && slices.ContainsFunc(strings.Split(v, ","), func(n string) bool { return n != strconv.Itoa(o.MaxBin) }) {
			return o, fmt.Errorf("%s=%s is not supported: max_bin=%d holds for all features", k.name, clip(v), o.MaxBin)
		}
	}
	if n := o.BinConstructSampleCnt; d.added > 0 && d.Table.Rows > n {
		return o, fmt.Errorf("%d lines have more values than the first, and LightGBM takes these for features only if they are among the %d rows of bin_construct_sample_cnt: all lines must have equally many values", d.added, n)
	}
	o.IgnoreColumn = d.Ignore
	o.CategoricalFeature = nil
	for _, f := range d.Categorical {
		if !slices.Contains(d.Ignore, f) {
			o.CategoricalFeature = append(o.CategoricalFeature, f)
		}
	}
	return o, nil
}
