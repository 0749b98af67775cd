package archive

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
)

// A gzipReader unpacks the members of a gzip file one after the other.
type gzipReader struct {
	tail
	r *bufio.Reader
	z *gzip.Reader
}

func openGzip(r *bufio.Reader) (io.ReadCloser, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{r: r, z: z}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		if g.ended {
			return 0, io.EOF
		}
		n, err := g.z.Read(p)
		if n > 0 || err != io.EOF {
			if err == io.EOF {
				err = nil // there may be another member
			}
			return n, err
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// next goes on to the next member, or to the end.
func (g *gzipReader) next() error {
	head, err := g.r.Peek(2)
	if string(head) == "\x1f\x8b" {
		if err := g.z.Reset(g.r); err != nil {
			return err
		}
		g.z.Multistream(false)
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return g.end(nil, g.r)
}

func (g *gzipReader) Close() error { return g.z.Close() }
