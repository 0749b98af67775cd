package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/baseline"
)

// tuneCommand tunes Incendio's own parameters, or with --policy those of a baseline.
func (a *app) tuneCommand() *cobra.Command {
	o := baseline.DefaultOptions()
	policy := ""
	c := a.stageCommand("tune", "Tune the priority model and the pool by simulation", "tune")
	c.Long += `

With --policy NAME it tunes the parameters of that policy instead, for the least mean
latency on the training part of the trace, and prints them as simulate --policy takes
them. Nothing is written.`
	own := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("policy") {
			return own(cmd, args)
		}
		return a.tunePolicy(cmd, policy, o)
	}
	c.Flags().StringVar(&policy, "policy", "", "`name` of a policy whose parameters to tune")
	c.Flags().IntVar(&o.Search.Trials, "trials", o.Search.Trials, "settings of a policy that are tried")
	return c
}

func (a *app) tunePolicy(cmd *cobra.Command, policy string, o baseline.Options) error {
	o.Search.Startup = min(o.Search.Startup, max(1, o.Search.Trials))
	if err := o.Validate(); err != nil {
		return usage(err)
	}
	s, err := a.scene(cmd.Context(), cmd.Flags(), datasets.TrainWindow)
	if err != nil {
		return err
	}
	bar := s.env.Progress.Begin("tune", o.Search.Trials)
	res, err := baseline.Tune(cmd.Context(), s.trace, policy, s.splits, s.cfg.Simulation.Options(s.window, s.cfg.Seed), o, train.Resources{Seed: s.cfg.Seed, Workers: s.env.Workers, Recorder: stage.Recorder{Bar: bar}})
	bar.End()
	switch {
	case errors.Is(err, baseline.ErrNoParameters), errors.Is(err, baseline.ErrUnknown):
		return usage(err)
	case err != nil:
		return err
	case a.json:
		return a.print(res)
	}
	fmt.Fprintf(a.out, "%s\n", res.Spec)
	fmt.Fprintf(a.out, "mean latency, ms     published      tuned\n")
	fmt.Fprintf(a.out, "training windows  %12.1f %10.1f\n", res.Train.Default, res.Train.Tuned)
	fmt.Fprintf(a.out, "validation part   %12.1f %10.1f\n", res.Valid.Default, res.Valid.Tuned)
	return nil
}
