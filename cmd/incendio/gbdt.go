package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/internal/whole"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/train/gbdt"
	"github.com/incendio-faas/incendio/train/gbdt/lightgbm"
)

func (a *app) gbdtCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "gbdt",
		Short: "Boosted trees with LightGBM's own configuration and data files",
		Args:  known,
		RunE: func(*cobra.Command, []string) error {
			return usage(errors.New("gbdt needs a command: train, predict or dump"))
		},
	}
	c.AddCommand(a.gbdtTrainCommand(), a.gbdtPredictCommand(), a.gbdtDumpCommand())
	return c
}

func (a *app) gbdtTrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "train CONF [key=value…]",
		Short: "Train a model as LightGBM's configuration CONF says",
		Long: `Train boosted trees. CONF holds LightGBM's parameters as key=value lines, and arguments
override it. Paths are relative to the working directory. Keys that can not change the
model are accepted and listed; those that ask for what is not supported are refused by
name. The model, in LightGBM's text format, goes to output_model.`,
		Example: "  incendio gbdt train train.conf num_trees=50 --json",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			conf := strings.TrimPrefix(args[0], "config=") // as LightGBM takes it
			c, err := readConf(conf, args[1:])
			if err != nil {
				return err
			}
			if c.Task == "predict" {
				return usage(fmt.Errorf("%s: task must be train, got %s; see incendio gbdt predict", conf, c.Task))
			}
			if c.Data == "" {
				return usage(fmt.Errorf("%s: the key data must name the file to train on", conf))
			}
			if err := c.Options.Validate(); err != nil {
				return usage(fmt.Errorf("%s: %w", conf, err))
			}
			if n := c.Options.EarlyStoppingRound; n > 0 && c.Valid == "" {
				return usage(fmt.Errorf("%s: early_stopping_round=%d needs the key valid, the file to measure on", conf, n))
			}
			return a.trainTrees(cmd, c)
		},
	}
}

// readConf reads a configuration of LightGBM.
func readConf(name string, overrides []string) (*lightgbm.Config, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := lightgbm.Parse(f, name, overrides)
	if err != nil {
		return nil, usage(err)
	}
	return c, nil
}

func (a *app) trainTrees(cmd *cobra.Command, c *lightgbm.Config) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		log.Warn(w)
	}
	began := time.Now()
	data, err := lightgbm.ReadTable(c.Data, c.Layout)
	if err != nil {
		return err
	}
	var valid *gbdt.Table
	if c.Valid != "" {
		d, err := lightgbm.ReadValid(c.Valid, c.Layout, data)
		if err != nil {
			return err
		}
		valid = d.Table
		data.Warnings = append(data.Warnings, d.Warnings...)
	}
	for _, w := range data.Warnings {
		log.Warn(w)
	}
	options, err := c.Resolve(data)
	if err != nil {
		return usage(err)
	}
	loaded := time.Since(began)
	log.Info("data read", "rows", data.Table.Rows, "columns", len(data.Table.Columns), "duration", loaded)

	began = time.Now()
	bar := a.progress(log).Begin("boosting", c.Options.NumIterations)
	m, report, err := gbdt.Train(cmd.Context(), data.Table, valid, options, stage.Recorder{Bar: bar})
	bar.End()
	if err != nil {
		return fmt.Errorf("train on %s: %w", c.Data, err)
	}
	trained := time.Since(began)
	for _, w := range report.Warnings {
		log.Warn(w.Error())
	}
	m.LabelIndex = data.Label
	if err := replace(c.OutputModel, m.WriteText); err != nil {
		return err
	}
	log.Info("model trained", "path", c.OutputModel, "trees", report.Iterations, "duration", trained)

	if a.json {
		out := map[string]any{
			"model": c.OutputModel, "iterations": report.Iterations, "metrics": history(report),
			"recorded": c.Recorded,
			"timing":   map[string]any{"load_s": loaded.Seconds(), "train_s": trained.Seconds()},
		}
		if report.BestIteration > 0 {
			out["best_iteration"] = report.BestIteration
		}
		return a.print(out)
	}
	fmt.Fprintf(a.out, "%s: %s\n", c.OutputModel, count(report.Iterations, "tree"))
	for _, e := range report.History {
		if e.Iteration == report.Iterations {
			fmt.Fprintf(a.out, "%s %s: %g\n", e.Set, e.Metric, e.Value)
		}
	}
	return nil
}

// history arranges the metrics of a training by set and name; a value that is no number
// is null.
func history(r gbdt.Report) map[string]map[string][]*float64 {
	out := map[string]map[string][]*float64{}
	for _, e := range r.History {
		if out[e.Set] == nil {
			out[e.Set] = map[string][]*float64{}
		}
		var v *float64
		if !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0) {
			v = &e.Value
		}
		out[e.Set][e.Metric] = append(out[e.Set][e.Metric], v)
	}
	return out
}

func (a *app) gbdtPredictCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "predict MODEL DATA [key=value…]",
		Short: "Predict the rows of a data file with a model",
		Long: `Predict with a model in LightGBM's text format. DATA is laid out as in training, with
the label or without it; a first line that names the model's columns is a header. One
prediction a line goes to --out, else to standard output.

Keys are LightGBM's: predict_raw_score=true, predict_leaf_index=true (the leaf of every
tree), num_iteration_predict=N, header=true, precise_float_parser=true.`,
		Args: args(cobra.MinimumNArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := lightgbm.Parse(strings.NewReader(""), args[0], args[2:])
			if err != nil {
				return usage(err)
			}
			if c.RawScore && c.LeafIndex {
				return usage(errors.New("predict_raw_score and predict_leaf_index must not both be true"))
			}
			log, err := a.logger()
			if err != nil {
				return err
			}
			m, err := readModel(args[0])
			if err != nil {
				return err
			}
			if n := c.NumIteration; n > 0 && n < len(m.Trees) {
				m.Trees = m.Trees[:n]
			}
			began := time.Now()
			d, err := lightgbm.ReadRows(args[1], m, c.Layout.Header, c.Layout.Precise)
			if err != nil {
				return err
			}
			t := d.Table
			for _, w := range d.Warnings {
				log.Warn(w)
			}
			loaded := time.Since(began)
			began = time.Now()
			write, err := predictions(m, t, c)
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			if out == "" {
				return write(a.out)
			}
			predicted := time.Since(began)
			if err := replace(out, write); err != nil {
				return err
			}
			if a.json {
				return a.print(map[string]any{
					"predictions": out, "rows": t.Rows, "trees": len(m.Trees),
					"timing": map[string]any{"load_s": loaded.Seconds(), "predict_s": predicted.Seconds()},
				})
			}
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "`file` to write the predictions to")
	return c
}

// predictions returns what writes the predictions of m for t, computed already.
func predictions(m *gbdt.Model, t *gbdt.Table, c *lightgbm.Config) (func(io.Writer) error, error) {
	var rows func(b []byte, i int) []byte
	switch {
	case c.LeafIndex:
		rows = func(b []byte, i int) []byte {
			for k := range m.Trees {
				if k > 0 {
					b = append(b, '\t')
				}
				b = strconv.AppendInt(b, int64(m.Trees[k].Leaf(t.Row(i))), 10)
			}
			return b
		}
	default:
		if c.RawScore {
			m.Objective = ""
		}
		v, err := m.PredictTable(t)
		if err != nil {
			return nil, err
		}
		rows = func(b []byte, i int) []byte { return strconv.AppendFloat(b, v[i], 'g', 17, 64) }
	}
	return func(w io.Writer) error {
		buffer := bufio.NewWriter(w)
		var line []byte
		for i := range t.Rows {
			line = append(rows(line[:0], i), '\n')
			buffer.Write(line)
		}
		return buffer.Flush()
	}, nil
}

func (a *app) gbdtDumpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dump MODEL",
		Short: "Show the importance of columns and the trees of a model",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := readModel(args[0])
			if err != nil {
				return err
			}
			if !a.json {
				return m.Dump(a.out)
			}
			type importance struct {
				Column string  `json:"column"`
				Splits int     `json:"splits"`
				Gain   float64 `json:"gain"`
			}
			columns := make([]importance, len(m.Columns))
			splits, gains := m.Importance(gbdt.BySplit), m.Importance(gbdt.ByGain)
			for i, c := range m.Columns {
				columns[i] = importance{c, int(splits[i]), gains[i]}
			}
			return a.print(map[string]any{"objective": m.Objective, "trees": len(m.Trees), "columns": columns})
		},
	}
}

func readModel(name string) (*gbdt.Model, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := gbdt.ReadText(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// replace writes a file as a whole or not at all: what stood there stays until the new
// content is complete. A name that is no regular file, such as a pipe, is written to.
func replace(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return whole.Write(name, func(w io.Writer) error {
		if err := write(w); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	})
}
