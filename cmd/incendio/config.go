package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/pipelines"
)

const envPrefix = "INCENDIO_"

// configFlags are the flags that set a key of the configuration, where a command has them.
// Their defaults are those of the key.
var configFlags = []struct{ flag, key, usage string }{
	{"store", "store", "`folder` of the trace store"},
	{"registry", "registry", "`folder` of the bundles (default <store>/registry)"},
	{"trace", "trace", "`name` of the trace in the store"},
	{"on", "trace", "evaluate both bundles anew on the test part of this trace of the store, by `name`"},
	{"out", "out", "run `folder` (default <store>/runs/<id>)"},
	{"seed", "seed", "seed of all random draws"},
	{"workers", "workers", "how many to compute at once (default: all cores); results do not depend on it"},
	{"invokers", "simulation.cluster.invokers", "machines of the simulated cluster"},
	{"cores", "simulation.cluster.cores", "cores of each"},
	{"memory-mb", "simulation.cluster.memory_mb", "memory of each for containers, in units of 2^20 bytes"},
	{"start-limit", "simulation.cluster.start_limit", "containers that a machine initialises at once; 0: no limit"},
	{"start-cpu", "simulation.cluster.start_cpu", "cores that a container takes while it initialises"},
	{"sharing", "simulation.cluster.sharing", "of the cores: ps, fifo, srpt, sfs or alps"},
	{"scale-arrivals", "simulation.scale_arrivals", "multiply the arrivals"},
	{"warmup", "simulation.warmup_minutes", "minutes before the window that are replayed but not counted"},
	{"quarantine-limit", "quarantine_limit", "share of rows that may be rejected"},
	{"trust-key", "trust.keys", "`file` of a public key: load only what it, or another one that is named, has signed"},
	{"seen", "trust.seen", "state `file` of this loader: demand a release statement of an alias, no older than what the file remembers"},
	{"alias", "release.alias", "`name` of the alias that is changed, or compared with"},
	{"sign-key", "release.sign_key", "`file` of a private key that signs"},
	{"valid-for", "release.valid_for", "how long loaders may take the release statement, such as 168h; 0: for ever"},
}

// trustFlags are those of them that say what a bundle has to prove.
var trustFlags = []string{"trust-key", "seen"}

// clusterFlags are those of them that describe the simulated cluster.
var clusterFlags = []string{"invokers", "cores", "memory-mb", "start-limit", "start-cpu", "sharing", "scale-arrivals", "warmup"}

// commonFlags declares flags that mean the same everywhere: those of configFlags that are
// named, or with "cluster" those of clusterFlags.
func commonFlags(f *pflag.FlagSet, names ...string) {
	cfg := pipelines.DefaultConfig()
	known := schemaOf(&cfg).open()
	sample, err := readSettings("sample.yaml", "yaml", pipelines.Sample, known)
	if err != nil {
		panic(err) // a test reads it
	}
	for _, c := range configFlags {
		if !slices.Contains(names, c.flag) && !(slices.Contains(names, "cluster") && slices.Contains(clusterFlags, c.flag)) {
			continue
		}
		v := known[c.key]
		text := show(v.Interface())
		switch v.Kind() {
		case reflect.String:
			text = v.String()
		case reflect.Slice:
			text = "" // lists that have a flag are empty by themselves
		}
		use := c.usage
		if given, ok := sample[c.key]; ok && given.value != v.Interface() {
			use += fmt.Sprintf("; %v with the embedded trace", given.value)
		}
		f.Var(&keyFlag{text: text, of: v.Type()}, c.flag, use)
	}
}

// A keyFlag is a flag that sets a key of the configuration; one of a list can be given
// several times. It implements [pflag.Value].
type keyFlag struct {
	text  string
	of    reflect.Type
	given bool
}

// String implements [pflag.Value].
func (k *keyFlag) String() string { return k.text }

// Set implements [pflag.Value].
func (k *keyFlag) Set(text string) error {
	if _, err := parse(k.of, "it", text); err != nil {
		return err
	}
	if k.of.Kind() == reflect.Slice && k.given && text != "" {
		text = strings.TrimPrefix(k.text+","+text, ",")
	}
	k.text, k.given = text, true
	return nil
}

// Type implements [pflag.Value].
func (k *keyFlag) Type() string {
	if k.of == durationType {
		return "duration"
	}
	switch k.of.Kind() {
	case reflect.Slice:
		return "strings"
	case reflect.Int:
		return "int"
	case reflect.Uint64:
		return "uint"
	case reflect.Float64:
		return "float"
	}
	return k.of.Kind().String()
}

// A setting is the value of a key, and where it was given.
type setting struct {
	value any
	place string // "c.yaml:12", "environment: INCENDIO_SEED", "--seed"
}

// config resolves the configuration: defaults, then the file, then INCENDIO_*
// variables, then flags. A run on the embedded trace without a file begins with the
// sample's settings. An unknown key is an error, wherever it stands; all errors are
// reported, each with where its value was given.
func (a *app) config(flags *pflag.FlagSet) (pipelines.Config, error) {
	cfg, places, err := a.resolve(flags, os.Environ())
	if invalid := cfg.Validate(); invalid != nil {
		err = errors.Join(err, located(invalid, places))
	}
	if err != nil {
		return cfg, usage(err)
	}
	return cfg, nil
}

// resolve returns the configuration, and where each key that does not have its default was
// given.
func (a *app) resolve(flags *pflag.FlagSet, environ []string) (pipelines.Config, map[string]string, error) {
	cfg := pipelines.DefaultConfig()
	known := schemaOf(&cfg).open()
	env, errEnv := readEnv(environ, known)
	changed, errFlags := readFlags(flags, known)
	var file map[string]setting
	var errFile error
	switch {
	case a.configFile != "":
		file, errFile = readConfig(a.configFile, known)
	case chosenTrace(cfg.Trace, env, changed) == synthetic.Format:
		file, errFile = readSettings("embedded sample.yaml", "yaml", pipelines.Sample, known)
	}
	places := map[string]string{}
	for _, layer := range []map[string]setting{file, env, changed} {
		for key, s := range layer {
			known[key].Set(reflect.ValueOf(s.value))
			places[key] = s.place
		}
	}
	return cfg, places, errors.Join(errFile, errEnv, errFlags)
}

// chosenTrace is the trace that layers ask for, of which the last is the strongest.
func chosenTrace(trace string, layers ...map[string]setting) string {
	for _, layer := range layers {
		if t, ok := layer["trace"].value.(string); ok {
			trace = t
		}
	}
	return trace
}

// located says of every error of a validation where the value was given: that of its key, or
// of the list or section that the key is in.
func located(err error, places map[string]string) error {
	var out []error
	for _, e := range option.Errors(err) {
		var o *option.Error
		if errors.As(e, &o) {
			for key := o.Key; key != ""; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
				if place, ok := places[key]; ok {
					e = fmt.Errorf("%s: %w", place, e)
					break
				}
			}
		}
		out = append(out, e)
	}
	return errors.Join(out...)
}

// readFlags returns the values of the flags that were given, by key.
func readFlags(flags *pflag.FlagSet, known schema) (map[string]setting, error) {
	out := map[string]setting{}
	var errs []error
	flags.Visit(func(f *pflag.Flag) {
		for _, c := range configFlags {
			if c.flag == f.Name {
				value, err := parse(known[c.key].Type(), "--"+f.Name, f.Value.String())
				out[c.key] = setting{value, "--" + f.Name}
				errs = append(errs, err)
			}
		}
	})
	return out, errors.Join(errs...)
}

// formatsOf are the endings of configuration files, with viper's names.
var formatsOf = map[string]string{".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}

// readConfig returns the values of a configuration file by key.
func readConfig(name string, known schema) (map[string]setting, error) {
	format, ok := formatsOf[strings.ToLower(filepath.Ext(name))]
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("configuration %s: its name must end in .yaml, .yml, .json or .toml", name)
	}
	return readSettings(name, format, data, known)
}

// readSettings returns the values of data by key, each of the type of its key. Every key
// that is not known, or whose value does not fit, is an error with its line.
func readSettings(name, format string, data []byte, known schema) (map[string]setting, error) {
	v := viper.New()
	v.SetConfigType(format)
	if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
		text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", ""), "While parsing config: ")
		return nil, fmt.Errorf("configuration %s: %s", name, text)
	}
	out := map[string]setting{}
	var errs []error
	keys := v.AllKeys()
	slices.Sort(keys)
	for _, key := range keys {
		given := v.Get(key)
		leaf, ok := known[key]
		place := position(name, data, key)
		switch {
		case !ok && !known.section(key):
			errs = append(errs, fmt.Errorf("%s: unknown key %q%s", place, key, known.hint(key)))
		case given == nil: // left out: "gates:" with every line below it commented out
		case !ok:
			errs = append(errs, fmt.Errorf("%s: %s must be a section of keys, got %v", place, key, given))
		default:
			value, err := convert(leaf.Type(), key, given)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", place, err))
				continue
			}
			out[key] = setting{value, place}
		}
	}
	return out, errors.Join(errs...)
}

// readEnv returns the values of INCENDIO_* variables by key.
func readEnv(environ []string, known schema) (map[string]setting, error) {
	byName := make(map[string]string, len(known))
	for key := range known {
		byName[variable(key)] = key
	}
	out := map[string]setting{}
	var errs []error
	for _, e := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		key, ok := byName[name]
		if !ok {
			errs = append(errs, fmt.Errorf("environment: unknown variable %s%s", name, known.hintVariable(name)))
			continue
		}
		value, err := parse(known[key].Type(), name, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("environment: %w", err))
			continue
		}
		out[key] = setting{value, "environment: " + name}
	}
	return out, errors.Join(errs...)
}

// variable is the name of the environment variable of a key.
func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// position is the file and, where it can be told, the line of a key.
func position(name string, data []byte, key string) string {
	if line := lineOf(string(data), key); line > 0 {
		return fmt.Sprintf("%s:%d", name, line)
	}
	return name
}

// lineOf returns the line of a key, from 1, or 0. It follows the indentation of YAML
// and of JSON that is written one key a line; of other layouts it takes the first line
// that gives the last part of the key a value.
func lineOf(text, key string) int {
	path := strings.Split(key, ".")
	last := path[len(path)-1]
	var at []string // the keys that enclose a line
	var indents []int
	guess := 0
	for i, l := range strings.Split(text, "\n") {
		body := strings.TrimLeft(l, " \t")
		name, _, ok := strings.Cut(body, ":")
		if !ok {
			name, _, ok = strings.Cut(body, "=")
		}
		name = strings.ToLower(strings.Trim(name, " \t\"'"))
		if guess == 0 && (ok && name == last || assigns(l, last)) {
			guess = i + 1
		}
		if !ok || strings.HasPrefix(body, "#") {
			continue
		}
		indent := len(l) - len(body)
		for len(indents) > 0 && indents[len(indents)-1] >= indent {
			at, indents = at[:len(at)-1], indents[:len(indents)-1]
		}
		at, indents = append(at, name), append(indents, indent)
		if slices.Equal(at, path) {
			return i + 1
		}
	}
	return guess
}

// assigns reports whether a line has the key among others, as in {seed: 3, out: x}.
func assigns(line, key string) bool {
	line, _, _ = strings.Cut(strings.ToLower(line), "#")
	for _, part := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("{},", r) }) {
		for _, name := range strings.FieldsFunc(part, func(r rune) bool { return r == ':' || r == '=' }) {
			if strings.Trim(name, " \t\"'") == key {
				return true
			}
		}
	}
	return false
}
