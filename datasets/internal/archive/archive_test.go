package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/incendio-faas/incendio/datasets/internal/archive"
)

func gz(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	return closed(t, w, &out, b)
}

func xzip(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, w, &out, b)
}

func zst(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, w, &out, b)
}

func closed(t testing.TB, w io.WriteCloser, out *bytes.Buffer, b []byte) []byte {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bzip2 of "a,b\n1,2\n", by Python: the standard library writes none.
const bzipped = "BZh91AY&SY" + "\xbf\x87\x40\x7f\x00\x00\x03\x59\x00\x00\x10\x00\x04\x30\x00\x30\x00\x20\x00\x30\xc0\x08\x69\xb2\x88\x23\x27\x8b\xb9\x22\x9c\x28\x48\x5f\xc3\xa0\x3f\x80"

// An entry is a file of an archive.
type entry struct {
	name string
	body []byte
}

func tarball(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Size: int64(len(e.body)), Mode: 0o644}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipfile(t testing.TB, method uint16, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(93, zstd.ZipCompressor())
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	return writeIn(t, t.TempDir(), name, b)
}

func writeIn(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// contents opens every member and reads it, twice and in opposite orders.
func contents(t testing.TB, s *archive.Set) map[string]string {
	t.Helper()
	out := map[string]string{}
	for range 2 {
		slices.Reverse(s.Members)
		for _, m := range s.Members {
			b, err := text(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if old, ok := out[m.Name]; ok && old != b {
				t.Errorf("%s: %q and then %q", m.Name, old, b)
			}
			out[m.Name] = b
		}
	}
	return out
}

func text(ctx context.Context, m *archive.Member) (string, error) {
	r, err := m.Open(ctx)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func names(s *archive.Set) (out []string) {
	for _, m := range s.Members {
		out = append(out, m.Name)
	}
	return out
}

func open(t testing.TB, path string, pick archive.Pick) *archive.Set {
	t.Helper()
	s, err := archive.Open(t.Context(), path, pick)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestEveryForm packs the same two files in every way: they come out as they were, under
// a name that says nothing.
func TestEveryForm(t *testing.T) {
	a, b := []byte("a,b\n1,2\n"), bytes.Repeat([]byte("x,y,z\n"), 50_000)
	plain := []entry{{"d/", nil}, {"d/b.csv", b}, {"./a.csv", a}, {"d/._b.csv", []byte("junk")}, {"__MACOSX/d/b.csv", []byte("junk")}}
	nested := []entry{{"a.csv", gz(t, a)}, {"d/b.csv", xzip(t, b)}}
	nested2 := []entry{{"a.csv", []byte(bzipped)}, {"d/b.csv", zst(t, b)}}
	for name, packed := range map[string][]byte{
		"tar": tarball(t, plain...), "tar.gz": gz(t, tarball(t, plain...)), "tar.xz": xzip(t, tarball(t, plain...)), "tar.zst": zst(t, tarball(t, plain...)),
		"zip": zipfile(t, zip.Deflate, plain...), "stored zip": zipfile(t, zip.Store, plain...), "zstd zip": zipfile(t, 93, plain...),
		"tar of gz": tarball(t, nested...), "tar.xz of gz": xzip(t, tarball(t, nested...)), "zip of gz": zipfile(t, zip.Deflate, nested...),
		"tar of bz2": tarball(t, nested2...), "tar.gz of bz2": gz(t, tarball(t, nested2...)), "zip of bz2": zipfile(t, zip.Store, nested2...),
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "data", packed)
			s := open(t, path, nil)
			got := contents(t, s)
			if len(got) != 2 || got["a.csv"] != string(a) || got["d/b.csv"] != string(b) {
				t.Errorf("%d members %q", len(got), names(s))
			}
			if !slices.Equal(names(s), []string{"a.csv", "d/b.csv"}) {
				t.Errorf("order %q", names(s))
			}
			if m := s.Members[1]; m.Path != path+"/d/b.csv" || m.Source() != "data" || m.OnDisk() || m.Base() != "b.csv" {
				t.Errorf("%q of %q, on disk %t, base %q", m.Path, m.Source(), m.OnDisk(), m.Base())
			}
			files, err := s.Sources(t.Context())
			sum := sha256.Sum256(packed)
			if err != nil || len(files) != 1 || files[0].Name != "data" || files[0].SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("sources %v, %v", files, err)
			}
			if err := s.Unchanged(); err != nil {
				t.Error(err)
			}
		})
	}
	for name, packed := range map[string][]byte{"": a, "gzip": gz(t, a), "xz": xzip(t, a), "zstd": zst(t, a), "bzip2": []byte(bzipped)} {
		t.Run("alone "+name, func(t *testing.T) {
			s := open(t, write(t, "_hidden.csv.gz", packed), nil) // a name that was given is never hidden
			if got := contents(t, s); len(got) != 1 || got["_hidden.csv.gz"] != string(a) {
				t.Errorf("%q", got)
			}
			if m := s.Members[0]; m.Compression() != name || m.OnDisk() != (name == "") || m.Plain() != "_hidden.csv" {
				t.Errorf("compression %q, on disk %t, plain name %q", m.Compression(), m.OnDisk(), m.Plain())
			}
		})
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for name, b := range map[string][]byte{
		"b.csv": []byte("b\n"), "a/x.csv.gz": gz(t, []byte("ax\n")), "a-/x.csv": []byte("a-x\n"), "readme.md": []byte("# no\n"),
		".hidden/h.csv": []byte("h\n"), "_tmp.csv": []byte("t\n"), "empty.csv": nil,
		"old.rar": []byte("Rar!\x1a\x07\x01\x00 and so on"), "src.zip": zipfile(t, zip.Deflate, entry{"b.csv", []byte("b\n")}),
	} {
		writeIn(t, dir, name, b)
	}
	csv := func(m *archive.Member, _ []byte) (bool, error) { return strings.HasSuffix(m.Plain(), ".csv"), nil }
	s := open(t, dir, csv)
	if got, want := names(s), []string{"a/x.csv.gz", "a-/x.csv", "b.csv", "empty.csv"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
	if got := contents(t, s); got["a/x.csv.gz"] != "ax\n" || got["empty.csv"] != "" {
		t.Errorf("%q", got)
	}
	var left []string
	for _, l := range s.Left {
		left = append(left, l.Name)
		if want := map[string]error{"old.rar": archive.ErrForeign, "src.zip": archive.ErrBeside}[l.Name]; !errors.Is(l.Err, want) {
			t.Errorf("%s: %v, expected %v", l.Name, l.Err, want)
		}
	}
	if want := []string{"old.rar", "readme.md", "src.zip"}; !slices.Equal(left, want) {
		t.Errorf("left %q, expected %q", left, want)
	}
	if err := s.Foreign(); !errors.Is(err, archive.ErrForeign) {
		t.Error(err)
	}

	// A folder of nothing but archives is one of their members.
	dir = t.TempDir()
	writeIn(t, dir, "R1.zip", zipfile(t, zip.Deflate, entry{"day_00.csv", []byte("1\n")}))
	writeIn(t, dir, "R2.tar.gz", gz(t, tarball(t, entry{"day_00.csv", []byte("2\n")}, entry{"note.txt", []byte("2\n")})))
	writeIn(t, dir, "README.md", []byte("# no\n"))
	s = open(t, dir, csv)
	if got, want := fmt.Sprint(contents(t, s)), "map[R1.zip/day_00.csv:1\n R2.tar.gz/day_00.csv:2\n]"; got != want {
		t.Errorf("%s, expected %s", got, want)
	}
	files, err := s.Sources(t.Context())
	if err != nil || len(files) != 2 || files[0].Name != "R1.zip" || files[1].Name != "R2.tar.gz" {
		t.Errorf("sources %v, %v", files, err)
	}
}

// TestPick says what a pick sees, and that its error is passed on as it is.
func TestPick(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789\n"), 1000)
	for name, packed := range map[string][]byte{
		"zip": zipfile(t, zip.Deflate, entry{"a.csv", long}), "tar": tarball(t, entry{"a.csv", long}), "tar.zst": zst(t, tarball(t, entry{"a.csv", xzip(t, long)})), "plain": long, "gz": gz(t, long),
	} {
		saw := ""
		s := open(t, write(t, "a.csv", packed), func(_ *archive.Member, head []byte) (bool, error) {
			saw += string(head)
			return false, nil
		})
		if saw != string(long[:4096]) || len(s.Members) != 0 || len(s.Left) != 1 {
			t.Errorf("%s: saw %d bytes, %d members, left %v", name, len(saw), len(s.Members), s.Left)
		}
		refusal := errors.New("no")
		if _, err := archive.Open(t.Context(), write(t, "a.csv", packed), func(*archive.Member, []byte) (bool, error) { return true, refusal }); !errors.Is(err, refusal) || err.Error() != "no" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func tarOf(t testing.TB, h tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if h.Size > 0 {
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipLink(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: "l.csv"}
	h.SetMode(os.ModeSymlink | 0o777)
	f, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("/etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestHostile holds archives that must not be taken, with what the message says beside
// the name of the archive.
func TestHostile(t *testing.T) {
	a := []byte("a,b\n1,2\n")
	file := tar.Header{Name: "a.csv", Typeflag: tar.TypeReg, Size: 3}
	link := tar.Header{Name: "l.csv", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}
	noise := make([]byte, 3000)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(noise)
	dictionary := xzip(t, noise)
	wrong := zipfile(t, zip.Store, entry{"a.csv", a})
	copy(wrong[bytes.Index(wrong, a):], "x")
	for name, c := range map[string]struct {
		packed []byte
		says   []string
	}{
		"parent in tar":        {tarball(t, entry{"../a.csv", a}), []string{`"../a.csv"`, ".."}},
		"parent inside in zip": {zipfile(t, zip.Deflate, entry{"x/../../a.csv", a}), []string{`"x/../../a.csv"`, ".."}},
		"parent of Windows":    {zipfile(t, zip.Deflate, entry{`x\..\..\a.csv`, a}), []string{".."}},
		"absolute":             {gz(t, tarball(t, entry{"/etc/a.csv", a})), []string{`"/etc/a.csv"`, "absolute"}},
		"drive":                {zipfile(t, zip.Deflate, entry{`C:\a.csv`, a}), []string{"absolute"}},
		"control":              {tarball(t, entry{"a\x1b[2J.csv", a}), []string{`\x1b`, "control"}},
		"symbolic link":        {tarOf(t, link), []string{"/l.csv", "link", "/etc/passwd"}},
		"symbolic link, gz":    {gz(t, tarOf(t, link)), []string{"/l.csv", "link"}},
		"hard link":            {tarOf(t, tar.Header{Name: "h.csv", Typeflag: tar.TypeLink, Linkname: "a.csv"}), []string{"/h.csv", "link"}},
		"zip link":             {zipLink(t), []string{"/l.csv", "link"}},
		"device":               {tarOf(t, tar.Header{Name: "d.csv", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}), []string{"/d.csv", "device"}},
		"pipe":                 {tarOf(t, tar.Header{Name: "p.csv", Typeflag: tar.TypeFifo}), []string{"/p.csv", "special"}},
		"twice":                {tarball(t, entry{"a.csv", a}, entry{"./a.csv", a}), []string{"/a.csv", "twice"}},
		"twice in zip":         {zipfile(t, zip.Deflate, entry{"a.csv", a}, entry{"a.csv", a}), []string{"/a.csv", "twice"}},
		"zip in tar":           {tarball(t, entry{"z.csv", zipfile(t, zip.Deflate, entry{"a.csv", a})}), []string{"/z.csv", "archive within an archive"}},
		"tar.gz in zip":        {zipfile(t, zip.Deflate, entry{"t.csv", gz(t, tarball(t, entry{"a.csv", a}))}), []string{"/t.csv", "archive within an archive"}},
		"rar in zip":           {zipfile(t, zip.Store, entry{"t.csv", []byte("Rar!\x1a\x07\x00")}), []string{"/t.csv", "unrar"}},
		"zip in gz":            {gz(t, zipfile(t, zip.Deflate, entry{"a.csv", a})), []string{"a zip within gzip"}},
		"gz in xz":             {xzip(t, gz(t, a)), []string{"gzip within xz"}},
		"gz in xz in tar":      {tarball(t, entry{"a.csv", xzip(t, gz(t, a))}), []string{"/a.csv", "gzip within xz"}},
		"two tars":             {append(tarball(t, entry{"a.csv", a}), tarball(t, entry{"b.csv", a})...), []string{"after the end"}},
		"two tars, gz":         {gz(t, append(tarball(t, entry{"a.csv", a}), tarball(t, entry{"b.csv", a})...)), []string{"after the end"}},
		"rar 4":                {[]byte("Rar!\x1a\x07\x00 and so on"), []string{"RAR", "unrar x", "p7zip"}},
		"rar 5":                {[]byte("Rar!\x1a\x07\x01\x00 and so on"), []string{"RAR", "unrar x", "unar"}},
		"7z":                   {[]byte("7z\xbc\xaf\x27\x1c and so on"), []string{"7z"}},
		"large dictionary":     {bytes.Replace(dictionary, []byte{0x21, 1, dictionary[bytes.Index(dictionary, []byte{0x21, 1})+2]}, []byte{0x21, 1, 40}, 1), []string{"dictionary"}},
		"checksum in zip":      {wrong, []string{"/a.csv", "checksum"}},
		"tar without its end":  {tarOf(t, file)[:1024], []string{"truncated tar"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "data", c.packed)
			s, err := archive.Open(t.Context(), path, nil)
			if err == nil {
				defer s.Close()
				for _, m := range s.Members {
					if _, err = text(t.Context(), m); err != nil {
						break
					}
				}
			}
			if err == nil {
				t.Fatal("taken")
			}
			for _, says := range append(c.says, path) {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q lacks %q", err, says)
				}
			}
		})
	}
}

// TestTruncation cuts every form at every byte: nothing short of the whole is taken for it.
func TestTruncation(t *testing.T) {
	body := []byte(strings.Repeat("f,1,2\n", 40))
	files := []entry{{"a.csv", body}, {"b.csv", gz(t, body)}}
	for name, packed := range map[string][]byte{
		"gzip": gz(t, body), "xz": xzip(t, body), "zstd": zst(t, body), "bzip2": []byte(bzipped),
		"zip": zipfile(t, zip.Deflate, files...), "tar.gz": gz(t, tarball(t, files...)), "tar.xz": xzip(t, tarball(t, files...)), "tar.zst": zst(t, tarball(t, files...)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for n := 10; n < len(packed); n++ { // below that, no format can be told
				path := writeIn(t, dir, "data.csv", packed[:n])
				s, err := archive.Open(t.Context(), path, nil)
				if err == nil {
					for _, m := range s.Members {
						if _, err = text(t.Context(), m); err != nil {
							break
						}
					}
					s.Close()
				}
				if err == nil || !strings.Contains(err.Error(), path) {
					t.Fatalf("%d of %d bytes: %v", n, len(packed), err)
				}
			}
		})
	}
	packed := tarball(t, files...)
	for n := 512; n < len(packed)-1024; n += 16 {
		path := write(t, "data.tar", packed[:n])
		if s, err := archive.Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "truncated tar") {
			t.Fatalf("tar of %d of %d bytes: %v, %v", n, len(packed), s, err)
		}
	}
}

// TestTruncationIsNamed says which member of a truncated archive is meant.
func TestTruncationIsNamed(t *testing.T) {
	noise := make([]byte, 200_000)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(noise)
	for name, packed := range map[string][]byte{
		"a.tar.gz": gz(t, tarball(t, entry{"first.csv", []byte("a\n")}, entry{"second.csv", noise})),
		"a.tar.xz": xzip(t, tarball(t, entry{"first.csv", []byte("a\n")}, entry{"second.csv", noise})),
		"a.tar":    tarball(t, entry{"first.csv", []byte("a\n")}, entry{"second.csv", noise}),
	} {
		path := write(t, name, packed[:100_000])
		_, err := archive.Open(t.Context(), path, nil)
		if err == nil || !strings.Contains(err.Error(), "truncated") || !strings.Contains(err.Error(), path) || name == "a.tar" && !strings.Contains(err.Error(), "second.csv") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBombs(t *testing.T) {
	zeros := make([]byte, 1<<20)
	for name, packed := range map[string][]byte{
		"gzip": gz(t, zeros), "xz": xzip(t, zeros), "zstd": zst(t, zeros),
		"zip": zipfile(t, zip.Deflate, entry{"a.csv", zeros}), "tar.gz": gz(t, tarball(t, entry{"a.csv", zeros})), "zip of gz": zipfile(t, zip.Store, entry{"a.csv", gz(t, zeros)}),
		"tar of xz": tarball(t, entry{"a.csv", xzip(t, zeros)}),
	} {
		for limit, l := range map[string][4]int64{"ratio": {10, 1 << 40, 50, 1 << 14}, "total": {10, 1 << 19, 1 << 20, 1 << 30}} {
			path := write(t, "data", packed)
			s, err := archive.OpenLimited(t.Context(), path, nil, int(l[0]), l[1], l[2], l[3])
			if err == nil {
				_, err = text(t.Context(), s.Members[0])
				s.Close()
			}
			if !errors.Is(err, archive.ErrBomb) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, %s: %v", name, limit, err)
			}
			s, err = archive.OpenLimited(t.Context(), path, nil, 10, 1<<22, 1<<20, 1<<30)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for range 5 { // the same bytes again are no more
				if b, err := text(t.Context(), s.Members[0]); err != nil || len(b) != 1<<20 {
					t.Errorf("%s: %d bytes, %v", name, len(b), err)
				}
			}
			s.Close()
		}
	}
	var many []entry
	for i := range 12 {
		many = append(many, entry{fmt.Sprintf("%02d.csv", i), []byte("a\n")})
	}
	for name, packed := range map[string][]byte{"zip": zipfile(t, zip.Deflate, many...), "tar": tarball(t, many...), "tar.gz": gz(t, tarball(t, many...))} {
		path := write(t, "data", packed)
		if _, err := archive.OpenLimited(t.Context(), path, nil, 11, 1<<30, 1000, 1<<30); !errors.Is(err, archive.ErrBomb) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s of many: %v", name, err)
		}
	}
}

// TestSpoolLeavesNothing looks at the folder for temporary files while and after a set is
// open, whether it could be opened or not.
func TestSpoolLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	packed := gz(t, tarball(t, entry{"a.csv", []byte("a\n")}, entry{"b.csv", []byte("b\n")}))
	files := func() int {
		entries, err := os.ReadDir(tmp)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	path := write(t, "a.tar.gz", packed)
	s, err := archive.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && files() != 0 {
		t.Error("a file that a killed process would leave behind")
	}
	if err := s.Close(); err != nil || files() != 0 {
		t.Errorf("%d files after Close, %v", files(), err)
	}
	if _, err := archive.Open(t.Context(), write(t, "b.tar.gz", packed[:len(packed)-20]), nil); err == nil || files() != 0 {
		t.Errorf("%d files after an error, %v", files(), err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := write(t, "a.csv.gz", gz(t, bytes.Repeat([]byte("a\n"), 1<<18)))
	s, err := archive.Open(ctx, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Members[0].Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := archive.Open(ctx, write(t, "a.tar.gz", gz(t, tarball(t, entry{"a.csv", []byte("a")}))), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestUnchanged(t *testing.T) {
	path := write(t, "a.csv", []byte("a\n"))
	s := open(t, path, nil)
	writeIn(t, filepath.Dir(path), "a.csv", []byte("other\n"))
	if err := s.Unchanged(); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestPipe(t *testing.T) {
	if _, err := archive.Open(t.Context(), os.DevNull, nil); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Error(err)
	}
}

// TestTogether reads the members of an archive from several goroutines.
func TestTogether(t *testing.T) {
	var files []entry
	for i := range 8 {
		files = append(files, entry{fmt.Sprintf("%d.csv", i), gz(t, bytes.Repeat([]byte{byte('a' + i)}, 100_000))})
	}
	for name, packed := range map[string][]byte{"zip": zipfile(t, zip.Deflate, files...), "tar": tarball(t, files...), "tar.gz": gz(t, tarball(t, files...))} {
		s := open(t, write(t, "data", packed), nil)
		var g sync.WaitGroup
		for i, m := range s.Members {
			for range 2 {
				g.Go(func() {
					if b, err := text(t.Context(), m); err != nil || b != strings.Repeat(string(rune('a'+i)), 100_000) {
						t.Errorf("%s: member %d: %d bytes, %v", name, i, len(b), err)
					}
				})
			}
		}
		g.Wait()
	}
}

// TestMemoryIsFlat opens archives whose members unpack to 1 MB and to 12 MB: beside the
// windows of the codecs, nothing is held.
func TestMemoryIsFlat(t *testing.T) {
	generate := func(size int) []byte {
		b := make([]byte, 0, size)
		for i := uint32(0); len(b) < size; i++ {
			b = fmt.Appendf(b, "%d,%d\n", i%1000, i*2654435761>>20)
		}
		return b[:size]
	}
	peaks := func(size int) map[string]uint64 {
		raw, out := generate(size), map[string]uint64{}
		paths := map[string]string{
			"zip": write(t, "data", zipfile(t, zip.Deflate, entry{"a.csv", raw})), "tar.gz": write(t, "data", gz(t, tarball(t, entry{"a.csv", raw}))), "zstd": write(t, "data", zst(t, raw)),
		}
		raw = nil
		for name, path := range paths {
			most := uint64(0)
			sample := func() {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			s := open(t, path, nil)
			sample()
			r, err := s.Members[0].Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for {
				n, err := io.CopyN(io.Discard, r, int64(size/4))
				sample()
				if err == io.EOF || n == 0 {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			r.Close()
			out[name] = most
		}
		return out
	}
	small, large := peaks(1<<20), peaks(12<<20)
	for name := range small {
		if large[name] > small[name]+6<<20 {
			t.Errorf("%s: %d bytes for 1 MB, %d for 12 MB", name, small[name], large[name])
		}
	}
}

// Streams of bzip2 whose ends lie at all places within a byte but one, and their texts, by Python.
var bzippedEnds = map[string]string{
	"a,b\n1,10\n":  "425a6839314159265359846d5cbf000003d9000010000460003000200030c0087a99a8ca950f177245385090846d5cbf",
	"a,b\n1,21\n":  "425a6839314159265359541d68ea000003d90000100004300030002000221868300270512c2ee48a70a120a83ad1d4",
	"a,b\n1,12\n":  "425a6839314159265359249fc2b0000003d9000010000430003000200030c00864f28823d6f8bb9229c2848124fe1580",
	"a,b\n1,0\n":   "425a68393141592653591f75de700000035900001000046000300020002218683002503961772453850901f75de700",
	"a,b\n1,1\n":   "425a6839314159265359cd6c1fac0000035900001000042000300020002183419a032014e2ee48a70a1219ad83f580",
	"a,b\n1,100\n": "425a68393141592653599361cfc7000004590000100004600030002000221868300251ba2585dc914e142424d873f1c0",
	"a,b\n1,2\n":   "425a6839314159265359bf87407f00000359000010000430003000200030c00869b28823278bb9229c28485fc3a03f80",
}

// What lies behind the end of a compression is left, and noted unless it is zeros.
func TestBehind(t *testing.T) {
	read := func(packed string) (text string, notes []string, err error) {
		path := filepath.Join(t.TempDir(), "f.csv")
		if err := os.WriteFile(path, []byte(packed), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := archive.Open(t.Context(), path, nil)
		if err != nil {
			return "", nil, err
		}
		defer s.Close()
		in, err := s.Members[0].Open(t.Context())
		if err != nil {
			return "", nil, err
		}
		defer in.Close()
		all, err := io.ReadAll(in)
		return string(all), s.Notes(), err
	}
	type packer func(text string) string
	of := func(pack func(testing.TB, []byte) []byte) packer {
		return func(text string) string { return string(pack(t, []byte(text))) }
	}
	long := strings.Repeat("a,b\n1,2\n", 1<<15) // more than a block and a buffer
	for codec, pack := range map[string]packer{
		"gzip": of(gz), "xz": of(xzip), "zstd": of(zst),
		"zstd without a checksum": func(text string) string {
			w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false))
			if err != nil {
				t.Fatal(err)
			}
			return "\x53\x2a\x4d\x18\x03\x00\x00\x00abc" + string(w.EncodeAll([]byte(text), nil)) // behind a frame to skip
		},
	} {
		for name, c := range map[string]struct {
			file, text string
			behind     int
		}{
			"whole": {pack("a"), "a", 0}, "two": {pack("a") + pack("b"), "ab", 0}, "an empty one": {pack("a") + pack("") + pack("b"), "ab", 0},
			"bytes": {pack("a") + "garbage", "a", 7}, "one byte": {pack("a") + pack("b") + "x", "ab", 1}, "three bytes": {pack("a") + "xyz", "a", 3},
			"many bytes": {pack(long) + strings.Repeat("garbage", 30_000), long, 210_000}, "zeros": {pack("a") + strings.Repeat("\x00", 5000), "a", 0},
			"two zeros": {pack("a") + "\x00\x00", "a", 0}, "a zero, then more": {pack("a") + "\x00x", "a", 2},
		} {
			text, notes, err := read(c.file)
			if err != nil || text != c.text {
				t.Errorf("%s: %s: %d bytes of text, %v", codec, name, len(text), err)
			}
			what, _, _ := strings.Cut(codec, " ")
			if want := fmt.Sprintf(": %d bytes behind the end of its %s were not read", c.behind, what); (c.behind == 0) != (len(notes) == 0) || c.behind > 0 && !strings.HasSuffix(notes[0], want) {
				t.Errorf("%s: %s: notes %q", codec, name, notes)
			}
		}
		whole, second := pack(long), pack(long)
		for _, cut := range []int{1, 4, 9, len(second) / 2, len(second) - 9, len(second) - 6} {
			if codec == "zstd without a checksum" && cut > len(second)/2 {
				continue // the frame to skip is whole, or says nothing yet
			}
			if _, notes, err := read(whole + second[:len(second)-cut]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: the second without its last %d bytes: notes %q, %v", codec, cut, notes, err)
			}
		}
	}
	for text, hexed := range bzippedEnds {
		packed, err := hex.DecodeString(hexed)
		if err != nil {
			t.Fatal(err)
		}
		for tail, behind := range map[string]string{"": "", "\x00": "", "\x00\x00\x00": "", "x": "1", "xy": "2", "\x00x": "2", "garbage": "7", "\x00\x00x": "3"} {
			got, notes, err := read(string(packed) + tail)
			if err != nil || got != text {
				t.Errorf("bzip2: %q with %q: %q, %v", text, tail, got, err)
			}
			if (behind == "") != (len(notes) == 0) || behind != "" && !strings.HasSuffix(notes[0], ": "+behind+" bytes behind the end of its bzip2 were not read") {
				t.Errorf("bzip2: %q with %q: notes %q", text, tail, notes)
			}
		}
		for cut := 1; cut < len(packed)-10; cut++ { // the second is cut
			if _, notes, err := read(string(packed) + string(packed[:len(packed)-cut])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("bzip2: %q, the second without its last %d bytes: notes %q, %v", text, cut, notes, err)
			}
		}
	}
}
