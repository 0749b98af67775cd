package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/internal/lock"
)

// ChampionRef is the reference that Resolve takes for the champion.
const ChampionRef = "champion"

// minPrefix is the least number of hex digits that may stand for a digest: shorter ones
// are more likely a mistake than a name.
const minPrefix = 8

// A Registry keeps bundles under their digests, lets aliases stand for them, the champion
// first, and records each decision in a journal.
//
// The journal is the truth. A promotion copies nothing: the bundle is on disk before it
// can be promoted, then come the release statement and the next file of the alias, then
// the entry is written and synced: from there on the promotion holds. Last the file of
// the alias is replaced in one step. After a crash before that the journal decides, and
// the next writer puts the file right.
//
// Writers exclude each other, across processes, and fail with ErrLocked rather than
// wait. Readers need no lock. A Registry may be used by several goroutines.
type Registry struct {
	dir  string
	disk disk
}

// NewRegistry returns the registry in the folder dir, which the first Add or Refuse
// creates.
func NewRegistry(dir string) *Registry { return &Registry{dir: dir} }

// A Record is a line of the list of a registry's bundles.
type Record struct {
	Digest         string             `json:"digest"`
	Champion       bool               `json:"champion"`
	Aliases        []string           `json:"aliases"`           // that stand for it, sorted; the champion's is "champion"
	Imported       string             `json:"imported"`          // RFC 3339, UTC
	Verdict        string             `json:"verdict,omitempty"` // Accepted or Refused, by the last entry of the journal about it
	Reason         string             `json:"reason,omitempty"`  // of that entry
	Traces         []string           `json:"traces,omitempty"`  // names
	Metrics        map[string]float64 `json:"metrics,omitempty"`
	BundleVersion  string             `json:"bundle_version,omitempty"`
	ProgramVersion string             `json:"program_version,omitempty"`
	Window         Window             `json:"window"`
	Files          int                `json:"files"`
	Size           int64              `json:"size"`              // bytes of the files
	Problem        string             `json:"problem,omitempty"` // why the bundle cannot be opened
}

// Age is how long the bundle has been in the registry at a time; 0 where the journal says
// otherwise.
func (r *Record) Age(at time.Time) time.Duration {
	imported, err := time.Parse(time.RFC3339, r.Imported)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(imported))
}

func (r *Registry) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

func (r *Registry) bundleDir(digest string) string { return r.path("bundles", digest) }
func (r *Registry) journalFile() string            { return r.path("journal.jsonl") }

// aliasFile is the file that says which bundle an alias stands for.
func (r *Registry) aliasFile(alias string) string {
	if alias == ChampionRef {
		return r.path(ChampionRef)
	}
	return r.path("aliases", alias)
}

// Add copies b into the registry, with the signatures that lie beside it. A bundle that
// is there already stays as it is. A failed Add leaves nothing behind.
func (r *Registry) Add(b *Bundle, reason string, at time.Time) error {
	return r.update("add "+short(b.digest), func(j *journal) error {
		dir := r.bundleDir(b.digest)
		_, err := os.Lstat(dir)
		created := errors.Is(err, fs.ErrNotExist)
		switch {
		case created:
			if err := b.create(r.disk, dir); err != nil {
				// It has its name already, if only the last wait for the disk failed.
				return errors.Join(err, r.disk.removeAll(dir))
			}
		case err != nil:
			return err
		default:
			if _, err := r.open(b.digest, Policy{}); err != nil {
				return err
			}
		}
		if err := errors.Join(r.copySignatures(b), r.copyAttestations(b)); err != nil {
			return err
		}
		if j.imported[b.digest] != 0 {
			return nil
		}
		recorded, err := j.write(r.disk, r.journalFile(), Entry{Time: stamp(at), Action: Import, Digest: b.digest, Reason: reason})
		if err != nil {
			if recorded {
				return fmt.Errorf("the bundle is in the registry; only whether that outlives a loss of power is not known: %w", err)
			}
			if created {
				err = errors.Join(err, r.disk.removeAll(dir))
			}
			return err
		}
		return nil
	})
}

// copySignatures takes the signatures along that lie beside b where it was opened.
func (r *Registry) copySignatures(b *Bundle) error {
	dir := r.bundleDir(b.digest)
	if b.dir == "" || filepath.Clean(b.dir) == dir {
		return nil
	}
	names, signatures, err := readSignatures(b.dir)
	for i := range names {
		if b.signs(signatures[i]) != nil {
			continue // of what lay there before
		}
		err = errors.Join(err, putSignature(r.disk, filepath.Join(dir+signaturesSuffix, names[i]), signatures[i]))
	}
	return err
}

// sweep removes what writers that died left: unfinished copies and files, statements of
// decisions that were not made, and bundles that were collected and not yet removed.
// Under the lock there is nobody else's.
func (r *Registry) sweep(j *journal) error {
	stale := func(folder []string, is func(name string) bool) error {
		entries, err := os.ReadDir(r.path(folder...))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, e := range entries {
			if is(e.Name()) {
				err = errors.Join(err, r.disk.removeAll(r.path(append(folder, e.Name())...)))
			}
		}
		return err
	}
	next := func(name string) bool { return strings.HasPrefix(name, ".") && strings.HasSuffix(name, nextSuffix) }
	err := errors.Join(stale(nil, next), stale([]string{"aliases"}, next), stale([]string{"bundles"}, func(name string) bool {
		_, collected := j.collected[strings.TrimSuffix(strings.TrimSuffix(name, signaturesSuffix), attestationsSuffix)]
		return collected || strings.HasPrefix(name, stagedPrefix)
	}))
	aliases, e := os.ReadDir(r.path("releases"))
	if e != nil && !errors.Is(e, fs.ErrNotExist) {
		return errors.Join(err, e)
	}
	for _, alias := range aliases {
		last := j.of(alias.Name()).last.sequence
		err = errors.Join(err, stale([]string{"releases", alias.Name()}, func(name string) bool {
			sequence, e := strconv.Atoi(strings.TrimSuffix(name, ".json"))
			return next(name) || e == nil && sequence > last
		}))
	}
	return err
}

// NoChampion is the expectation that an alias stands for nothing yet.
const NoChampion = "none"

// A Decision is what a promotion or rollback needs to know beside the bundle.
type Decision struct {
	Alias  string    // which one to change; empty: the champion
	Reason string    // for the journal and the release statement
	At     time.Time // when
	By     string    // who decided, for the statement; may be empty
	// Expect makes it a compare-and-set: the digest that the alias must stand for now, or
	// NoChampion. Empty: whatever it is.
	Expect   string
	Key      *PrivateKey // signs the release statement; nil: it is not signed
	NotAfter time.Time   // when loaders shall stop to take it; zero: never
	// Trusted, if any, demand a signature of the bundle by one of them.
	Trusted []*PublicKey
}

// An Outcome is what a decision led to.
type Outcome struct {
	Alias    string `json:"alias"`
	Digest   string `json:"digest"`   // which the alias stands for now
	Before   string `json:"before"`   // and before the decision; empty if nothing
	Sequence int    `json:"sequence"` // of the release statement
	Changed  bool   `json:"changed"`  // false: it was so already
}

// Promote makes the alias of d stand for the bundle of the given digest (all 64 digits),
// after verifying it. If it does so already there is nothing to do. The error wraps
// ErrNotFound if the registry has no such bundle, and ErrExpect if the alias stands for
// another one than expected, unless this very promotion was what changed it.
func (r *Registry) Promote(digest string, d Decision) (Outcome, error) {
	return r.decide(Promote, short(digest), d, func(j *journal, _ *reign) (string, error) {
		if j.imported[digest] == 0 {
			return "", fmt.Errorf("%s: %w", j.absent(digest), ErrNotFound)
		}
		return digest, nil
	})
}

// Rollback makes the alias of d stand again for what it stood for before the last
// promotion that still holds, after verifying that. Two rollbacks go back two promotions;
// with an expectation the second one does nothing. The error wraps ErrNotFound if there
// is no earlier bundle, and ErrExpect as that of Promote.
func (r *Registry) Rollback(d Decision) (Outcome, error) {
	return r.decide(Rollback, "", d, func(j *journal, now *reign) (string, error) {
		digest := now.nth(2)
		if digest == "" {
			return "", fmt.Errorf("earlier champion: %w", ErrNotFound)
		}
		if j.imported[digest] == 0 {
			return "", fmt.Errorf("earlier champion %s: %s: %w", short(digest), j.absent(digest), ErrNotFound)
		}
		return digest, nil
	})
}

// Renew writes a new release statement for what the alias of d stands for already, with
// another end or signature: what keeps a champion alive whose statement is about to expire.
// The error wraps ErrNotFound if the alias stands for nothing.
func (r *Registry) Renew(d Decision) (Outcome, error) {
	return r.decide(Renew, "", d, func(_ *journal, now *reign) (string, error) {
		if now.champion() == "" {
			return "", ErrNotFound
		}
		return now.champion(), nil
	})
}

// absent says why a bundle is not in the registry.
func (j *journal) absent(digest string) string {
	if when, ok := j.collected[digest]; ok {
		return "the bundle was collected at " + when
	}
	return "the bundle was not added"
}

// decide makes the decision that choose, from the journal and the history of the alias,
// says the bundle of.
func (r *Registry) decide(action Action, bundle string, d Decision, choose func(*journal, *reign) (digest string, err error)) (o Outcome, err error) {
	what := strings.TrimSpace(string(action) + " " + bundle)
	o.Alias = d.Alias
	if o.Alias == "" {
		o.Alias = ChampionRef
	}
	if err := CheckAlias(o.Alias); err != nil {
		return Outcome{}, fmt.Errorf("%s in %s: %w", what, r.dir, err)
	}
	err = r.update(what, func(j *journal) error {
		now := j.of(o.Alias)
		o.Digest, o.Before, o.Sequence = now.champion(), now.champion(), now.last.sequence
		digest, err := choose(j, now)
		if d.Expect != "" && !expects(d.Expect, o.Digest) {
			// The second try of a decision that was made: what was expected stood before it.
			made := now.last.action == action && expects(d.Expect, now.last.before)
			if made && (action != Promote || digest == o.Digest) {
				o.Before = now.last.before
				return nil
			}
			return fmt.Errorf("%s stands for %s, expected %s: %w", o.Alias, orNone(short(o.Digest)), short(d.Expect), ErrExpect)
		}
		if err != nil {
			return err
		}
		if _, err := r.open(digest, Policy{Keys: d.Trusted}); err != nil {
			return err
		}
		if digest == o.Digest && action != Renew {
			return nil
		}
		return r.enthrone(j, action, digest, d, &o)
	})
	if err != nil && !o.Changed {
		return Outcome{}, err
	}
	return o, err
}

func expects(want, digest string) bool { return want == digest || want == NoChampion && digest == "" }

func orNone(digest string) string {
	if digest == "" {
		return "nothing"
	}
	return digest
}

// Refuse records that the candidate of the given digest failed a gate. The candidate
// need not be in the registry. One that was refused already for the same reason, and not
// promoted since, is recorded once.
func (r *Registry) Refuse(digest, reason string, at time.Time) error {
	return r.update("refuse "+short(digest), func(j *journal) error {
		if len(digest) != len(genesis) || !isHex(digest) {
			return fmt.Errorf("digest %q, expected 64 hex digits", digest)
		}
		if last := j.verdicts[digest]; last.Action == Refuse && last.Reason == reason {
			return nil
		}
		_, err := j.write(r.disk, r.journalFile(), Entry{Time: stamp(at), Action: Refuse, Digest: digest, Reason: reason})
		return err
	})
}

// Champion returns the digest of the champion. The error wraps ErrNotFound if there is
// none, and ErrIntegrity if the champion file and the journal tell different stories.
func (r *Registry) Champion() (string, error) { return r.Alias(ChampionRef) }

// Alias returns the digest of the bundle that an alias stands for, with errors as those
// of Champion.
func (r *Registry) Alias(alias string) (string, error) {
	last, err := r.last(alias)
	if err != nil {
		return "", err
	}
	return last.digest, nil
}

func (r *Registry) last(alias string) (decision, error) {
	j, err := r.state(alias)
	if err != nil {
		return decision{}, fmt.Errorf("%s of %s: %w", alias, r.dir, err)
	}
	if j.of(alias).champion() == "" {
		return decision{}, fmt.Errorf("%s of %s: %w", alias, r.dir, ErrNotFound)
	}
	return j.of(alias).last, nil
}

// Aliases returns what every alias of the registry stands for, the champion's under
// ChampionRef.
func (r *Registry) Aliases() (map[string]string, error) {
	j, err := r.state(ChampionRef)
	if err != nil {
		return nil, fmt.Errorf("aliases of %s: %w", r.dir, err)
	}
	all := map[string]string{}
	for alias, reign := range j.aliases {
		all[alias] = reign.champion()
	}
	return all, nil
}

// History returns the journal, oldest entry first, after verifying its chain and that
// it agrees with the champion file.
func (r *Registry) History() ([]Entry, error) {
	j, err := r.state(ChampionRef)
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", r.dir, err)
	}
	return j.entries, nil
}

// Anchor returns the head of the journal: the number of its last entry and its hash, as
// "seq:hash". Kept elsewhere, it proves later that nothing before it was cut or rewritten
// (see VerifyAnchor): every entry has the hash of the one before, and the digest of the
// release statement that goes with it.
func (r *Registry) Anchor() (string, error) {
	h, err := r.History()
	if err != nil {
		return "", err
	}
	if len(h) == 0 {
		return "0:" + genesis, nil
	}
	last := h[len(h)-1]
	return fmt.Sprintf("%d:%s", last.Seq, last.Hash), nil
}

// VerifyAnchor checks that the journal goes on from the anchor that Anchor returned
// earlier, that the release statements of the journal are there and as they were, and
// returns how many entries came since. The error wraps ErrIntegrity.
func (r *Registry) VerifyAnchor(anchor string) (since int, err error) {
	number, hash, ok := strings.Cut(anchor, ":")
	seq, err := strconv.Atoi(number)
	if !ok || err != nil || seq < 0 || len(hash) != len(genesis) || !isHex(hash) {
		return 0, fmt.Errorf("anchor %.80q, expected a number, a colon and 64 hex digits", anchor)
	}
	j, err := r.state(ChampionRef)
	if err != nil {
		return 0, fmt.Errorf("history of %s: %w", r.dir, err)
	}
	switch {
	case seq > len(j.entries):
		return 0, fmt.Errorf("the journal of %s has %d entries, the anchor was taken at %d: it was cut: %w", r.dir, len(j.entries), seq, ErrIntegrity)
	case seq > 0 && j.entries[seq-1].Hash != hash, seq == 0 && hash != genesis:
		return 0, fmt.Errorf("entry %d of the journal of %s is another than when the anchor was taken: it was rewritten: %w", seq, r.dir, ErrIntegrity)
	}
	again := newJournal()
	for _, e := range j.entries {
		if err := again.apply(e); err != nil {
			return 0, err
		}
		if e.Statement == "" {
			continue
		}
		alias := e.Alias
		if alias == "" {
			alias = ChampionRef
		}
		if _, err := r.readRelease(again.of(alias).last); err != nil {
			return 0, fmt.Errorf("history of %s, entry %d: %w", r.dir, e.Seq, err)
		}
	}
	return len(j.entries) - seq, nil
}

// List returns the bundles in the order of their import. One that cannot be opened is
// listed with its Problem.
func (r *Registry) List() ([]Record, error) {
	j, err := r.state(ChampionRef)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", r.dir, err)
	}
	records := []Record{}
	for _, e := range j.entries {
		if e.Action != Import || j.imported[e.Digest] != e.Seq {
			continue
		}
		rec := Record{Digest: e.Digest, Champion: e.Digest == j.of(ChampionRef).champion(), Aliases: j.standFor(e.Digest), Imported: e.Time}
		switch last := j.verdicts[e.Digest]; last.Action {
		case Promote:
			rec.Verdict, rec.Reason = Accepted, last.Reason
		case Refuse:
			rec.Verdict, rec.Reason = Refused, last.Reason
		}
		if b, err := r.open(e.Digest, Policy{}); err != nil {
			rec.Problem = err.Error()
		} else {
			rec.BundleVersion, rec.ProgramVersion = b.manifest.BundleVersion, b.manifest.ProgramVersion
			rec.Window, rec.Files, rec.Metrics = b.manifest.Window, len(b.manifest.Files), b.Manifest().Metrics
			for _, t := range b.manifest.Traces {
				rec.Traces = append(rec.Traces, t.Name)
			}
			for _, f := range b.manifest.Files {
				rec.Size += f.Size
			}
		}
		records = append(records, rec)
	}
	return records, nil
}

// Resolve returns the directory of the bundle that ref names: "champion" or another
// alias, a digest or a prefix of one of at least 8 hex digits (with or without
// "sha256:"), or the path of a directory. Names come before paths, so a directory called
// champion is ./champion. The bundle is not opened; see Open. The error wraps ErrNotFound
// if there is nothing.
func (r *Registry) Resolve(ref string) (dir string, err error) {
	dir, _, err = r.resolve(ref)
	return dir, err
}

// resolve is Resolve; last is the decision that ref follows if it is an alias.
func (r *Registry) resolve(ref string) (dir string, last *decision, err error) {
	if r.isAlias(ref) {
		d, err := r.last(ref)
		if err != nil {
			return "", nil, err
		}
		return r.bundleDir(d.digest), &d, nil
	}
	if prefix := strings.TrimPrefix(ref, digestPrefix); isHex(prefix) && len(prefix) >= minPrefix {
		digest, err := r.match(prefix)
		if err == nil {
			return r.bundleDir(digest), nil, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return "", nil, fmt.Errorf("resolve %q: %w", ref, err)
		}
	}
	info, err := os.Stat(ref)
	if err != nil || !info.IsDir() {
		return "", nil, fmt.Errorf("resolve %q: expected champion or another alias, a digest of the registry %s (at least %d hex digits) or a directory: %w", ref, r.dir, minPrefix, ErrNotFound)
	}
	return ref, nil, nil
}

// isAlias reports whether ref is an alias of this registry.
func (r *Registry) isAlias(ref string) bool {
	if ref == ChampionRef {
		return true
	}
	if CheckAlias(ref) != nil {
		return false
	}
	j, err := readJournal(r.journalFile())
	return err == nil && j.aliases[ref] != nil
}

// Open resolves ref and opens the bundle, as the function Open does. A bundle of the
// registry must also be the one whose digest its folder has, and with a policy that has
// Seen, one that an alias names must be the one of its release statement. A release that
// was followed is remembered there.
func (r *Registry) Open(ref string, p Policy) (*Bundle, error) {
	dir, last, err := r.resolve(ref)
	if err != nil {
		if errors.Is(err, ErrNotFound) && p.Seen != nil && p.Seen.Sequence(ref) > 0 {
			err = fmt.Errorf("this loader followed release %d of %s before: %w: %w", p.Seen.Sequence(ref), ref, ErrIntegrity, errors.New(err.Error()))
		}
		return nil, err
	}
	var release *sealedRelease
	if last == nil && p.Seen != nil && p.Seen.Sequence(ref) > 0 {
		return nil, fmt.Errorf("open %s of %s: it is no alias, and this loader followed release %d of it before: %w", ref, r.dir, p.Seen.Sequence(ref), ErrIntegrity)
	}
	if last != nil {
		if release, err = p.follow(r, *last); err != nil {
			return nil, fmt.Errorf("open %s of %s: %w", ref, r.dir, err)
		}
	}
	var b *Bundle
	if digest := filepath.Base(dir); dir == r.bundleDir(digest) {
		b, err = r.open(digest, p)
	} else {
		b, err = Open(dir, p)
	}
	if err != nil {
		return nil, err
	}
	if release != nil {
		if err := p.Seen.remember(release); err != nil {
			return nil, fmt.Errorf("open %s of %s: %w", ref, r.dir, err)
		}
	}
	return b, nil
}

// match returns the only digest in bundles/ that begins with prefix; if there is none, the
// only one that the journal knows, of a bundle that was collected or is gone.
func (r *Registry) match(prefix string) (string, error) {
	entries, err := os.ReadDir(r.path("bundles"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if n := e.Name(); len(n) == len(genesis) && isHex(n) && strings.HasPrefix(n, prefix) {
			found = append(found, n)
		}
	}
	if len(found) == 0 {
		// Of a broken journal other commands complain: the name may be that of a folder.
		if j, err := readJournal(r.journalFile()); err == nil {
			for _, n := range slices.Concat(names(j.imported, nil), names(j.collected, nil)) {
				if strings.HasPrefix(n, prefix) {
					found = append(found, n)
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return "", ErrNotFound
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("the prefix fits %d bundles: %s", len(found), strings.Join(found, ", "))
}

// open opens the bundle called digest. A folder that is gone is an integrity failure: the
// journal says that it was there.
func (r *Registry) open(digest string, p Policy) (*Bundle, error) {
	b, err := Open(r.bundleDir(digest), p)
	if err != nil {
		// It may have been collected, perhaps while it was read.
		if j, e := readJournal(r.journalFile()); e == nil && j.collected[digest] != "" {
			return nil, fmt.Errorf("bundle %s: %s: %w", short(digest), j.absent(digest), ErrNotFound)
		}
	}
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("bundle %s of the registry is gone: %w", short(digest), ErrIntegrity)
	}
	if err != nil {
		return nil, err
	}
	if b.digest != digest {
		return nil, fmt.Errorf("the folder of bundle %s holds %s: %w", short(digest), short(b.digest), ErrIntegrity)
	}
	return b, nil
}

// state reads the journal and checks the file of an alias against it. Both may change
// meanwhile, so a disagreement counts only if the file stood still.
func (r *Registry) state(alias string) (*journal, error) {
	const attempts = 100
	for attempt := 1; ; attempt++ {
		pointer, err := r.pointer(alias)
		if err != nil {
			return nil, err
		}
		j, err := readJournal(r.journalFile())
		if err != nil {
			return nil, err
		}
		// The file may be behind the last entry, whose writer is about to replace it, or died.
		now := j.of(alias)
		if pointer == now.champion() || pointer == now.last.before && now.last.entry == len(j.entries) {
			return j, nil
		}
		again, err := r.pointer(alias)
		if err != nil {
			return nil, err
		}
		if again == pointer || attempt == attempts {
			return nil, fmt.Errorf("the file %s holds %q, the journal says %q: %w", r.aliasFile(alias), pointer, now.champion(), ErrIntegrity)
		}
	}
}

// pointer returns the content of an alias's file, or "" if there is none.
func (r *Registry) pointer(alias string) (string, error) {
	name := r.aliasFile(alias)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w: %w", name, ErrIntegrity, err)
	}
	digest, ok := strings.CutSuffix(string(data), "\n")
	if !ok || len(digest) != len(genesis) || !isHex(digest) {
		return "", fmt.Errorf("%s holds %.80q, expected 64 hex digits and a newline: %w", name, data, ErrIntegrity)
	}
	return digest, nil
}

// update runs do under the registry's lock, on a journal that the files of all aliases
// agree with.
func (r *Registry) update(what string, do func(*journal) error) error {
	if err := r.locked(do); err != nil {
		return fmt.Errorf("%s in %s: %w", what, r.dir, err)
	}
	return nil
}

// take takes a lock file, or fails with ErrLocked.
func take(name string) (unlock func() error, err error) {
	unlock, err = lock.Take(name)
	switch {
	case errors.Is(err, lock.ErrHeld):
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	case errors.Is(err, lock.ErrNoFile):
		return nil, fmt.Errorf("%w: %w", ErrIntegrity, err)
	}
	return unlock, err
}

func (r *Registry) locked(do func(*journal) error) (err error) {
	if err := r.disk.mkdirAll(r.dir); err != nil {
		return err
	}
	unlock, err := take(r.path("lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	j, err := r.state(ChampionRef)
	if err != nil {
		return err
	}
	for _, alias := range slices.Sorted(maps.Keys(j.aliases)) {
		if _, err := r.state(alias); err != nil {
			return err
		}
		pointer, err := r.pointer(alias)
		if err != nil {
			return err
		}
		if now := j.of(alias).champion(); pointer != now { // a crash came between the journal and the file
			if err := r.disk.replaceFile(r.aliasFile(alias), []byte(now+"\n")); err != nil {
				return err
			}
		}
	}
	if err := r.sweep(j); err != nil {
		return err
	}
	return do(j)
}

// enthrone makes a decision: statement, next file of the alias, journal, file. What goes
// wrong before the journal undoes itself; what goes wrong behind it does not, and the
// error says what holds.
func (r *Registry) enthrone(j *journal, action Action, digest string, d Decision, o *Outcome) error {
	now := j.of(o.Alias)
	release := Release{
		Alias: o.Alias, Sequence: now.last.sequence + 1, Action: action, Previous: now.last.statement,
		Time: stamp(d.At), By: d.By, Reason: d.Reason,
	}
	if release.Previous == "" {
		release.Previous = genesis
	}
	if !d.NotAfter.IsZero() {
		release.NotAfter = stamp(d.NotAfter)
	}
	statement, id, err := newRelease(release, digest, d.Key)
	if err != nil {
		return err
	}
	name := r.releaseFile(o.Alias, release.Sequence)
	if err := r.putRelease(name, statement); err != nil {
		return err
	}
	file := r.aliasFile(o.Alias)
	if err := r.disk.mkdirAll(filepath.Dir(file)); err != nil {
		return errors.Join(err, r.disk.remove(name))
	}
	next, err := r.disk.stageFile(file, []byte(digest+"\n"))
	if err != nil {
		return errors.Join(err, r.disk.remove(name))
	}
	e := Entry{Time: stamp(d.At), Action: action, Digest: digest, Reason: d.Reason, Statement: id}
	if o.Alias != ChampionRef {
		e.Alias = o.Alias
	}
	recorded, err := j.write(r.disk, r.journalFile(), e)
	if err != nil && !recorded {
		return errors.Join(err, r.disk.remove(next), r.disk.remove(name))
	}
	o.Before, o.Digest, o.Sequence, o.Changed = o.Digest, digest, release.Sequence, true
	if err == nil {
		err = r.disk.rename(next, file)
	}
	if err == nil {
		err = r.disk.syncDir(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("%s stands for %s now, as the journal says; the next command that writes brings its file and the disk up to that: %w", o.Alias, digest, err)
	}
	return nil
}

// putRelease writes a statement, over one that a writer that died left.
func (r *Registry) putRelease(name string, data []byte) error {
	folder := filepath.Dir(name)
	if err := r.disk.mkdirAll(folder); err != nil {
		return err
	}
	if err := r.disk.replaceFile(name, data); err != nil {
		return err
	}
	return errors.Join(r.disk.syncDir(filepath.Dir(folder)), r.disk.syncDir(r.dir))
}

// standFor returns the aliases that stand for a bundle, sorted.
func (j *journal) standFor(digest string) []string {
	list := []string{}
	for _, alias := range slices.Sorted(maps.Keys(j.aliases)) {
		if j.aliases[alias].champion() == digest {
			list = append(list, alias)
		}
	}
	return list
}

// short is the beginning of a digest, for messages.
func short(digest string) string { return fmt.Sprintf("%.12s", digest) }
