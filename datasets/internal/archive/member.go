package archive

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
)

// A Member is one file of a set.
type Member struct {
	Name string // within the folder or archive that was given, with forward slashes
	Path string // as messages name it: an archive as if it were a folder

	source *source
	codec  *codec // nil: plain
	raw    func(ctx context.Context) (io.ReadCloser, error)
	alone  bool  // it is a file on disk, not of an archive
	inner  int64 // the farthest that was unpacked of it by its archive
	outer  int64 // and by its codec; both guarded by the budget
	after  int64 // bytes behind the end of its compression, as far as it was read; the same
}

// Source is the name of the file that holds the member, as [Set.Sources] lists it.
func (m *Member) Source() string { return m.source.name }

// Compression is the name of the compression, "" for a plain member.
func (m *Member) Compression() string {
	if m.codec == nil {
		return ""
	}
	return m.codec.name
}

// Base is the name without folders and without the extension of a compression.
func (m *Member) Base() string { return base(m.Name[strings.LastIndexByte(m.Name, '/')+1:]) }

// Plain is the name without the extension of a compression.
func (m *Member) Plain() string { return base(m.Name) }

func base(name string) string {
	for _, c := range codecs {
		for _, suffix := range c.suffix {
			if len(name) > len(suffix) && strings.EqualFold(name[len(name)-len(suffix):], suffix) {
				return name[:len(name)-len(suffix)]
			}
		}
	}
	return name
}

// OnDisk reports whether the member lies on disk as it is, at Path, neither compressed nor
// in an archive.
func (m *Member) OnDisk() bool { return m.alone && m.codec == nil }

// Open returns the bytes of the member from its beginning, unpacked. An error of reading
// them names the member; it is ctx's where that ended.
func (m *Member) Open(ctx context.Context) (io.ReadCloser, error) {
	in, err := m.raw(ctx)
	if err != nil || m.codec == nil {
		return in, err
	}
	z, err := m.codec.open(bufio.NewReaderSize(in, 1<<16))
	if err != nil {
		in.Close()
		return nil, damage(m.Path, m.codec.name, err)
	}
	var text io.Reader = &meter{ctx: ctx, r: z, source: m.source, path: m.Path, what: m.codec.name, high: &m.outer}
	if t, ok := z.(tailed); ok {
		text = &ending{text, t, m}
	}
	return &stream{text, []io.Closer{z, in}}, nil
}

// An ending tells a member what was behind the end of its compression.
type ending struct {
	io.Reader
	of     tailed
	member *Member
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF && e.of.behind() > 0 {
		b := e.member.source.budget
		b.mu.Lock()
		e.member.after = e.of.behind()
		b.mu.Unlock()
	}
	return n, err
}

// A stream closes, in order, all that it reads from.
type stream struct {
	io.Reader
	closers []io.Closer
}

func (s *stream) Close() error {
	var first error
	for _, c := range s.closers {
		if err := c.Close(); first == nil {
			first = err
		}
	}
	return first
}

// file is the member that a file on disk is.
func (o *opener) file(f *source) *Member {
	return &Member{Name: f.name, Path: f.path, source: f, alone: true, raw: func(ctx context.Context) (io.ReadCloser, error) {
		in, err := os.Open(f.path)
		if err != nil {
			return nil, err
		}
		return &stream{contextReader{ctx, in}, []io.Closer{in}}, nil
	}}
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
