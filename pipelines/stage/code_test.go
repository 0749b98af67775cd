package stage_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/incendio-faas/incendio/pipelines/stage"
)

// sources is a module "m" in which m/a imports m/b and m/c, and m/b imports m/d.
func sources() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"go.mod": file("module m"), "go.sum": file(""),
		"a/a.go": file("package a\nimport (\n_ \"m/b\"\n_ \"m/c\"\n_ \"fmt\"\n_ \"mm/x\"\n)"), "a/a_test.go": file("package a\nimport _ \"m/e\""),
		"b/b.go": file("package b\nimport _ \"m/d\""), "b/b.s": file("TEXT"),
		"c/c.go": file("package c\nimport x \"m/d\""), "c/page.html": file("<p>"),
		"d/d.go": file("package d"), "e/e.go": file("package e"), "f/f.go": file("package f"),
	}
}

func TestCode(t *testing.T) {
	before := stage.NewCode("m", sources())
	want, err := before.Digest("m/a")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := before.Digest("m/a"); err != nil || again != want {
		t.Errorf("digest is %s, then %s, %v", want, again, err)
	}
	if names, err := before.Packages("m/a"); err != nil || !slices.Equal(names, []string{"m/a", "m/b", "m/c", "m/d"}) {
		t.Errorf("m/a is made of %v, %v", names, err)
	}
	for name, same := range map[string]bool{
		"a/a.go": false, "b/b.go": false, "b/b.s": false, "c/page.html": false, "d/d.go": false, "go.sum": false,
		"a/a_test.go": true, "e/e.go": true, "f/f.go": true,
	} {
		s := sources()
		s[name].Data = append(s[name].Data, "\n// changed"...)
		got, err := stage.NewCode("m", s).Digest("m/a")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (got == want) != same {
			t.Errorf("after a change of %s the digest is the same: %v, want %v", name, got == want, same)
		}
	}
	for _, pkg := range []string{"m/g", "n/a", "m/missing/x"} {
		if _, err := before.Digest(pkg); err == nil || !strings.Contains(err.Error(), pkg) {
			t.Errorf("digest of %s: error is %v", pkg, err)
		}
	}
	s := sources()
	s["d/d.go"].Data = []byte("nonsense")
	if _, err := stage.NewCode("m", s).Digest("m/a"); err == nil || !strings.Contains(err.Error(), "d/d.go") {
		t.Errorf("error is %v, want one about d/d.go", err)
	}
}
