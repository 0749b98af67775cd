package main

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/incendio-faas/incendio/pipelines"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// bars shows a progress bar per step.
type bars struct{ w io.Writer }

// Begin implements pipelines.Progress.
func (b bars) Begin(step string, total int) pipelines.Bar {
	if total <= 0 {
		total = -1 // a spinner
	}
	return &bar{p: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(b.w),
		progressbar.OptionSetDescription(step),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	), step: step}
}

type bar struct {
	mu   sync.Mutex
	p    *progressbar.ProgressBar
	step string
}

// Set implements pipelines.Bar. A bar that cannot be drawn does not stop the work.
func (b *bar) Set(done int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if text != "" {
		b.p.Describe(b.step + ": " + text)
	}
	_ = b.p.Set(done)
}

// End implements pipelines.Bar.
func (b *bar) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.p.Finish()
}

// interval between two lines of progress in a log.
const interval = 10 * time.Second

// lines logs progress where there is no terminal.
type lines struct {
	log *slog.Logger
	now func() time.Time
}

// Begin implements pipelines.Progress.
func (l *lines) Begin(step string, total int) pipelines.Bar {
	return &line{l: l, step: step, total: total, last: l.now()}
}

type line struct {
	l     *lines
	mu    sync.Mutex
	step  string
	total int
	last  time.Time
}

// Set implements pipelines.Bar.
func (b *line) Set(done int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.l.now()
	if now.Sub(b.last) < interval {
		return
	}
	b.last = now
	attrs := []any{"step", b.step, "done", done}
	if b.total > 0 {
		attrs = append(attrs, "total", b.total)
	}
	if text != "" {
		attrs = append(attrs, "status", text)
	}
	b.l.log.Info("progress", attrs...)
}

// End implements pipelines.Bar: the log has a line for the end of a stage.
func (b *line) End() {}
