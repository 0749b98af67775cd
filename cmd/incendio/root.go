package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	module "github.com/incendio-faas/incendio"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/memory"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/stage"
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
			signal.Stop(signals) // a second one ends the program at once
			cancel()
		case <-ctx.Done():
		}
	}()

	out := &output{w: stdout}
	a := &app{out: out, err: stderr}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := execute(ctx, root)
	if s := caught.Load(); s != 0 {
		a.last(fmt.Errorf("stopped by %v; what was stored before is as it was", syscall.Signal(s)), 128+int(s))
		return 128 + int(s)
	}
	if err == nil {
		err = out.err
	}
	if err == nil {
		return 0
	}
	a.last(err, exitCode(err))
	return exitCode(err)
}

// last says why the program ends: in one line that begins with its name, or in a record of the
// log where that is JSON, so that all of standard error is.
func (a *app) last(err error, code int) {
	if log, e := a.logger(); e == nil && a.logFormat == "json" {
		log.Error(err.Error(), "exit_code", code)
		return
	}
	fmt.Fprintf(a.err, "incendio: %v\n", err)
}

// execute runs a command. A panic, of a worker too, is an error with its stack.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("internal error, please report it: %w", parallel.Caught(v))
		}
	}()
	return root.ExecuteContext(ctx)
}

// output keeps the first error of writing to standard output: a listing that was cut
// short by a full disk is no success.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("write standard output: %w", err)
	}
	return n, err
}

// written has print write to standard output; holds is what was done before, which stays
// done where the output is lost, and which the error then says.
func (a *app) written(holds string, print func() error) error {
	err := print()
	if out, ok := a.out.(*output); ok && err == nil {
		err = out.err
	}
	if err != nil {
		return fmt.Errorf("%s, and that holds; only the output is lost: %w", holds, err)
	}
	return nil
}

// app is what all commands share.
type app struct {
	out, err io.Writer

	configFile string
	json       bool
	logLevel   string
	logFormat  string
	progressAs string

	memoryLimit string
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
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := a.logger(); err != nil {
				return err
			}
			if !slices.Contains(progressKinds, a.progressAs) {
				return usage(fmt.Errorf("--progress must be one of %s, got %q", strings.Join(progressKinds, ", "), a.progressAs))
			}
			if err := a.limitMemory(); err != nil {
				return err
			}
			return checkExclusions(cmd)
		},
	}
	root.SetVersionTemplate("incendio {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	f := root.PersistentFlags()
	f.StringVar(&a.configFile, "config", "", "configuration `file` (YAML, JSON or TOML)")
	f.StringVar(&a.memoryLimit, "memory-limit", "", "refuse what needs more memory than this `size`, such as 4GiB (default: that of the control group or machine)")
	f.BoolVar(&a.json, "json", false, "print JSON on standard output")
	f.StringVar(&a.logLevel, "log-level", "", "debug, info, warn or error (default: warn on a terminal, else info)")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
	f.StringVar(&a.progressAs, "progress", progressAuto, "of long steps: bar, log, none, or auto: a bar on a terminal unless NO_COLOR is set, else the log")
	writers := []*cobra.Command{
		a.runCommand(), a.ingestCommand(), a.featuresCommand(), a.trainCommand(), a.tuneCommand(), a.exportCommand(),
	}
	a.waits(writers...)
	root.AddCommand(writers...)
	registry := a.bundleCommand()
	for _, c := range registry.Commands() {
		switch c.Name() {
		case "promote", "rollback", "renew", "sign", "gc":
			a.waits(c)
		}
	}
	root.AddCommand(registry,
		a.tracesCommand(), a.validateCommand(), a.simulateCommand(), a.reproduceCommand(), a.backtestCommand(), a.forecastCommand(),
		a.configCommand(), a.planCommand(), a.runsCommand(), a.statusCommand(), a.doctorCommand(), a.reportCommand(), a.decomposeCommand(), a.synthCommand(),
		a.gbdtCommand(), a.versionCommand(),
	)
	a.completeValues(root)
	inGroups(root)
	root.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command",
		RunE: func(_ *cobra.Command, names []string) error {
			cmd, rest, err := root.Find(names)
			if err != nil {
				return usage(err)
			}
			if err := known(cmd, rest); err != nil {
				return err
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	})
	return root
}

// inGroups orders the list of commands by what they are for.
func inGroups(root *cobra.Command) {
	for _, g := range []struct {
		title string
		names []string
	}{
		{"The nightly job:", []string{"ingest", "plan", "run", "features", "tune", "train", "export", "validate", "report"}},
		{"Its keeper:", []string{"status", "doctor", "runs", "config", "bundle"}},
		{"Traces:", []string{"traces", "synth"}},
		{"Experiments:", []string{"simulate", "backtest", "forecast", "reproduce", "decompose", "gbdt"}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, name := range g.names {
			c, _, err := root.Find([]string{name})
			if err != nil {
				panic(err) // a test makes the command
			}
			c.GroupID = g.title
		}
	}
}

// versionCommand says what is installed; --version has the first line alone.
func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "What is installed: the program, and the formats that it writes", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.print(map[string]any{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "bundle_schema": bundle.SchemaVersion})
			}
			_, err := fmt.Fprintf(a.out, "incendio %s\n%s %s/%s\nbundles of schema %d\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, bundle.SchemaVersion)
			return err
		},
	}
}

// limitMemory tells the runtime how much memory there is, unless GOMEMLIMIT did.
func (a *app) limitMemory() error {
	switch {
	case a.memoryLimit != "":
		limit, err := memory.ParseSize(a.memoryLimit)
		if err != nil {
			return usage(fmt.Errorf("--memory-limit %w", err))
		}
		debug.SetMemoryLimit(limit)
	case os.Getenv("GOMEMLIMIT") == "":
		debug.SetMemoryLimit(memory.Machine())
	}
	return nil
}

// known refuses what is left of a command line that should name a command.
func known(cmd *cobra.Command, rest []string) error {
	if len(rest) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", rest[0], cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(rest[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return usage(err)
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
	data, err := jsonOf(v)
	if err == nil {
		_, err = a.out.Write(data)
	}
	return err
}

// jsonOf is what print writes.
func jsonOf(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}

// logger logs to standard error as the flags say.
func (a *app) logger() (*slog.Logger, error) {
	level := slog.LevelInfo
	if isTerminal(a.err) {
		level = slog.LevelWarn
	}
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return nil, usage(fmt.Errorf("--log-level must be debug, info, warn or error, got %q", a.logLevel))
		}
	}
	o := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	}
	return nil, usage(fmt.Errorf("--log-format must be text or json, got %q", a.logFormat))
}

// code names the code that a package runs, for the cache of the stages.
var code = stage.NewCode(module.Module, module.Sources).Digest

// env is what a run takes from outside.
func (a *app) env(cfg pipelines.Config) (pipelines.Env, error) {
	log, err := a.logger()
	if err != nil {
		return pipelines.Env{}, err
	}
	build, _ := debug.ReadBuildInfo() // which a run misses if there is none
	env := pipelines.Env{Version: version, Build: build, Code: code, Now: time.Now, Log: log, Workers: cfg.Workers}
	if env.Workers == 0 {
		env.Workers = runtime.NumCPU()
	}
	env.Progress = a.progress(log)
	return env, nil
}
