package archive_test

import (
	"archive/zip"
	"io"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets/internal/archive"
)

// FuzzOpen opens anything as an archive. What comes out is bounded, two readings are the
// same, names stay inside, and an error names the file.
func FuzzOpen(f *testing.F) {
	a := []byte("a,b\n1,2\n")
	files := []entry{{"a.csv", a}, {"d/b.csv", gz(f, a)}, {"d/", nil}}
	for _, seed := range [][]byte{
		a, gz(f, a), xzip(f, a), zst(f, a), []byte(bzipped), tarball(f, files...), gz(f, tarball(f, files...)), xzip(f, tarball(f, files...)), zst(f, tarball(f, files...)),
		zipfile(f, zip.Deflate, files...), zipfile(f, zip.Store, files...), zipfile(f, 93, files...), []byte("Rar!\x1a\x07\x01\x00"), tarball(f, entry{"../a", a}), zipLink(f), nil,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		path := write(t, "data", packed)
		const limit = 1 << 20
		s, err := archive.OpenLimited(t.Context(), path, nil, 100, limit, 1000, limit)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("an error that names no file: %v", err)
			}
			return
		}
		defer s.Close()
		for _, m := range s.Members {
			if m.Name == "" || strings.HasPrefix(m.Name, "/") || strings.Contains("/"+m.Name+"/", "/../") {
				t.Fatalf("a member called %q", m.Name)
			}
			once, err := text(t.Context(), m)
			if err != nil {
				if !strings.Contains(err.Error(), path) {
					t.Fatalf("an error that names no file: %v", err)
				}
				continue
			}
			if len(once) > max(limit, len(packed)) {
				t.Fatalf("%d bytes of %d", len(once), len(packed))
			}
			again, err := text(t.Context(), m)
			if err != nil || again != once {
				t.Fatalf("%q and then %q, %v", once, again, err)
			}
		}
	})
}

// BenchmarkMember unpacks 16 MB of a trace's text.
func BenchmarkMember(b *testing.B) {
	var text strings.Builder
	for i := 0; text.Len() < 16<<20; i++ {
		text.WriteString("7b2c43a2bc30f6bb438074df88b603d2cb982d3e7961de05270735055950a568,")
		text.WriteString(strings.Repeat(string(rune('a'+i%26)), 32))
		text.WriteString(",")
		for n := uint32(i) * 2654435761; n > 0; n /= 10 {
			text.WriteByte('0' + byte(n%10))
		}
		text.WriteString(",0.078\n")
	}
	raw := []byte(text.String())
	for name, packed := range map[string][]byte{
		"plain": raw, "gzip": gz(b, raw), "xz": xzip(b, raw), "zstd": zst(b, raw),
		"zip": zipfile(b, zip.Deflate, entry{"a.csv", raw}), "tar.gz": gz(b, tarball(b, entry{"a.csv", raw})), "tar.xz": xzip(b, tarball(b, entry{"a.csv", raw})),
	} {
		path := write(b, "data", packed)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				s, err := archive.Open(b.Context(), path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r, err := s.Members[0].Open(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(raw)) {
					b.Fatal(n, err)
				}
				r.Close()
				s.Close()
			}
		})
	}
}
