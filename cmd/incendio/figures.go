package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// pageName is the page that simulate writes into a folder.
const pageName = "report.html"

// draw writes the figures of a study into its folder, and a page for each of its points.
func (s *comparison) draw(rep *sim.SweepReport, window string) error {
	if rep.Parameter == "" {
		return s.drawPoint(s.out, "", rep.Points[0].Report, window)
	}
	for _, p := range rep.Points {
		value := strconv.FormatFloat(p.Value, 'g', -1, 64)
		dir := filepath.Join(s.out, rep.Parameter+"-"+value)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := s.drawPoint(dir, ", "+rep.Parameter+" "+value, p.Report, window); err != nil {
			return err
		}
	}
	if len(rep.Pareto) == 0 {
		return nil
	}
	return writeFigures(s.out, []report.Figure{pipelines.SweepFigure(rep)})
}

func (s *comparison) drawPoint(dir, of string, rep *sim.Report, window string) error {
	d := &report.Data{
		Title: "Policies on " + rep.Trace + of, Program: "incendio " + version, Seed: rep.Seed,
		Policies: pipelines.Comparison(rep, window), Sections: []string{"policies"},
	}
	if err := writeFigures(dir, report.PolicyFigures(d.Policies)); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := report.Render(&b, d); err != nil {
		return err
	}
	return writeWhole(filepath.Join(dir, pageName), b.Bytes())
}

// writeFigures writes each figure as an SVG file named after it.
func writeFigures(dir string, figures []report.Figure) error {
	for _, f := range figures {
		if f.SVG == "" {
			continue
		}
		if err := writeWhole(filepath.Join(dir, f.ID+".svg"), f.File()); err != nil {
			return err
		}
	}
	return nil
}

func writeWhole(name string, data []byte) error {
	if err := os.WriteFile(name, data, 0o666); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
