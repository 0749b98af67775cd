package main

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/pipelines"
)

// A schema is the keys of the configuration, such as "agent.hidden", with their values.
type schema map[string]reflect.Value

// schemaOf returns the keys of c, under the names that they have in JSON, with values that
// can be set.
func schemaOf(c *pipelines.Config) schema {
	s := schema{}
	s.add("", reflect.ValueOf(c).Elem())
	return s
}

// open returns the keys that a user may set.
func (s schema) open() schema {
	out := schema{}
	for key, v := range s {
		if !governed(key) {
			out[key] = v
		}
	}
	return out
}

func (s schema) add(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch field := v.Field(i); {
		case name == "-":
		case field.Kind() == reflect.Struct:
			s.add(prefix+name+".", field)
		default:
			s[prefix+name] = field
		}
	}
}

// governed reports whether a run sets the key itself, so that a value for it would do
// nothing: the seeds and the workers of the parts follow from those of the run, and each
// ensemble of trees has the objective of what it forecasts.
func governed(key string) bool {
	switch key {
	case "seed", "synthetic.seed", "workers":
		return false
	case "forecast.trees.objective", "forecast.trees.metric":
		return true
	}
	return strings.HasSuffix(key, ".seed") || strings.HasSuffix(key, ".workers")
}

// section reports whether there are keys below key.
func (s schema) section(key string) bool {
	for k := range s {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// hint says what to write instead of an unknown key, if it can be told.
func (s schema) hint(key string) string {
	if k := s.nearest(key); k != "" {
		return fmt.Sprintf("; did you mean %s?", k)
	}
	return ""
}

// hintVariable is hint for a variable of the environment.
func (s schema) hintVariable(name string) string {
	names := make([]string, 0, len(s))
	for k := range s {
		names = append(names, variable(k))
	}
	if n := closest(name, names); n != "" {
		return fmt.Sprintf("; did you mean %s?", n)
	}
	return ""
}

// nearest returns a key that is spelt like key or ends like it, or "".
func (s schema) nearest(key string) string {
	keys := make([]string, 0, len(s))
	for k := range s {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if k := closest(key, keys); k != "" {
		return k
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	for _, k := range keys {
		if k == last || strings.HasSuffix(k, "."+last) {
			return k
		}
	}
	return ""
}

// closest returns the first of names, in order, that takes the fewest changes of a
// letter to become name, at most two.
func closest(name string, names []string) string {
	slices.Sort(names)
	best, found := 3, ""
	for _, n := range names {
		if d := distance(name, n); d < best {
			best, found = d, n
		}
	}
	return found
}

// distance is the number of letters to insert, drop or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

var durationType = reflect.TypeFor[time.Duration]()

// durationRule says how durations are written.
const durationRule = "a duration like 90s, 5m or 28d"

// duration reads what [time.ParseDuration] does, and days of 24 hours before that.
func duration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 {
			return 0, fmt.Errorf("after the days: %q", rest)
		}
		d += more
	}
	return d, nil
}

// exact is the largest float64 up to which all whole numbers are one.
const exact = 1 << 53

// convert returns a value of a configuration file as type t. It is strict: a number
// is not cut to fit, and text is no number.
func convert(t reflect.Type, key string, given any) (any, error) {
	out := reflect.New(t).Elem()
	fail := func(want string) (any, error) {
		return nil, fmt.Errorf("%s must be %s, got %s", key, want, show(given))
	}
	in := reflect.ValueOf(given)
	switch {
	case t == durationType:
		if text, ok := given.(string); ok {
			return parse(t, key, text)
		}
		if !in.CanInt() || in.Int() != 0 {
			return fail(durationRule)
		}
	case t.Kind() == reflect.String:
		switch v := given.(type) {
		case string:
			out.SetString(v)
		case time.Time: // YAML reads 2026-12-24 as one
			layout := time.RFC3339
			if v.Equal(v.Truncate(24 * time.Hour)) {
				layout = time.DateOnly
			}
			out.SetString(v.Format(layout))
		default:
			return fail("text, in quotes where it looks like something else")
		}
	case t.Kind() == reflect.Bool:
		v, ok := given.(bool)
		if !ok {
			return fail("true or false")
		}
		out.SetBool(v)
	case out.CanInt():
		switch {
		case in.CanInt() && !out.OverflowInt(in.Int()):
			out.SetInt(in.Int())
		case in.CanFloat() && in.Float() == math.Trunc(in.Float()) && math.Abs(in.Float()) <= exact && !out.OverflowInt(int64(in.Float())):
			out.SetInt(int64(in.Float()))
		default:
			return fail("a whole number")
		}
	case out.CanUint():
		switch {
		case in.CanUint() && !out.OverflowUint(in.Uint()):
			out.SetUint(in.Uint())
		case in.CanInt() && in.Int() >= 0:
			out.SetUint(uint64(in.Int()))
		case in.CanFloat() && in.Float() == math.Trunc(in.Float()) && in.Float() >= 0 && in.Float() <= exact:
			out.SetUint(uint64(in.Float()))
		default:
			return fail("a whole number that is not negative")
		}
	case out.CanFloat():
		switch {
		case in.CanFloat():
			out.SetFloat(in.Float())
		case in.CanInt():
			out.SetFloat(float64(in.Int()))
		case in.CanUint():
			out.SetFloat(float64(in.Uint()))
		default:
			return fail("a number")
		}
	case t.Kind() == reflect.Slice:
		if in.Kind() != reflect.Slice {
			return fail("a list")
		}
		out.Set(reflect.MakeSlice(t, in.Len(), in.Len()))
		for i := range in.Len() {
			v, err := convert(t.Elem(), fmt.Sprintf("%s[%d]", key, i), in.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			out.Index(i).Set(reflect.ValueOf(v))
		}
	case t.Kind() == reflect.Struct:
		return convertStruct(out, key, given)
	default:
		panic(fmt.Sprintf("configuration: no values of type %v", t))
	}
	return out.Interface(), nil
}

// convertStruct fills a struct, an element of a list, from a map.
func convertStruct(out reflect.Value, key string, given any) (any, error) {
	fields := schema{}
	fields.add("", out)
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	slices.Sort(names)
	in := reflect.ValueOf(given)
	if in.Kind() != reflect.Map {
		return nil, fmt.Errorf("%s must have the keys %s, got %s", key, strings.Join(names, ", "), show(given))
	}
	keys := in.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		return strings.Compare(fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()))
	})
	for _, k := range keys {
		name := fmt.Sprint(k.Interface())
		field, ok := fields[strings.ToLower(name)]
		if !ok {
			return nil, fmt.Errorf("%s has the unknown key %q: must have %s", key, name, strings.Join(names, ", "))
		}
		v, err := convert(field.Type(), key+"."+name, in.MapIndex(k).Interface())
		if err != nil {
			return nil, err
		}
		field.Set(reflect.ValueOf(v))
	}
	return out.Interface(), nil
}

// show is a value as it stands in a message.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}

// parse returns the text of a flag or of a variable, called key, as type t: lists are
// separated by commas, lists of sections are JSON.
func parse(t reflect.Type, key, text string) (any, error) {
	fail := func(want string) (any, error) { return nil, fmt.Errorf("%s must be %s, got %q", key, want, text) }
	var given any
	var err error
	switch {
	case t == durationType:
		d, err := duration(text)
		if err != nil {
			return fail(durationRule)
		}
		return d, nil
	case t.Kind() == reflect.String:
		given = text
	case t.Kind() == reflect.Bool:
		if given, err = strconv.ParseBool(text); err != nil {
			return fail("true or false")
		}
	case reflect.Zero(t).CanInt():
		if given, err = strconv.ParseInt(text, 10, t.Bits()); err != nil {
			return fail("a whole number")
		}
	case reflect.Zero(t).CanUint():
		if given, err = strconv.ParseUint(text, 10, t.Bits()); err != nil {
			return fail("a whole number that is not negative")
		}
	case reflect.Zero(t).CanFloat():
		if given, err = strconv.ParseFloat(text, t.Bits()); err != nil {
			return fail("a number")
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		var list []map[string]any
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return fail("a list in JSON")
		}
		given = list
	case t.Kind() == reflect.Slice:
		list := reflect.MakeSlice(t, 0, 4)
		for i, item := range strings.Split(text, ",") {
			if text == "" {
				break
			}
			v, err := parse(t.Elem(), fmt.Sprintf("%s[%d]", key, i), strings.TrimSpace(item))
			if err != nil {
				return nil, err
			}
			list = reflect.Append(list, reflect.ValueOf(v))
		}
		return list.Interface(), nil
	}
	return convert(t, key, given)
}
