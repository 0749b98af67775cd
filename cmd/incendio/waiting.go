package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// tryAgain is the time between two tries to get a lock.
const tryAgain = 200 * time.Millisecond

// waits gives commands that write, and those below them, the flag --lock-wait: what ends
// because another process holds a lock is tried again until that time is over. Locks are taken
// before anything is printed, and what a try has stored, the next one finds.
func (a *app) waits(commands ...*cobra.Command) {
	for _, c := range commands {
		a.waits(c.Commands()...)
		run := c.RunE
		if run == nil || !c.Runnable() || c.HasSubCommands() {
			continue
		}
		c.Flags().Duration("lock-wait", 0, "how long to wait for a lock that another process holds; 0: not at all")
		c.RunE = func(cmd *cobra.Command, args []string) error {
			limit, _ := cmd.Flags().GetDuration("lock-wait")
			if limit < 0 {
				return usage(fmt.Errorf("--lock-wait must not be negative, got %v", limit))
			}
			log, err := a.logger()
			if err != nil {
				return err
			}
			end := time.Now().Add(limit)
			for first := true; ; first = false {
				err := run(cmd, args)
				if err == nil || exitCode(err) != codeLocked || !time.Now().Before(end) {
					return err
				}
				if first {
					log.Info("waiting for a lock", "at_most", limit, "reason", err)
				}
				select {
				case <-cmd.Context().Done():
					return err
				case <-time.After(tryAgain):
				}
			}
		}
	}
}

// successes are the exit codes of run that a caller may take for success.
var successes = []int{codeFallback, codeRefused}

// forgiven returns nil for an error whose exit code the caller takes for success (--ok), after
// saying it in the log.
func (a *app) forgiven(cmd *cobra.Command, err error) error {
	ok, _ := cmd.Flags().GetIntSlice("ok")
	if err == nil || !slices.Contains(ok, exitCode(err)) {
		return err
	}
	log, e := a.logger()
	if e != nil {
		return e
	}
	log.Warn(err.Error(), "exit_code", exitCode(err), "taken_for", "success")
	return nil
}

// checkSuccesses refuses codes that nobody can take for success.
func checkSuccesses(cmd *cobra.Command) error {
	ok, _ := cmd.Flags().GetIntSlice("ok")
	for _, code := range ok {
		if !slices.Contains(successes, code) {
			return usage(fmt.Errorf("--ok must be among %v, got %d", successes, code))
		}
	}
	return nil
}
