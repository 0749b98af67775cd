package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// tar lists the members of a tar file, each of which is a range of it.
func (o *opener) tar(f *source, prefix string) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	return o.entries(f, prefix, in, func(m *Member, _ *tar.Reader, size int64) error {
		offset, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if offset+size > f.size || offset+size < 0 {
			return damage(m.Path, "tar", io.ErrUnexpectedEOF)
		}
		m.raw = func(ctx context.Context) (io.ReadCloser, error) {
			in, err := os.Open(f.path)
			if err != nil {
				return nil, err
			}
			return &stream{contextReader{ctx, io.NewSectionReader(in, offset, size)}, []io.Closer{in}}, nil
		}
		l, err := o.look(m)
		if err != nil {
			return err
		}
		return o.takeEntry(m, l)
	})
}

// compressedTar lists the members of a tar within a compression and keeps aside those
// that are wanted.
func (o *opener) compressedTar(f *source, c *codec, prefix string) error {
	whole := o.file(f)
	in, err := whole.raw(o.ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := c.open(bufio.NewReaderSize(in, 1<<16))
	if err != nil {
		return damage(f.path, c.name, err)
	}
	defer z.Close()
	stream := &meter{ctx: o.ctx, r: z, source: f, path: f.path, what: c.name, high: &f.high}
	var writer *spoolWriter
	err = o.entries(f, prefix, bufio.NewReaderSize(stream, 1<<16), func(m *Member, r *tar.Reader, _ int64) error {
		o.buf.Reset(r)
		l, err := lookAt(m, o.buf)
		if err != nil {
			return damage(m.Path, "tar", err)
		}
		before := len(o.set.Members)
		if err := o.takeEntry(m, l); err != nil || len(o.set.Members) == before {
			return err
		}
		if o.set.spool == nil {
			if o.set.spool, err = newSpool(); err != nil {
				return err
			}
		}
		if writer == nil {
			if writer, err = o.set.spool.writer(f); err != nil {
				return err
			}
		}
		if m.raw, err = writer.keep(o.ctx, m, o.buf); err != nil {
			return damage(m.Path, "tar", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t, ok := z.(tailed); ok {
		f.after, f.within = t.behind(), c.name
	}
	return f.unchanged()
}

// entries calls take for each file of a tar, hidden ones excepted, and sees to it that the
// archive is whole.
func (o *opener) entries(f *source, prefix string, in io.Reader, take func(m *Member, r *tar.Reader, size int64) error) error {
	end := &tarEnd{r: in}
	var r *tar.Reader
	if seeker, ok := in.(io.ReadSeeker); ok { // so that the files are skipped, not read
		r = tar.NewReader(struct {
			io.Reader
			io.Seeker
		}{end, seeker})
	} else {
		r = tar.NewReader(end)
	}
	seen, last := map[string]bool{}, f.path
	for {
		if err := o.ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if err == io.EOF {
			return end.check(f.path)
		}
		if err != nil {
			return damage(last, "tar", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		m, hide, err := o.member(f, prefix, h.Name)
		if err != nil {
			return err
		}
		last = m.Path
		switch {
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag == tar.TypeSymlink, h.Typeflag == tar.TypeLink:
			return &Error{fmt.Errorf("%s: is a link to %.200q: only plain files are read", m.Path, h.Linkname)}
		case h.Typeflag != tar.TypeReg:
			return &Error{fmt.Errorf("%s: is a device or another special file (type %q): only plain files are read", m.Path, h.Typeflag)}
		case sparse(h):
			return &Error{fmt.Errorf("%s: is a sparse file, which is not read: unpack it first", m.Path)}
		case seen[m.Name]:
			return &Error{fmt.Errorf("%s: is there twice in the archive", m.Path)}
		}
		seen[m.Name] = true
		if hide {
			continue
		}
		if err := take(m, r, h.Size); err != nil {
			return err
		}
	}
}

// sparse reports whether a file has holes: a header of a few bytes stands for any number
// of zeros.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// A tarEnd knows whether the input ended before the mark at the end of an archive, two
// blocks of zeros: without it, a file that was cut between two members would look whole.
type tarEnd struct {
	r     io.Reader
	ended bool
}

func (t *tarEnd) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.ended = t.ended || n == 0 && err == io.EOF
	return n, err
}

// check reads the rest, which also verifies the checksum of a compression.
func (t *tarEnd) check(path string) error {
	if t.ended {
		return damage(path, "tar", io.ErrUnexpectedEOF)
	}
	buf := make([]byte, 1<<15)
	for {
		n, err := t.r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return &Error{fmt.Errorf("%s: data after the end of the tar: several archives in one file are not read", path)}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return damage(path, "tar", err)
		}
	}
}
