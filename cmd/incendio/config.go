package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
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
	"sharing": "simulation.cluster.sharing", "start-limit": "simulation.cluster.start_limit",
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
	v := viper.New()
	defaults, err := flatten(base)
	if err != nil {
		return base, err
	}
	if err := v.MergeConfigMap(defaults); err != nil {
		return base, err
	}
	known := v.AllKeys()

	var file map[string]any
	if a.configFile != "" {
		if file, err = readConfig(a.configFile, known); err != nil {
			return base, err
		}
	}
	env, err := readEnv(environ, known)
	if err != nil {
		return base, err
	}
	changed := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		if key, ok := flagKeys[f.Name]; ok {
			changed[key] = f.Value.String()
		}
	})
	if file == nil && chosenTrace(env, changed, base.Trace) == synthetic.Format {
		sample := viper.New()
		sample.SetConfigType("yaml")
		if err := sample.ReadConfig(bytes.NewReader(pipelines.Sample)); err != nil {
			return base, fmt.Errorf("embedded sample.yaml: %w", err)
		}
		if err := unknown("embedded sample.yaml", pipelines.Sample, sample.AllKeys(), known); err != nil {
			return base, err
		}
		file = sample.AllSettings()
	}
	if file != nil {
		if err := v.MergeConfigMap(file); err != nil {
			return base, err
		}
	}
	for _, layer := range []map[string]any{env, changed} {
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

func chosenTrace(env, flags map[string]any, fallback string) string {
	for _, layer := range []map[string]any{flags, env} {
		if t, ok := layer["trace"].(string); ok {
			return t
		}
	}
	return fallback
}

// flatten turns a configuration into nested maps by its JSON names, which are those of
// its keys.
func flatten(c pipelines.Config) (map[string]any, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}

// readConfig reads a configuration file and refuses keys that are not known.
func readConfig(name string, known []string) (map[string]any, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	v := viper.New()
	v.SetConfigFile(name)
	if err := v.ReadInConfig(); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", name, err)
	}
	if err := unknown(name, data, v.AllKeys(), known); err != nil {
		return nil, err
	}
	return v.AllSettings(), nil
}

// unknown reports the first key, in order, that is not known.
func unknown(name string, data []byte, keys, known []string) error {
	slices.Sort(keys)
	for _, key := range keys {
		if slices.Contains(known, key) {
			continue
		}
		last := key[strings.LastIndexByte(key, '.')+1:]
		where := name
		for i, l := range strings.Split(string(data), "\n") {
			if strings.Contains(strings.ToLower(l), last) {
				where = fmt.Sprintf("%s:%d", name, i+1)
				break
			}
		}
		return fmt.Errorf("%s: unknown key %q%s", where, key, nearest(key, known))
	}
	return nil
}

// readEnv returns the values of INCENDIO_* variables by key.
func readEnv(environ, known []string) (map[string]any, error) {
	byName := make(map[string]string, len(known))
	for _, key := range known {
		byName[envPrefix+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	out := map[string]any{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		key, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("environment: unknown variable %s%s", name, nearest(strings.ToLower(strings.TrimPrefix(name, envPrefix)), known))
		}
		out[key] = value
	}
	return out, nil
}

// nearest suggests a known key that ends alike, or nothing.
func nearest(key string, known []string) string {
	last := key[strings.LastIndexAny(key, "._")+1:]
	for _, k := range known {
		if k == last || strings.HasSuffix(k, "."+last) || strings.HasSuffix(k, "_"+last) {
			return fmt.Sprintf("; did you mean %s?", k)
		}
	}
	return ""
}
