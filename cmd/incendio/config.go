package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/pipelines"
)

const envPrefix = "INCENDIO_"

// flagKeys are the flags that set a key of the configuration, where a command has them.
var flagKeys = map[string]string{
	"store": "store", "registry": "registry", "trace": "trace", "out": "out", "seed": "seed", "workers": "workers",
	"invokers": "simulation.cluster.invokers", "cores": "simulation.cluster.cores", "memory-mb": "simulation.cluster.memory_mb",
	"sharing": "simulation.cluster.sharing", "start-limit": "simulation.cluster.start_limit", "start-cpu": "simulation.cluster.start_cpu",
	"scale-arrivals": "simulation.scale_arrivals", "warmup": "simulation.warmup_minutes",
	"quarantine-limit": "quarantine_limit",
}

// config resolves the configuration: defaults, then the file, then INCENDIO_*
// variables, then flags. A run on the embedded trace without a file begins with the
// sample's settings. An unknown key is an error, wherever it stands.
func (a *app) config(flags *pflag.FlagSet) (pipelines.Config, error) {
	cfg, err := a.resolve(flags, os.Environ())
	if err != nil {
		return cfg, usage(err)
	}
	if err := cfg.Validate(); err != nil {
		return cfg, usage(err)
	}
	return cfg, nil
}

func (a *app) resolve(flags *pflag.FlagSet, environ []string) (pipelines.Config, error) {
	base := pipelines.DefaultConfig()
	all := schemaOf(base)
	known := all.open()
	env, err := readEnv(environ, known)
	if err != nil {
		return base, err
	}
	changed := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		key, ok := flagKeys[f.Name]
		if !ok {
			return
		}
		value, perr := parse(known[key].Type(), "--"+f.Name, f.Value.String())
		err = errors.Join(err, perr)
		changed[key] = value
	})
	if err != nil {
		return base, err
	}
	var file map[string]any
	switch {
	case a.configFile != "":
		file, err = readConfig(a.configFile, known)
	case chosenTrace(env, changed, base.Trace) == synthetic.Format:
		file, err = readSettings("embedded sample.yaml", "yaml", pipelines.Sample, known)
	}
	if err != nil {
		return base, err
	}

	v := viper.New()
	for key, value := range all {
		v.SetDefault(key, value.Interface())
	}
	for _, layer := range []map[string]any{file, env, changed} {
		for key, value := range layer {
			v.Set(key, value)
		}
	}
	var cfg pipelines.Config
	if err := v.UnmarshalExact(&cfg); err != nil {
		return base, fmt.Errorf("configuration: %w", err)
	}
	return cfg, nil
}

// chosenTrace is the trace that the variables and the flags ask for.
func chosenTrace(env, flags map[string]any, fallback string) string {
	for _, layer := range []map[string]any{flags, env} {
		if t, ok := layer["trace"].(string); ok {
			return t
		}
	}
	return fallback
}

// formatsOf are the endings of configuration files, with viper's names.
var formatsOf = map[string]string{".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}

// readConfig returns the values of a configuration file by key.
func readConfig(name string, known schema) (map[string]any, error) {
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

// readSettings returns the values of data by key, each of the type of its key. The
// first key that is not known, or whose value does not fit, is an error with its line.
func readSettings(name, format string, data []byte, known schema) (map[string]any, error) {
	v := viper.New()
	v.SetConfigType(format)
	if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
		text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", ""), "While parsing config: ")
		return nil, fmt.Errorf("configuration %s: %s", name, text)
	}
	out := map[string]any{}
	keys := v.AllKeys()
	slices.Sort(keys)
	for _, key := range keys {
		given := v.Get(key)
		leaf, ok := known[key]
		switch {
		case !ok && !known.section(key):
			return nil, fmt.Errorf("%s: unknown key %q%s", position(name, data, key), key, known.hint(key))
		case given == nil: // left out: "gates:" with every line below it commented out
		case !ok:
			return nil, fmt.Errorf("%s: %s must be a section of keys, got %v", position(name, data, key), key, given)
		default:
			value, err := convert(leaf.Type(), key, given)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", position(name, data, key), err)
			}
			out[key] = value
		}
	}
	return out, nil
}

// readEnv returns the values of INCENDIO_* variables by key.
func readEnv(environ []string, known schema) (map[string]any, error) {
	byName := make(map[string]string, len(known))
	for key := range known {
		byName[variable(key)] = key
	}
	out := map[string]any{}
	for _, e := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		key, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("environment: unknown variable %s%s", name, known.hintVariable(name))
		}
		value, err := parse(known[key].Type(), name, text)
		if err != nil {
			return nil, fmt.Errorf("environment: %w", err)
		}
		out[key] = value
	}
	return out, nil
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
