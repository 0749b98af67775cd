package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/incendio-faas/incendio/datasets/alibaba"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/azure2021"
	"github.com/incendio-faas/incendio/datasets/counts"
	"github.com/incendio-faas/incendio/datasets/huawei2023"
	"github.com/incendio-faas/incendio/datasets/huawei2025"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/openwhisk"
	"github.com/incendio-faas/incendio/datasets/prometheus"
	"github.com/incendio-faas/incendio/internal/archive"
)

// detectors recognise a file by its first bytes, unpacked. The first that does decides.
var detectors = []struct {
	format string
	is     func(head []byte) bool
}{
	{azure2019.Format, azure2019.Detect},
	{azure2021.Format, azure2021.Detect},
	{alibaba.Format, alibaba.Detect},
	{huawei2023.Format, firstLine(huawei2023.IsHeader)},
	{huawei2025.Format, firstLine(huawei2025.IsHeader)},
	{openwhisk.Format, openwhisk.Detect},
	{prometheus.Format, prometheus.Detect},
	{counts.Format, counts.Detect},
	{invocations.Format, invocations.Detect},
}

func firstLine(is func(line []byte) bool) func(head []byte) bool {
	return func(head []byte) bool {
		line, _, _ := bytes.Cut(head, []byte("\n"))
		return is(line)
	}
}

// detect is the format that a file looks like, "" if none.
func detect(head []byte) string {
	for _, d := range detectors {
		if d.is(head) {
			return d.format
		}
	}
	return ""
}

// Sightings are the formats that the files of an ingest look like, with the first file of
// each.
type sightings struct {
	named string // the format that the user named
	first map[string]string
}

// watch returns a context in which the files that an input opens are looked at. Two
// public formats together are an error, because the one that was not named would be left
// out without a word. The columns of a generic format may be called anything, so nothing is
// held against those.
func (s *sightings) watch(ctx context.Context) context.Context {
	s.first = map[string]string{}
	return archive.Observe(ctx, func(m *archive.Member, head []byte) error {
		format := detect(head)
		if format == "" || s.first[format] != "" {
			return nil
		}
		s.first[format] = m.Path
		if s.named == counts.Format || s.named == invocations.Format || len(s.first) < 2 {
			return nil
		}
		other := slices.Sorted(maps.Keys(s.first))
		other = slices.DeleteFunc(other, func(f string) bool { return f == format })
		return fmt.Errorf("two formats together: %s looks like %s, %s like %s: give each format a folder of its own",
			s.first[other[0]], other[0], m.Path, format)
	})
}

// explain adds to an error of opening an input which format the files look like, where
// that is another one.
func (s *sightings) explain(err error) error {
	if err == nil || len(s.first) != 1 || s.first[s.named] != "" {
		return err
	}
	for format, path := range s.first {
		return fmt.Errorf("%w; %s looks like %s: try incendio ingest %s", err, path, format, format)
	}
	return err
}
