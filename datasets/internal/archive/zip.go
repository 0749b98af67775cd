package archive

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// maxDirectory bounds the directory of a zip, all of which is held: 64 Ki members with long names.
const maxDirectory = 64 << 20

// zip lists the members of a zip file.
func (o *opener) zip(f *source, prefix string) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	directory := &boundedReaderAt{r: in, left: maxDirectory}
	z, err := zip.NewReader(directory, f.size)
	switch {
	case directory.left < 0:
		return &Error{fmt.Errorf("%s: its directory has more than %d bytes: %w", f.path, maxDirectory, ErrBomb)}
	case errors.Is(err, zip.ErrInsecurePath): // which cleanName says better
	case errors.Is(err, zip.ErrFormat):
		return &Error{fmt.Errorf("%s: truncated or damaged zip: the directory at its end is missing: %w", f.path, err)}
	case err != nil:
		return damage(f.path, "zip", err)
	}
	directory.left = 1 << 62
	seen := map[string]bool{}
	for _, entry := range z.File {
		if err := o.ctx.Err(); err != nil {
			return err
		}
		m, hide, err := o.member(f, prefix, entry.Name)
		if err != nil {
			return err
		}
		switch mode := entry.Mode(); {
		case mode.IsDir():
			continue
		case !mode.IsRegular():
			return &Error{fmt.Errorf("%s: is a link or a special file (%v): only plain files are read", m.Path, mode.Type())}
		case seen[m.Name]:
			return &Error{fmt.Errorf("%s: is there twice in the archive", m.Path)}
		case entry.Flags&1 != 0:
			return &Error{fmt.Errorf("%s: is encrypted: unpack it first", m.Path)}
		}
		seen[m.Name] = true
		if hide {
			continue
		}
		if m.raw, err = zipEntry(m, entry); err != nil {
			return err
		}
		l, err := o.look(m)
		if err != nil {
			return err
		}
		if err := o.takeEntry(m, l); err != nil {
			return err
		}
	}
	return nil
}

// zipEntry returns what opens an entry. It does not use the entry's own opener, which
// would need the zip to stay open.
func zipEntry(m *Member, entry *zip.File) (func(context.Context) (io.ReadCloser, error), error) {
	var method func(r *bufio.Reader) (io.ReadCloser, error)
	switch entry.Method {
	case zip.Store:
		method = func(r *bufio.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }
	case zip.Deflate:
		method = func(r *bufio.Reader) (io.ReadCloser, error) { return flate.NewReader(r), nil }
	default:
		i := slices.IndexFunc(codecs, func(c *codec) bool { return c.method == entry.Method })
		if i < 0 || entry.Method == 0 {
			return nil, &Error{fmt.Errorf("%s: compressed by method %d of zip, which is not read: unpack it first", m.Path, entry.Method)}
		}
		method = codecs[i].open
	}
	offset, err := entry.DataOffset()
	if err != nil {
		return nil, damage(m.Path, "zip", err)
	}
	f, packed, size, sum := m.source, int64(entry.CompressedSize64), int64(entry.UncompressedSize64), entry.CRC32
	if packed < 0 || size < 0 || offset+packed > f.size || offset+packed < 0 {
		return nil, damage(m.Path, "zip", io.ErrUnexpectedEOF)
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		in, err := os.Open(f.path)
		if err != nil {
			return nil, err
		}
		z, err := method(bufio.NewReaderSize(io.NewSectionReader(in, offset, packed), 1<<16))
		if err != nil {
			in.Close()
			return nil, damage(m.Path, "zip", err)
		}
		checked := &checkedReader{r: z, left: size, want: sum, sum: crc32.NewIEEE()}
		return &stream{&meter{ctx: ctx, r: checked, source: f, path: m.Path, what: "zip", high: &m.inner}, []io.Closer{z, in}}, nil
	}, nil
}

// A checkedReader verifies size and checksum of an entry at its end.
type checkedReader struct {
	r    io.Reader
	left int64
	want uint32
	sum  hash.Hash32
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if c.left -= int64(n); c.left < 0 {
		return 0, errors.New("longer than the directory says")
	}
	if err == io.EOF {
		switch {
		case c.left > 0:
			err = io.ErrUnexpectedEOF
		case c.sum.Sum32() != c.want:
			err = zip.ErrChecksum
		}
	}
	return n, err
}

// A boundedReaderAt ends after a number of bytes.
type boundedReaderAt struct {
	r    io.ReaderAt
	left int64
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errors.New("more than is read")
	}
	return b.r.ReadAt(p, off)
}
