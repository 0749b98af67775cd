package rows

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/internal/bom"
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

// A File is one file of an input: a file on disk, or a member of an archive.
type File struct {
	Name string // within the folder or archive that was given, with forward slashes
	Path string // as messages name it
	Kind Kind

	member *archive.Member
	fixed  bool      // no option names its columns
	sum    hash.Hash // of the text, where that is asked for
	summed bool      // it is of all of the text
}

// FileOf is a member of a set that is known to be CSV, for readers that have opened the set
// themselves.
func FileOf(m *archive.Member) File {
	return File{Name: m.Name, Path: m.Path, Kind: CSV, member: m, fixed: true}
}

// Source is the name in a provenance of the file on disk that holds this one.
func (f *File) Source() string { return f.member.Source() }

// Series names the one series of a file without a column for functions: the name
// of the file without its extensions, and without folders that name a time.
func (f *File) Series() string {
	name := withoutTimes(f.member.Plain())
	if _, ok := extensions[filepath.Ext(name)]; ok {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return name
}

// extensions of the files that are taken from a folder or archive, before that of a
// compression.
var extensions = map[string]Kind{
	".csv": CSV, ".jsonl": JSONLines, ".ndjson": JSONLines, ".json": JSONLines, ".parquet": Parquet,
}

// tables says which files are taken where nothing else does.
const tables = ".csv, .jsonl, .ndjson, .json or .parquet, of which all but the last may be compressed or in an archive"

// find lists the file at path or, in order of their names, the files of the folder or
// archive at path whose names end in one of the extensions, perhaps followed by that of a
// compression, or those that pick takes where it is not nil. Ignored are the names of the
// others; hidden ones, whose names begin with a dot or an underscore, are left out without
// mention.
func find(ctx context.Context, path string, pick archive.Pick, expect string, trim func([]byte) []byte) (set *archive.Set, files []File, ignored []string, err error) {
	kinds := map[*archive.Member]Kind{}
	set, err = archive.Open(ctx, path, func(m *archive.Member, head []byte) (bool, error) {
		if pick != nil {
			if ok, err := pick(m, head); !ok || err != nil {
				return false, err
			}
		} else if _, ok := named(m); !ok && m.Path != path {
			return false, nil
		}
		if trim != nil && len(head) > 0 {
			head = trim(head)
		}
		kind, err := recognise(m, head)
		kinds[m] = kind
		return err == nil, err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	for _, m := range set.Members {
		files = append(files, File{Name: m.Name, Path: m.Path, Kind: kinds[m], member: m})
	}
	for _, l := range set.Left {
		ignored = append(ignored, l.Name)
	}
	if len(files) == 0 {
		err = set.Foreign()
		if err == nil {
			err = fmt.Errorf("%s: no file: expected %s", path, expect)
		}
		return nil, nil, nil, errors.Join(err, set.Close())
	}
	return set, files, ignored, nil
}

// named is the kind that the name of a file says.
func named(m *archive.Member) (Kind, bool) {
	kind, ok := extensions[strings.ToLower(filepath.Ext(m.Plain()))]
	return kind, ok
}

// Formats that are told apart in order to say what they are.
var magics = []struct{ bytes, name string }{
	{"PARE", "encrypted Parquet"}, {"ARROW1", "Arrow IPC"}, {"ORC", "ORC"},
}

// recognise looks at the first bytes of a file. Its name must not contradict them.
func recognise(m *archive.Member, head []byte) (Kind, error) {
	if len(head) == 0 {
		return 0, &datasets.SyntaxError{File: m.Path, Line: 1, Msg: "empty: expected a header or a row"}
	}
	holds := ""
	for _, f := range magics {
		if bytes.HasPrefix(head, []byte(f.bytes)) {
			holds = f.name
		}
	}
	if bom.UTF16(head) {
		holds = "UTF-16 text"
	}
	if holds != "" {
		return 0, fmt.Errorf("%s: holds %s: expected CSV, JSON lines or Parquet", m.Path, holds)
	}
	ended, err := endsAsParquet(m)
	if err != nil {
		return 0, err
	}
	text := bytes.TrimLeft(bom.Trim(head), " \t\r\n")
	kind := CSV
	switch {
	case bytes.HasPrefix(head, []byte(parquetMagic)) || ended:
		if kind = Parquet; !m.OnDisk() {
			within := m.Compression()
			if within == "" {
				within = "an archive"
			}
			return 0, fmt.Errorf("%s: holds Parquet within %s: unpack it first", m.Path, within)
		}
	case bytes.HasPrefix(text, []byte("{")):
		kind = JSONLines
	case bytes.HasPrefix(text, []byte("[")):
		kind = JSONArray
	}
	if says, ok := named(m); ok && says != kind && !(says == JSONLines && kind == JSONArray) {
		return 0, fmt.Errorf("%s: is %v by its name, but holds %v", m.Path, says, kind)
	}
	return kind, nil
}

const parquetMagic = "PAR1" // begins and ends a Parquet file

// endsAsParquet reports whether the file ends as Parquet does, perhaps damaged at its beginning.
func endsAsParquet(m *archive.Member) (bool, error) {
	if !m.OnDisk() {
		return false, nil
	}
	in, err := os.Open(m.Path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	stat, err := in.Stat()
	if err != nil || stat.Size() < int64(len(parquetMagic)) {
		return false, err
	}
	end := make([]byte, len(parquetMagic))
	_, err = in.ReadAt(end, stat.Size()-int64(len(end)))
	return string(end) == parquetMagic, err
}

// Text opens the file as text. Errors of reading it are what [File.ReadError] explains.
func (f *File) Text(ctx context.Context) (io.ReadCloser, error) {
	in, err := f.member.Open(ctx)
	if err != nil || f.sum == nil {
		return in, err
	}
	f.sum.Reset()
	f.summed = false
	return &hashed{in, f}, nil
}

// A hashed text is one whose digest is taken as it passes.
type hashed struct {
	io.ReadCloser
	file *File
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.file.sum.Write(p[:n])
	h.file.summed = err == io.EOF
	return n, err
}

// hash makes the next readings of the file take the digest of its text.
func (f *File) hash() { f.sum = sha256.New() }

// content is the digest of the text, in hex; of Parquet, that of the file. Where the
// last reading did not come to the end, it takes another.
func (f *File) content(ctx context.Context) (string, error) {
	if !f.summed {
		in, err := f.Text(ctx)
		if err != nil {
			return "", err
		}
		defer in.Close()
		if _, err := io.Copy(io.Discard, in); err != nil {
			return "", f.ReadError(err)
		}
	}
	return hex.EncodeToString(f.sum.Sum(nil)), nil
}

// ReadError says of which file an error of reading is.
func (f *File) ReadError(err error) error {
	if errors.As(err, new(*archive.Error)) || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return fmt.Errorf("%s: %w", f.Path, err)
}
