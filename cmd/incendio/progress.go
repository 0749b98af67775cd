package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/incendio-faas/incendio/pipelines/stage"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// How progress is shown.
const (
	progressAuto = "auto"
	progressBar  = "bar"
	progressLog  = "log"
	progressNone = "none"
)

var progressKinds = []string{progressAuto, progressBar, progressLog, progressNone}

// progress shows steps as --progress says. A bar needs escape sequences to be drawn in its
// place, which who sets NO_COLOR does not want.
func (a *app) progress(log *slog.Logger) stage.Progress {
	f, ok := a.err.(*os.File)
	kind := a.progressAs
	if kind == progressAuto {
		kind = progressLog
		if ok && isTerminal(f) && os.Getenv("NO_COLOR") == "" {
			kind = progressBar
		}
	}
	switch {
	case kind == progressNone:
		return silent{}
	case kind == progressBar && ok:
		return bars{f}
	}
	return lines{log, interval}
}

// silent shows nothing.
type silent struct{}

// Begin implements [stage.Progress].
func (silent) Begin(string, int) stage.Bar { return silent{} }

// Set implements [stage.Bar].
func (silent) Set(int, string) {}

// End implements [stage.Bar].
func (silent) End() {}

// A display shows one step; it is called by one goroutine at a time.
type display interface {
	show(done int, text string)
	close()
}

// A ticking bar shows its state at an interval, whether it was set meanwhile or not: a
// step that is silent for long is seen to be alive, and one that is set a thousand times
// a second costs nothing.
type ticking struct {
	mu   sync.Mutex
	done int
	text string

	stop    chan struct{}
	stopped chan struct{}
	d       display
}

func tick(every time.Duration, d display) *ticking {
	t := &ticking{stop: make(chan struct{}), stopped: make(chan struct{}), d: d}
	go func() {
		defer close(t.stopped)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-t.stop:
				return
			case <-ticker.C:
			}
			t.mu.Lock()
			done, text := t.done, t.text
			t.mu.Unlock()
			d.show(done, text)
		}
	}()
	return t
}

// Set implements [stage.Bar].
func (t *ticking) Set(done int, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = done
	if text != "" {
		t.text = text
	}
}

// End implements [stage.Bar].
func (t *ticking) End() {
	close(t.stop)
	<-t.stopped
	t.d.close()
}

// bars shows a progress bar per step on a terminal.
type bars struct{ f *os.File }

// refresh is the interval at which a terminal is drawn: often enough to look alive.
const refresh = 150 * time.Millisecond

// Begin implements [stage.Progress].
func (b bars) Begin(step string, total int) stage.Bar {
	if total <= 0 {
		total = -1 // a spinner
	}
	return tick(refresh, &bar{f: b.f, step: step, total: total, began: time.Now(), p: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(b.f),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(false), // trials and stages do not take equal times
		progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
	)})
}

type bar struct {
	f     *os.File
	p     *progressbar.ProgressBar
	step  string
	total int
	began time.Time
}

// show draws the bar. One that cannot be drawn does not stop the work.
func (b *bar) show(done int, text string) {
	width, _, err := term.GetSize(int(b.f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	name := fmt.Sprintf("%-*s", nameWidth, b.step)
	text = strings.TrimPrefix(text, b.step+"/")
	if b.total < 0 {
		b.p.Describe(name + clip(text, width-nameWidth-len("|   [59m59s]  ")))
		return
	}
	// A complete bar would be taken for a finished step.
	_ = b.p.Set(min(done, b.total-1))
	text = clip(text, width-nameWidth-len("  100% [==========]  [59m59s] "))
	b.p.Describe(fmt.Sprintf("  %s%s", name, text))
}

// nameWidth holds the names of the stages.
const nameWidth = 11

// clip cuts a name and the value after it to n characters: of the name, not the value.
func clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	value := text[strings.LastIndexByte(text, ' ')+1:]
	keep := n - utf8.RuneCountInString(value) - 2 // for the ellipsis and the space
	if keep < 1 {
		return ""
	}
	name := []rune(text)
	return string(name[:keep]) + "… " + value
}

// close leaves a line with the time that the step took.
func (b *bar) close() {
	took := time.Since(b.began).Round(time.Second / 10)
	if took >= 10*time.Second {
		took = took.Round(time.Second)
	}
	fmt.Fprintf(b.f, "\033[2K\r  %-*s%v\n", nameWidth, b.step, took)
}

// interval between two lines of progress in a log.
const interval = 10 * time.Second

// lines logs progress where there is no terminal.
type lines struct {
	log   *slog.Logger
	every time.Duration
}

// Begin implements [stage.Progress].
func (l lines) Begin(step string, total int) stage.Bar {
	return tick(l.every, &line{log: l.log, step: step, total: total, began: time.Now()})
}

type line struct {
	log   *slog.Logger
	step  string
	total int
	began time.Time
}

func (l *line) show(done int, text string) {
	attrs := []any{"step", l.step, "done", done}
	if l.total > 0 {
		attrs = append(attrs, "total", l.total)
	}
	if text != "" {
		attrs = append(attrs, "status", text)
	}
	l.log.Info("progress", append(attrs, "duration", time.Since(l.began).Round(time.Second))...)
}

// close has nothing to say: the log has a line for the end of a stage.
func (l *line) close() {}
