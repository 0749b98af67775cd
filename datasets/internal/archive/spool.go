package archive

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// A spool keeps the members of compressed tars aside, each as a zstd file of its own in
// one temporary file.
type spool struct {
	file *os.File
	size int64
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "incendio-archive-")
	if err != nil {
		return nil, fmt.Errorf("keep the members of an archive aside: %w", err)
	}
	// Where the system allows it, nothing stays behind however this process ends.
	_ = os.Remove(f.Name())
	return &spool{file: f}, nil
}

func (s *spool) close() error {
	err := s.file.Close()
	if rerr := os.Remove(s.file.Name()); rerr != nil && !os.IsNotExist(rerr) && err == nil {
		err = rerr
	}
	return err
}

// A spoolWriter keeps the members of one archive.
type spoolWriter struct {
	*spool
	source *source
	start  int64 // size of the spool before
	z      *zstd.Encoder
}

func (s *spool) writer(f *source) (*spoolWriter, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &spoolWriter{s, f, s.size, z}, nil
}

// Write implements io.Writer for the encoder.
func (w *spoolWriter) Write(p []byte) (int, error) {
	if l := w.source.budget.limits; w.size+int64(len(p))-w.start > spoolRatio*w.source.size+l.slack {
		return 0, &Error{fmt.Errorf("%s: its members take more than %d times its %d bytes, well packed: %w", w.source.path, spoolRatio, w.source.size, ErrBomb)}
	}
	n, err := w.file.WriteAt(p, w.size)
	w.size += int64(n)
	return n, err
}

// keep copies a member to the spool, and returns what opens it there.
func (w *spoolWriter) keep(ctx context.Context, m *Member, r io.Reader) (func(context.Context) (io.ReadCloser, error), error) {
	from := w.size
	w.z.Reset(w)
	if _, err := io.Copy(w.z, contextReader{ctx, r}); err != nil {
		return nil, err
	}
	if err := w.z.Close(); err != nil {
		return nil, err
	}
	file, size := w.file, w.size-from
	return func(ctx context.Context) (io.ReadCloser, error) {
		z, err := openZstd(bufio.NewReaderSize(io.NewSectionReader(file, from, size), 1<<16))
		if err != nil {
			return nil, fmt.Errorf("%s: read what was kept aside: %w", m.Path, err)
		}
		return &stream{contextReader{ctx, z}, []io.Closer{z}}, nil
	}, nil
}
