package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/pipelines"
)

// configCommand is about the configuration itself.
func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "The configuration: what holds and why, is it right, what is there", Args: known,
		Long: `The configuration of a run comes from its defaults, then the file of --config, then
variables INCENDIO_*, then flags; the last one that gives a key a value holds.`,
		RunE: func(*cobra.Command, []string) error {
			return usage(errors.New("config needs a command: show, check or example"))
		},
	}
	c.AddCommand(a.configShowCommand(), a.configCheckCommand(), a.configExampleCommand())
	return c
}

// A shownKey is a key of the configuration as config show --json prints it.
type shownKey struct {
	Key      string `json:"key"`
	Value    any    `json:"value"`
	Origin   string `json:"origin"` // "default", "c.yaml:12", "environment: INCENDIO_SEED", "--seed"
	Variable string `json:"variable"`
	Meaning  string `json:"meaning"`
}

func (a *app) configShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show [KEY…]", Short: "What every key is, and where that was said", Args: cobra.ArbitraryArgs,
		Long: `Print the keys of the configuration, or those that begin with one of KEY, with their
values and where each was given. --changed leaves out those that have their default.
Values that are out of range are printed too; "config check" refuses them.`,
		Example: "  incendio config show --config nightly.yaml --changed\n  incendio config show forecast.trees --json",
		RunE: func(cmd *cobra.Command, wanted []string) error {
			cfg, places, err := a.resolve(cmd.Flags(), os.Environ())
			if err != nil {
				return usage(err)
			}
			changed, _ := cmd.Flags().GetBool("changed")
			keys, err := shownKeys(&cfg, places, wanted, changed)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(keys)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "key\tgiven by\tvalue")
			for _, k := range keys {
				fmt.Fprintf(w, "%s\t%s\t%s\n", k.Key, printable(k.Origin), printable(text(k.Value)))
			}
			return w.Flush()
		},
	}
	commonFlags(c.Flags(), allConfigFlags()...)
	c.Flags().Bool("changed", false, "only what does not have its default")
	return c
}

// shownKeys are the keys of a configuration, in order, that begin with one of wanted.
func shownKeys(cfg *pipelines.Config, places map[string]string, wanted []string, changed bool) ([]shownKey, error) {
	meaning, err := meanings(reflect.TypeFor[pipelines.Config]())
	if err != nil {
		return nil, err
	}
	known := schemaOf(cfg).open()
	for _, w := range wanted {
		if _, ok := known[w]; !ok && !known.section(w) {
			return nil, usage(fmt.Errorf("unknown key %q%s", w, known.hint(w)))
		}
	}
	out := []shownKey{}
	for _, key := range keysInOrder() {
		v, ok := known[key]
		place, given := places[key]
		under := func(w string) bool { return key == w || strings.HasPrefix(key, w+".") }
		if !ok || len(wanted) > 0 && !slices.ContainsFunc(wanted, under) || changed && !given {
			continue
		}
		if !given {
			place = "default"
		}
		out = append(out, shownKey{key, plainValue(v), place, variable(key), meaning[key]})
	}
	return out, nil
}

func (a *app) configCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Is the configuration right? All that is wrong, each with its place", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := a.config(cmd.Flags()); err != nil {
				return err
			}
			_, places, err := a.resolve(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			if a.json {
				return a.print(map[string]any{"valid": true, "given": len(places)})
			}
			what := "the configuration"
			if a.configFile != "" {
				what = a.configFile
			}
			fmt.Fprintf(a.out, "%s is valid: %d keys are given, the others have their defaults\n", printable(what), len(places))
			return nil
		},
	}
	commonFlags(c.Flags(), allConfigFlags()...)
	return c
}

func (a *app) configExampleCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "example", Short: "A configuration file with every key, its meaning and its default", Args: args(cobra.NoArgs),
		Long: `Print a configuration in YAML in which every key stands commented out, with its meaning
and its default: take the # away from what should be different.`,
		Example: "  incendio config example > nightly.yaml",
		RunE:    func(*cobra.Command, []string) error { return writeExample(a.out) },
	}
	return c
}

// allConfigFlags are the names of configFlags.
func allConfigFlags() []string {
	var out []string
	for _, c := range configFlags {
		out = append(out, c.flag)
	}
	return out
}

// keysInOrder are the keys that a user may set, in the order of the fields: those of the
// configuration itself, then section after section.
func keysInOrder() []string {
	var out []string
	var add func(prefix string, t reflect.Type)
	add = func(prefix string, t reflect.Type) {
		var sections []reflect.StructField
		for i := range t.NumField() {
			f := t.Field(i)
			switch name := jsonName(f); {
			case name == "-":
			case f.Type.Kind() == reflect.Struct:
				sections = append(sections, f)
			case !governed(prefix + name):
				out = append(out, prefix+name)
			}
		}
		for _, f := range sections {
			add(prefix+jsonName(f)+".", f.Type)
		}
	}
	add("", reflect.TypeFor[pipelines.Config]())
	return out
}

// jsonName is the name of a field in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// plainValue is a value as configuration files have it: a duration is text.
func plainValue(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return []any{}
	}
	return v.Interface()
}

// text is a value in one line that YAML reads as the same value.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // configurations have no NaN: a test marshals the defaults
	}
	return string(data)
}

// writeExample prints every key with its meaning, commented out.
func writeExample(w io.Writer) error {
	meaning, err := meanings(reflect.TypeFor[pipelines.Config]())
	if err != nil {
		return err
	}
	cfg := pipelines.DefaultConfig()
	known := schemaOf(&cfg)
	var b strings.Builder
	b.WriteString("# Every key of the configuration with its default. Take the # before a key away to\n# change it; those that are left out have their defaults.\n")
	var open []string // the sections that are open
	about := ""       // what was said last, which may be about several keys
	for _, key := range keysInOrder() {
		path := strings.Split(key, ".")
		sections := path[:len(path)-1]
		shared := 0
		for shared < min(len(open), len(sections)) && open[shared] == sections[shared] {
			shared++
		}
		for i := shared; i < len(sections); i++ {
			indent := strings.Repeat("  ", i)
			b.WriteString("\n")
			writeComment(&b, indent, meaning[strings.Join(sections[:i+1], ".")])
			fmt.Fprintf(&b, "%s%s:\n", indent, sections[i])
			about = ""
		}
		open = sections
		indent := strings.Repeat("  ", len(sections))
		if m := meaning[key]; m != about {
			writeComment(&b, indent, m)
			about = m
		}
		fmt.Fprintf(&b, "%s#%s: %s\n", indent, path[len(path)-1], text(plainValue(known[key])))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// writeComment writes text as lines of a comment of at most 90 columns.
func writeComment(b *strings.Builder, indent, text string) {
	width := 90 - len(indent) - 2
	for _, paragraph := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if line != "" && len(line)+1+len(word) > width {
				fmt.Fprintf(b, "%s# %s\n", indent, line)
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		if line != "" {
			fmt.Fprintf(b, "%s# %s\n", indent, line)
		}
	}
}
