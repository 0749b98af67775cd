package rows

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
)

// A Kind is how a file writes down its rows.
type Kind int

// The kinds that are read.
const (
	CSV Kind = iota
	JSONLines
	Parquet
	JSONArray // which no table of columns is, but a document that a [Layout] may read
)

func (k Kind) String() string {
	return [...]string{"CSV", "JSON lines", "Parquet", "a JSON array"}[k]
}

// A File is one file of an input.
type File struct {
	Name   string // within the folder that was given, with forward slashes
	Path   string // as it is opened, and as messages name it
	Kind   Kind
	SHA256 string // of the bytes as they lie there, in hex; set by Digest

	gzip bool
	stat fs.FileInfo // when it was found
}

// Source describes the file in a provenance.
func (f *File) Source() datasets.SourceFile {
	return datasets.SourceFile{Name: f.Name, SHA256: f.SHA256}
}

// Series names the one series of a file without a column for functions: the name
// of the file without its extensions.
func (f *File) Series() string {
	name := strings.TrimSuffix(f.Name, ".gz")
	if _, ok := extensions[filepath.Ext(name)]; ok {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return name
}

// extensions of the files that are taken from a folder, beside ".gz" after one of them.
var extensions = map[string]Kind{
	".csv": CSV, ".jsonl": JSONLines, ".ndjson": JSONLines, ".json": JSONLines, ".parquet": Parquet,
}

// Find returns the file at path or, in order of their names, the files below the
// folder at path whose names end in .csv, .jsonl, .ndjson, .json (perhaps with .gz)
// or .parquet. Ignored are the names of the others; hidden ones, whose names begin
// with a dot or an underscore, are left out without mention.
func Find(path string) (files []File, ignored []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		f := File{Name: filepath.Base(path), Path: path}
		if err := f.recognise(); err != nil {
			return nil, nil, err
		}
		return []File{f}, nil, nil
	}
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != path && strings.ContainsRune("._", rune(d.Name()[0])) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(path, p)
		if err != nil {
			return err
		}
		f := File{Name: filepath.ToSlash(rel), Path: p}
		if _, ok := extensions[strings.ToLower(filepath.Ext(strings.TrimSuffix(p, ".gz")))]; !ok {
			ignored = append(ignored, f.Name)
			return nil
		}
		if err := f.recognise(); err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no file: expected .csv, .jsonl, .ndjson or .json, perhaps with .gz, or .parquet", path)
	}
	return files, ignored, err
}

// Formats that are told apart in order to say what they are.
var magics = []struct{ bytes, name string }{
	{"PARE", "encrypted Parquet"},
	{"PK\x03\x04", "a zip archive"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"\x28\xb5\x2f\xfd", "zstd"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"}, {"Rar!\x1a\x07", "a RAR archive"}, {"ARROW1", "Arrow IPC"}, {"ORC", "ORC"},
	{"\xff\xfe", "UTF-16 text"}, {"\xfe\xff", "UTF-16 text"},
}

// recognise looks at the first bytes of the file. The name must not contradict them.
func (f *File) recognise() error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	if f.stat, err = in.Stat(); err != nil {
		return err
	}
	if !f.stat.Mode().IsRegular() {
		return fmt.Errorf("%s: must be a regular file or a folder", f.Path)
	}
	head := bufio.NewReaderSize(in, 4096)
	start, err := head.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return f.ReadError(err)
	}
	if bytes.HasPrefix(start, []byte("\x1f\x8b")) {
		f.gzip = true
		z, err := gzip.NewReader(head)
		if err != nil {
			return f.ReadError(err)
		}
		head = bufio.NewReaderSize(z, 4096)
		if start, err = head.Peek(8); err != nil && !errors.Is(err, io.EOF) {
			return f.ReadError(err)
		}
	}
	if len(start) == 0 {
		return &datasets.SyntaxError{File: f.Path, Line: 1, Msg: "empty: expected a header or a row"}
	}
	for _, m := range magics {
		if strings.HasPrefix(string(start), m.bytes) {
			return fmt.Errorf("%s: holds %s: expected CSV, JSON lines or Parquet", f.Path, m.name)
		}
	}
	ended, err := f.endsAsParquet(in)
	if err != nil {
		return f.ReadError(err)
	}
	text, err := head.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return f.ReadError(err)
	}
	text = bytes.TrimLeft(bytes.TrimPrefix(text, byteOrderMark), " \t\r\n")
	switch {
	case bytes.HasPrefix(start, []byte(parquetMagic)) || ended:
		if f.Kind = Parquet; f.gzip {
			return fmt.Errorf("%s: holds Parquet within gzip: unpack it first", f.Path)
		}
	case bytes.HasPrefix(text, []byte("{")):
		f.Kind = JSONLines
	case bytes.HasPrefix(text, []byte("[")):
		f.Kind = JSONArray
	default:
		f.Kind = CSV
	}
	named, ok := extensions[strings.ToLower(filepath.Ext(strings.TrimSuffix(f.Path, ".gz")))]
	if ok && named != f.Kind && !(named == JSONLines && f.Kind == JSONArray) {
		return fmt.Errorf("%s: is %v by its name, but holds %v", f.Path, named, f.Kind)
	}
	return nil
}

const parquetMagic = "PAR1" // begins and ends a Parquet file

// endsAsParquet reports whether the file ends as Parquet does, perhaps damaged at its beginning.
func (f *File) endsAsParquet(in io.ReaderAt) (bool, error) {
	n := f.stat.Size() - int64(len(parquetMagic))
	if f.gzip || n < 0 {
		return false, nil
	}
	end := make([]byte, len(parquetMagic))
	_, err := in.ReadAt(end, n)
	return string(end) == parquetMagic, err
}

// Digest reads all bytes of the file and sets its SHA256.
func (f *File) Digest(ctx context.Context) error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, in}); err != nil {
		return f.ReadError(err)
	}
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

// Unchanged reports an error if the file is not the one that was found.
func (f *File) Unchanged() error {
	now, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if now.Size() != f.stat.Size() || !now.ModTime().Equal(f.stat.ModTime()) {
		return fmt.Errorf("%s: changed while it was read", f.Path)
	}
	return nil
}

// Text opens the file as text. Errors of reading it are what [File.ReadError] explains.
func (f *File) Text(ctx context.Context) (io.ReadCloser, error) {
	in, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	r := io.Reader(contextReader{ctx, in})
	if f.gzip {
		z, err := gzip.NewReader(r)
		if err != nil {
			in.Close()
			return nil, f.ReadError(err)
		}
		r = z
	}
	return struct {
		io.Reader
		io.Closer
	}{r, in}, nil
}

// ReadError says what kept the file from being read.
func (f *File) ReadError(err error) error {
	switch {
	case f.gzip && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)):
		return fmt.Errorf("%s: truncated gzip: %w", f.Path, err)
	case errors.As(err, new(*fs.PathError)):
		return err
	case f.gzip && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: damaged gzip: %w", f.Path, err)
	}
	return fmt.Errorf("%s: %w", f.Path, err)
}

// A contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
