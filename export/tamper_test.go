package export_test

import (
	"bytes"
	cryptorand "crypto/rand"
	"errors"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	"github.com/incendio-faas/incendio/scheduler/index"
)

// TestEveryMutationIsRefused: where a signature is asked for, nothing that somebody changes who
// mends all digests but has no key is taken: files of every kind, golden cases among them, their
// names, one more and one less.
func TestEveryMutationIsRefused(t *testing.T) {
	c := candidate(t)
	c.Models.Index = &scheduler.IndexSettings{Options: index.DefaultOptions(), Envelope: envelope.DefaultOptions(), Used: true}
	files, err := c.Files()
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.New(c.Manifest, files)
	if err != nil {
		t.Fatal(err)
	}
	key, err := bundle.GenerateKey("P-256", cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.VerifySignature(signature, public); err != nil {
		t.Fatal(err)
	}
	original, types := map[string][]byte{}, map[string]string{}
	for _, f := range files {
		original[f.Name], types[f.Name] = f.Data, f.MediaType
	}
	names := slices.Sorted(maps.Keys(original))
	r := rand.New(rand.NewPCG(1, 18))
	tamperers := modeltest.Tamperers()
	n := 10000
	if testing.Short() {
		n = 2000
	}
	done, kinds := 0, map[string]int{}
	for done < n {
		m := c.Manifest
		now := maps.Clone(original)
		name := names[r.IntN(len(names))]
		kind := path.Ext(name)
		switch k := r.IntN(8); {
		case k < 3: // a byte of any file
			data := bytes.Clone(now[name])
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			if now[name] = data; name == scheduler.GoldenFile {
				kind = "golden cases"
			}
		case k == 3:
			kind, name = "golden cases", scheduler.GoldenFile
			at := r.IntN(len(now[name]))
			now[name] = slices.Concat(now[name][:at], []byte{'1'}, now[name][at:])
		case k == 4:
			kind = []string{"name", "one less", "one more", "manifest"}[r.IntN(4)]
			switch kind {
			case "name":
				now[name+"x"] = now[name]
				types[name+"x"] = types[name]
				delete(now, name)
			case "one less":
				delete(now, name)
			case "one more":
				now["more.json"], types["more.json"] = []byte("{}"), bundle.MediaTypeJSON
			case "manifest":
				m.BundleVersion += "x"
			}
		default:
			by := tamperers[r.IntN(len(tamperers))]
			kind = by.Kind
			if _, ok := by.Apply(r, now); !ok {
				continue
			}
		}
		var list []bundle.File
		for _, name := range slices.Sorted(maps.Keys(now)) {
			list = append(list, bundle.File{Name: name, MediaType: types[name], Data: now[name]})
		}
		done++
		kinds[kind]++
		changed, err := bundle.New(m, list)
		if err != nil {
			continue // refused already without a key
		}
		if changed.Digest() == b.Digest() {
			t.Fatalf("%s: nothing was changed", kind)
		}
		if _, err := changed.VerifySignature(signature, public); !errors.Is(err, bundle.ErrIntegrity) {
			t.Fatalf("%s: error is %v, want one of integrity", kind, err)
		}
	}
	t.Logf("%d mutations, all refused: %v", done, kinds)
	for _, kind := range []string{".txt", ".onnx", ".json", ".md", "golden cases", "manifest", "name", "one less", "one more"} {
		if kinds[kind] < 20 {
			t.Errorf("%d mutations of %s, want some", kinds[kind], kind)
		}
	}
}

// TestCheckONNX: trees for other run times that are not those of the text are found.
func TestCheckONNX(t *testing.T) {
	c := candidate(t)
	files, err := c.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(f *bundle.File){
		"":                      func(*bundle.File) {},
		"forecast/c00-mean.txt": func(f *bundle.File) { f.Data = bytes.Replace(f.Data, []byte("0.75"), []byte("1.75"), 1) },
		"forecast/c00-mean.onnx": func(f *bundle.File) {
			f.Data = bytes.Clone(f.Data)
			f.Data[len(f.Data)/2] ^= 1
		},
	} {
		list := slices.Clone(files)
		for i := range list {
			if list[i].Name == name {
				change(&list[i])
			}
		}
		b, err := bundle.New(c.Manifest, list)
		if err != nil {
			t.Fatal(err)
		}
		if err := export.CheckONNX(b); (err == nil) != (name == "") || err != nil && !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%q changed: %v", name, err)
		}
	}
	var list []bundle.File
	for _, f := range files {
		if f.Name != "forecast/c00-mean.onnx" {
			list = append(list, f)
		}
	}
	b, err := bundle.New(c.Manifest, list)
	if err != nil {
		t.Fatal(err)
	}
	if err := export.CheckONNX(b); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("a missing file: %v", err)
	}
}
