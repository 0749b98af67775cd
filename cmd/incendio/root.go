package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/pipelines"
)

// version of the program. It is part of a bundle, so it says what was released and not
// how it was built.
const version = "0.1.0"

// run is main without the exit: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var caught atomic.Int32
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case s := <-signals:
			caught.Store(int32(s.(syscall.Signal)))
			cancel()
		case <-ctx.Done():
		}
	}()

	a := &app{out: stdout, err: stderr}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if s := caught.Load(); s != 0 {
		fmt.Fprintf(stderr, "incendio: stopped by %v; what was stored before is as it was\n", syscall.Signal(s))
		return 128 + int(s)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "incendio: %v\n", err)
	return exitCode(err)
}

// app is what all commands share.
type app struct {
	out, err io.Writer

	configFile string
	json       bool
	logLevel   string
	logFormat  string
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "incendio",
		Short: "Train, prove and export serverless scheduling from invocation traces",
		Long: `Incendio reads invocation traces, trains forecasters of each function's arrivals and
agents that choose which request starts next, proves them by simulation on minutes
that they have not seen, and exports a bundle that the scheduler package loads.

Start with "incendio run": without configuration it uses an embedded synthetic trace.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("incendio {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	f := root.PersistentFlags()
	f.StringVar(&a.configFile, "config", "", "configuration `file` (YAML, JSON or TOML)")
	f.BoolVar(&a.json, "json", false, "print JSON on standard output")
	f.StringVar(&a.logLevel, "log-level", "", "debug, info, warn or error (default: warn on a terminal, else info)")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
	root.AddCommand(
		a.runCommand(), a.ingestCommand(), a.tracesCommand(),
		a.featuresCommand(), a.trainCommand(), a.tuneCommand(), a.exportCommand(),
		a.validateCommand(), a.simulateCommand(), a.backtestCommand(),
		a.bundleCommand(), a.reportCommand(),
	)
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// args checks the number of arguments; a wrong one is a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(fmt.Errorf("%w\nusage: %s", err, cmd.UseLine()))
		}
		return nil
	}
}

// print writes v as indented JSON.
func (a *app) print(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(data, '\n'))
	return err
}

// env is what a run takes from outside.
func (a *app) env(cfg pipelines.Config) (pipelines.Env, error) {
	terminal := isTerminal(a.err)
	level := slog.LevelInfo
	if terminal {
		level = slog.LevelWarn
	}
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return pipelines.Env{}, usage(fmt.Errorf("--log-level must be debug, info, warn or error, got %q", a.logLevel))
		}
	}
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler
	switch a.logFormat {
	case "text":
		h = slog.NewTextHandler(a.err, o)
	case "json":
		h = slog.NewJSONHandler(a.err, o)
	default:
		return pipelines.Env{}, usage(fmt.Errorf("--log-format must be text or json, got %q", a.logFormat))
	}
	log := slog.New(h)
	env := pipelines.Env{Version: version, Revision: revision, Now: time.Now, Log: log, Workers: cfg.Workers}
	if env.Workers == 0 {
		env.Workers = runtime.NumCPU()
	}
	if terminal {
		env.Progress = bars{a.err}
	} else {
		env.Progress = &lines{log: log, now: time.Now}
	}
	return env, nil
}

// revision names the code that runs by the digest of the executable: a cached result
// of other code is no result.
func revision() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
