package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Changes is what differs between two bundles.
type Changes struct {
	Added   []string `json:"added"`   // files of the second only, sorted
	Removed []string `json:"removed"` // files of the first only, sorted
	Changed []string `json:"changed"` // files of both with other content or media type, sorted
	Values  []Change `json:"values"`  // of the manifest but for its files, sorted by key
}

// A Change is one value of the manifest that differs. Keys are joined with dots
// (config.gbdt.num_leaves, metrics.wape); lists are compared as wholes.
type Change struct {
	Key string          `json:"key"`
	Old json.RawMessage `json:"old,omitempty"` // absent if the first has no such key
	New json.RawMessage `json:"new,omitempty"` // absent if the second has no such key
}

// Equal reports whether nothing differs.
func (c *Changes) Equal() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Values) == 0
}

// Diff returns what changed from a to b.
func Diff(a, b *Bundle) (*Changes, error) {
	c := &Changes{Added: []string{}, Removed: []string{}, Changed: []string{}}
	before, after := byName(a), byName(b)
	for _, name := range names(before, after) {
		x, inA := before[name]
		y, inB := after[name]
		switch {
		case !inA:
			c.Added = append(c.Added, name)
		case !inB:
			c.Removed = append(c.Removed, name)
		case x != y:
			c.Changed = append(c.Changed, name)
		}
	}
	old, err := values(a)
	if err != nil {
		return nil, fmt.Errorf("diff: %w", err)
	}
	now, err := values(b)
	if err != nil {
		return nil, fmt.Errorf("diff: %w", err)
	}
	c.Values = DiffValues(old, now)
	return c, nil
}

// DiffValues returns the values that differ between two maps that Flatten returned, sorted
// by key.
func DiffValues(old, now map[string]json.RawMessage) []Change {
	out := []Change{}
	for _, key := range names(old, now) {
		if !bytes.Equal(old[key], now[key]) {
			out = append(out, Change{Key: key, Old: old[key], New: now[key]})
		}
	}
	return out
}

// names returns the keys of either map, sorted.
func names[V any](a, b map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{a, b} {
			for k := range maps.Keys(m) {
				if !yield(k) {
					return
				}
			}
		}
	}))
}

func byName(b *Bundle) map[string]Descriptor {
	m := make(map[string]Descriptor, len(b.manifest.Files))
	for _, f := range b.manifest.Files {
		m[f.Name] = f
	}
	return m
}

// values flattens the manifest, without its files, to a map of dotted keys.
func values(b *Bundle) (map[string]json.RawMessage, error) {
	var manifest map[string]json.RawMessage
	if err := json.Unmarshal(b.encoded, &manifest); err != nil {
		return nil, err
	}
	delete(manifest, "files")
	data, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	return Flatten(data)
}

// Flatten returns the values of a JSON document in canonical form, by their keys joined with
// dots. Lists and empty objects are values, and so is a document that is no object, under
// the key "".
func Flatten(document json.RawMessage) (map[string]json.RawMessage, error) {
	flat := map[string]json.RawMessage{}
	var walk func(key []string, v json.RawMessage) error
	walk = func(key []string, v json.RawMessage) error {
		var object map[string]json.RawMessage
		if len(v) > 0 && v[0] == '{' {
			if err := json.Unmarshal(v, &object); err != nil {
				return err
			}
		}
		if len(object) == 0 {
			var err error
			flat[strings.Join(key, ".")], err = CanonicalJSON(v)
			return err
		}
		for k, inner := range object {
			if err := walk(append(key[:len(key):len(key)], k), inner); err != nil {
				return err
			}
		}
		return nil
	}
	return flat, walk(nil, document)
}
