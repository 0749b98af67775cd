package main

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/pipelines"
)

// The example has every key, says what it means, and with every # taken away is the defaults.
func TestConfigExample(t *testing.T) {
	var b bytes.Buffer
	if err := writeExample(&b); err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^( *)#([a-z_0-9]+:)`).ReplaceAll(b.Bytes(), []byte("$1$2"))
	cfg := pipelines.DefaultConfig()
	known := schemaOf(&cfg).open()
	given, err := readSettings("example.yaml", "yaml", all, known)
	if err != nil {
		t.Fatal(err)
	}
	want := pipelines.DefaultConfig()
	for key, v := range schemaOf(&want).open() {
		s, ok := given[key]
		if !ok {
			t.Errorf("%s is not in the example", key)
			continue
		}
		if v.Kind() == reflect.Slice && v.Len() == 0 && reflect.ValueOf(s.value).Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(s.value, v.Interface()) {
			t.Errorf("%s is %v in the example, want %v", key, s.value, v)
		}
	}
	if got, err := readSettings("example.yaml", "yaml", b.Bytes(), known); err != nil || len(got) > 0 {
		t.Errorf("as it is printed it gives %v, %v, want nothing", got, err)
	}
	for i, l := range strings.Split(b.String(), "\n") {
		if strings.Contains(l, "# ") && len(l) > 90 {
			t.Errorf("line %d has %d columns: %s", i+1, len(l), l)
		}
	}
}

func TestEveryKeyHasAMeaning(t *testing.T) {
	meaning, err := meanings(reflect.TypeFor[pipelines.Config]())
	if err != nil {
		t.Fatal(err)
	}
	keys := keysInOrder()
	cfg := pipelines.DefaultConfig()
	if got, want := len(keys), len(schemaOf(&cfg).open()); got != want {
		t.Errorf("%d keys in order, want %d", got, want)
	}
	for _, key := range keys {
		if meaning[key] == "" {
			t.Errorf("%s: its field has no comment", key)
		}
	}
	if m := meaning["agent.end_e"]; !strings.HasPrefix(m, "StartE and EndE") {
		t.Errorf("agent.end_e: %q, want the comment that it shares", m)
	}
	if i := slices.Index(keys, "agent.hidden"); i < slices.Index(keys, "gates.champion") && i < slices.Index(keys, "seed") {
		t.Error("keys are not in the order of the fields")
	}
}
