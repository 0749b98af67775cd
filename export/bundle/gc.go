package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A Retention says which bundles a registry keeps, beside those that an alias stands for
// or would stand for after one rollback. Zero values keep none for their reason.
type Retention struct {
	Last   int // the most recently imported
	Daily  int // the last one of each of so many days (UTC) on which any was imported
	Weekly int // the last one of each of so many weeks (ISO 8601, UTC)
}

// Validate reports a number below zero.
func (k Retention) Validate() error {
	if k.Last < 0 || k.Daily < 0 || k.Weekly < 0 {
		return fmt.Errorf("retention keeps the last %d, daily %d, weekly %d: expected 0 or more", k.Last, k.Daily, k.Weekly)
	}
	return nil
}

// A Collection is what Collect kept and removed, in the order of import.
type Collection struct {
	Kept    []Kept   `json:"kept"`
	Removed []string `json:"removed"` // digests
	DryRun  bool     `json:"dry_run"` // nothing was removed: these are the ones that would be
}

// Kept is a bundle that stays, and why.
type Kept struct {
	Digest string   `json:"digest"`
	Why    []string `json:"why"` // "champion", "rollback of …", "last", "day …", "week …"
}

// Collect removes the bundles that neither an alias nor the retention needs. The journal
// has an entry for each, written before the folder goes, so that the history stays whole
// and says what became of them; release statements stay. A bundle that was collected can
// be added again. With dryRun nothing is changed.
func (r *Registry) Collect(keep Retention, dryRun bool, at time.Time) (*Collection, error) {
	if err := keep.Validate(); err != nil {
		return nil, fmt.Errorf("collect in %s: %w", r.dir, err)
	}
	c := &Collection{Kept: []Kept{}, Removed: []string{}, DryRun: dryRun}
	if dryRun {
		j, err := r.state(ChampionRef)
		if err != nil {
			return nil, fmt.Errorf("collect in %s: %w", r.dir, err)
		}
		return c, c.plan(j, keep)
	}
	err := r.update("collect", func(j *journal) error {
		if err := c.plan(j, keep); err != nil {
			return err
		}
		for i, digest := range c.Removed {
			recorded, err := j.write(r.disk, r.journalFile(), Entry{Time: stamp(at), Action: Collect, Digest: digest, Reason: "not needed by any alias nor the retention"})
			if err == nil {
				err = r.drop(digest)
				recorded = true
			}
			if err != nil {
				if !recorded {
					i--
				}
				c.Removed = c.Removed[:i+1]
				return fmt.Errorf("%d bundles are collected; the next command that writes removes what is left of them: %w", len(c.Removed), err)
			}
		}
		return nil
	})
	return c, err
}

// drop removes the folder of a bundle and those of its signatures and attestations. The folder goes under
// another name first, so that a reader finds all of it or nothing.
func (r *Registry) drop(digest string) error {
	dir := r.bundleDir(digest)
	if _, err := os.Lstat(dir); err == nil {
		aside := filepath.Join(filepath.Dir(dir), stagedPrefix+digest)
		if err := r.disk.rename(dir, aside); err != nil {
			return err
		}
		if err := r.disk.removeAll(aside); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(r.disk.removeAll(dir+signaturesSuffix), r.disk.removeAll(dir+attestationsSuffix))
}

// plan fills in what stays and what goes.
func (c *Collection) plan(j *journal, keep Retention) error {
	why := map[string][]string{}
	for _, alias := range slices.Sorted(maps.Keys(j.aliases)) {
		for n, reason := range []string{alias, "rollback of " + alias} {
			if d := j.aliases[alias].nth(n + 1); d != "" {
				why[d] = append(why[d], reason)
			}
		}
	}
	var imports []Entry
	for _, e := range j.entries {
		if e.Action == Import && j.imported[e.Digest] == e.Seq {
			imports = append(imports, e)
		}
	}
	days, weeks := map[string]bool{}, map[string]bool{}
	for i, e := range slices.Backward(imports) {
		t, err := time.Parse(time.RFC3339, e.Time)
		if err != nil {
			return err
		}
		if len(imports)-i <= keep.Last {
			why[e.Digest] = append(why[e.Digest], "last")
		}
		year, week := t.ISOWeek()
		for _, rule := range []struct {
			name string
			seen map[string]bool
			keep int
		}{
			{t.Format("day 2006-01-02"), days, keep.Daily},
			{fmt.Sprintf("week %d-W%02d", year, week), weeks, keep.Weekly},
		} {
			if !rule.seen[rule.name] && len(rule.seen) < rule.keep {
				rule.seen[rule.name] = true
				why[e.Digest] = append(why[e.Digest], rule.name)
			}
		}
	}
	for _, e := range imports {
		if w := why[e.Digest]; len(w) > 0 {
			c.Kept = append(c.Kept, Kept{e.Digest, w})
		} else {
			c.Removed = append(c.Removed, e.Digest)
		}
	}
	return nil
}
