package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/ulikunitz/xz"
)

// pack writes what traces are delivered in: pack FORM OUT PATH, where FORM is zip or tar of
// the folder PATH, tar.gz, tar.xz, tar.zst, or gz, xz, zst of the file PATH. "up" puts
// names into a tar that lead out of it, "rar" writes the beginning of a RAR archive, and
// "cut" all of PATH but its last 40 bytes.
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pack FORM OUT PATH")
	}
	form, out, path := args[0], ts.MkAbs(args[1]), ts.MkAbs(args[2])
	var b []byte
	switch {
	case form == "zip":
		b = zipped(ts, path)
	case form == "rar":
		b = []byte("Rar!\x1a\x07\x01\x00 and what follows")
	case form == "up":
		b = tarred(ts, path, "../")
	case form == "tar" || strings.HasPrefix(form, "tar."):
		b = tarred(ts, path, "")
	default:
		b = []byte(ts.ReadFile(args[2]))
	}
	switch {
	case form == "cut":
		b = b[:len(b)-40]
	case strings.HasSuffix(form, "gz"):
		b = squeezed(ts, b, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	case strings.HasSuffix(form, "xz"):
		b = squeezed(ts, b, func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })
	case strings.HasSuffix(form, "zst"):
		b = squeezed(ts, b, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	}
	ts.Check(os.MkdirAll(filepath.Dir(out), 0o755))
	ts.Check(os.WriteFile(out, b, 0o644))
}

func squeezed(ts *testscript.TestScript, b []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	var out bytes.Buffer
	w, err := open(&out)
	ts.Check(err)
	_, err = w.Write(b)
	ts.Check(err)
	ts.Check(w.Close())
	return out.Bytes()
}

// each calls file for the files below a folder.
func each(ts *testscript.TestScript, dir string, file func(name string, b []byte)) {
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		file(filepath.ToSlash(name), b)
		return err
	}))
}

func tarred(ts *testscript.TestScript, dir, prefix string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	each(ts, dir, func(name string, b []byte) {
		ts.Check(w.WriteHeader(&tar.Header{Name: prefix + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(b))}))
		_, err := w.Write(b)
		ts.Check(err)
	})
	ts.Check(w.Close())
	return out.Bytes()
}

func zipped(ts *testscript.TestScript, dir string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	each(ts, dir, func(name string, b []byte) {
		f, err := w.Create(name)
		ts.Check(err)
		_, err = f.Write(b)
		ts.Check(err)
	})
	ts.Check(w.Close())
	return out.Bytes()
}
