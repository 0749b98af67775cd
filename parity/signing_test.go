//go:build parity

package parity_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
)

// TestModelSigning has OpenSSF's model-signing verify our signatures, and verifies its
// own; a file that was changed is refused by both.
func TestModelSigning(t *testing.T) {
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := []bundle.File{
		{Name: "card.md", MediaType: bundle.MediaTypeMarkdown, Data: []byte("# Card\n")},
		{Name: "forecast/a.txt", MediaType: bundle.MediaTypeLightGBM, Data: []byte("tree\n")},
		{Name: "forecast-b.json", MediaType: bundle.MediaTypeJSON, Data: []byte("{}")}, // sorts between
	}
	for _, curve := range bundle.Curves {
		root := t.TempDir()
		dir := filepath.Join(root, "bundle")
		b, err := bundle.Create(dir, bundle.Manifest{BundleVersion: "1", ProgramVersion: "1"}, files)
		if err != nil {
			t.Fatal(err)
		}
		key, err := bundle.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.Public()
		if err != nil {
			t.Fatal(err)
		}
		private, err := key.Encode()
		if err != nil {
			t.Fatal(err)
		}
		text, err := public.Encode()
		if err != nil {
			t.Fatal(err)
		}
		task := struct {
			Folder    string `json:"folder"`
			Private   string `json:"private"`
			Public    string `json:"public"`
			Signature string `json:"signature"`
			Out       string `json:"out"`
		}{Folder: dir, Private: filepath.Join(root, "k"), Public: filepath.Join(root, "k.pub"), Out: filepath.Join(root, "theirs")}
		write(task.Private, private)
		write(task.Public, text)
		if task.Signature, err = b.WriteSignature(dir, key); err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Verified string `json:"verified"`
		}
		peer(t, "signing.py", task, &answer)
		if answer.Verified != "" {
			t.Errorf("%s: model-signing refuses our signature: %s", curve, answer.Verified)
		}
		theirs, err := os.ReadFile(task.Out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.VerifySignature(theirs, public); err != nil {
			t.Errorf("%s: we refuse its signature: %v", curve, err)
		}

		// A file is changed, and every digest mended.
		changed, err := bundle.New(bundle.Manifest{BundleVersion: "1", ProgramVersion: "1"}, append([]bundle.File{
			{Name: "card.md", MediaType: bundle.MediaTypeMarkdown, Data: []byte("# Card!\n")}}, files[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range [][]byte{theirs, must(os.ReadFile(task.Signature))} {
			if _, err := changed.VerifySignature(s, public); !errors.Is(err, bundle.ErrIntegrity) {
				t.Errorf("%s: a changed bundle: %v", curve, err)
			}
		}
		write(filepath.Join(dir, "card.md"), []byte("# Card!\n"))
		task.Out = ""
		peer(t, "signing.py", task, &answer)
		if answer.Verified == "" {
			t.Errorf("%s: model-signing takes a changed file", curve)
		}
		// Its own signature with a byte of the payload changed.
		i := bytes.Index(theirs, []byte(`"payload":"`)) + 40
		theirs[i] ^= 1
		if _, err := b.VerifySignature(theirs, public); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: its signature, changed: %v", curve, err)
		}
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
