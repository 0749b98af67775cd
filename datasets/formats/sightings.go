package formats

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/incendio-faas/incendio/datasets/internal/archive"
)

// Sightings are the formats that the files of an input look like, with the first file of
// each.
type sightings struct {
	named Format // the format that the user named
	first map[string]string
}

// watch returns a context in which the files that an input opens are looked at. Two
// public formats together are an error, because the one that was not named would be left
// out without a word. The columns of a free format may be called anything, so nothing is
// held against those.
func (s *sightings) watch(ctx context.Context) context.Context {
	s.first = map[string]string{}
	return archive.Observe(ctx, func(m *archive.Member, head []byte) error {
		format, ok := Detect(head)
		if !ok || s.first[format.Name] != "" {
			return nil
		}
		s.first[format.Name] = m.Path
		if s.named.Free || len(s.first) < 2 {
			return nil
		}
		other := slices.Sorted(maps.Keys(s.first))
		other = slices.DeleteFunc(other, func(f string) bool { return f == format.Name })
		return fmt.Errorf("two formats together: %s looks like %s, %s like %s: give each format a folder of its own",
			s.first[other[0]], other[0], m.Path, format.Name)
	})
}

// explain adds to an error of opening an input which format the files look like, where
// that is another one.
func (s *sightings) explain(err error) error {
	if len(s.first) != 1 || s.first[s.named.Name] != "" {
		return err
	}
	for format, path := range s.first {
		return fmt.Errorf("%w; %s looks like %s: try incendio ingest %s", err, path, format, format)
	}
	return err
}
