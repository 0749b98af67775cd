package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// An Action is a decision that a journal records.
type Action string

// The actions.
const (
	Import   Action = "import"   // a bundle entered the registry
	Promote  Action = "promote"  // a bundle became the champion
	Refuse   Action = "refuse"   // a candidate failed a gate; the champion stays
	Rollback Action = "rollback" // the champion before the last promotion is the champion again
	Renew    Action = "renew"    // the champion stays, with a new release statement
	Collect  Action = "collect"  // a bundle that nothing needs left the registry
)

// decides reports whether a says what an alias stands for, and so has a release statement.
func (a Action) decides() bool { return a == Promote || a == Rollback || a == Renew }

// An Entry is one line of the journal.
type Entry struct {
	Seq    int    `json:"seq"`    // 1 for the first
	Prev   string `json:"prev"`   // the hash of the entry before; 64 zeros for the first
	Time   string `json:"time"`   // RFC 3339, UTC
	Action Action `json:"action"` // what was done
	Digest string `json:"digest"` // the bundle that it was done to; of a rollback, the one that is champion again
	Reason string `json:"reason"`
	// Of promotions, rollbacks and renewals: the alias, empty for the champion, and the SHA-256 of
	// the release statement, empty in journals older than statements.
	Alias     string `json:"alias,omitempty"`
	Statement string `json:"statement,omitempty"`
	Hash      string `json:"hash"` // SHA-256 of the line with this field empty, 64 hex digits
}

// genesis stands for the entry before the first.
var genesis = strings.Repeat("0", 64)

// line is the one way to write e, with a final newline, and the hash that e should have.
func (e Entry) line() (line []byte, hash string, err error) {
	kept := e.Hash
	e.Hash = ""
	b, err := marshal(e, "")
	if err != nil {
		return nil, "", err
	}
	hash = sum(b)
	e.Hash = kept
	line, err = marshal(e, "")
	return line, hash, err
}

// A journal is the verified content of journal.jsonl.
type journal struct {
	entries   []Entry
	imported  map[string]int    // what is in the registry, with the number of its entry
	collected map[string]string // what left it, with the time
	aliases   map[string]*reign // by alias; the champion's is ChampionRef
	verdicts  map[string]Entry  // the last promotion or refusal of a bundle
	size      int64             // bytes of the file that hold entries
	newline   bool              // the last entry lacks its newline
}

// A reign is the history of an alias.
type reign struct {
	champions []string // each promoted over the one before; the last one rules
	last      decision // the last one
}

// A decision is a promotion, rollback or renewal as the journal has it.
type decision struct {
	action    Action
	alias     string
	sequence  int    // of the alias, from 1
	digest    string // which bundle rules since
	before    string // and which did before, or ""
	statement string
	entry     int // of the journal
}

// of returns the history of an alias, which may be empty.
func (j *journal) of(alias string) *reign {
	if r := j.aliases[alias]; r != nil {
		return r
	}
	return &reign{last: decision{alias: alias}}
}

// champion is the digest of the bundle that rules, or "".
func (r *reign) champion() string { return r.nth(1) }

// nth is the n-th champion from the end of the reign, or "".
func (r *reign) nth(n int) string {
	if len(r.champions) < n {
		return ""
	}
	return r.champions[len(r.champions)-n]
}

func newJournal() *journal {
	return &journal{imported: map[string]int{}, collected: map[string]string{}, aliases: map[string]*reign{}, verdicts: map[string]Entry{}}
}

// maxJournal bounds the journal, in bytes. One of a million entries has about 500 MB.
const maxJournal = 1 << 30

// readJournal reads and verifies the journal. A file that does not exist is an empty
// journal. What a crash in the middle of a write leaves, the beginning of the next entry
// without its end, does not count as an entry.
func readJournal(name string) (*journal, error) {
	info, err := os.Lstat(name)
	var data []byte
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("journal %s is not a regular file: %w", name, ErrIntegrity)
	case info.Size() > maxJournal:
		return nil, fmt.Errorf("journal %s has %d bytes, expected at most %d: %w", name, info.Size(), int64(maxJournal), ErrIntegrity)
	default:
		data, err = os.ReadFile(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read journal: %w: %w", ErrIntegrity, err)
	}
	j := newJournal()
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole && j.torn(line) {
			break
		}
		if err := j.read(line); err != nil {
			return nil, fmt.Errorf("journal line %d: %w: %w", len(j.entries)+1, ErrIntegrity, err)
		}
		j.size += int64(len(data) - len(rest))
		j.newline = !whole
		data = rest
	}
	return j, nil
}

// torn reports whether tail is the beginning of the next entry, cut short.
func (j *journal) torn(tail []byte) bool {
	seq, prev := j.next()
	start := fmt.Sprintf(`{"seq":%d,"prev":"%s","time":"`, seq, prev)
	if len(tail) <= len(start) {
		return strings.HasPrefix(start, string(tail))
	}
	var e Entry
	err := json.NewDecoder(bytes.NewReader(tail)).Decode(&e)
	return strings.HasPrefix(string(tail), start) && errors.Is(err, io.ErrUnexpectedEOF)
}

func (j *journal) next() (seq int, prev string) {
	if n := len(j.entries); n > 0 {
		return n + 1, j.entries[n-1].Hash
	}
	return 1, genesis
}

// read verifies one line and applies it.
func (j *journal) read(line []byte) error {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	again, hash, err := e.line()
	if err != nil {
		return err
	}
	if string(again) != string(line)+"\n" {
		return errors.New("not in canonical form")
	}
	if e.Hash != hash {
		return fmt.Errorf("hash is %q, expected %s", e.Hash, hash)
	}
	seq, prev := j.next()
	if e.Seq != seq || e.Prev != prev {
		return fmt.Errorf("seq %d after %.12s, expected %d after %.12s", e.Seq, e.Prev, seq, prev)
	}
	if _, err := time.Parse(time.RFC3339, e.Time); err != nil {
		return err
	}
	if len(e.Digest) != len(genesis) || !isHex(e.Digest) {
		return fmt.Errorf("digest %q, expected 64 hex digits", e.Digest)
	}
	return j.apply(e)
}

// apply adds e to the history, if it is possible after what came before.
func (j *journal) apply(e Entry) error {
	alias := ChampionRef
	if e.Alias != "" {
		if alias = e.Alias; CheckAlias(alias) != nil || alias == ChampionRef || !e.Action.decides() {
			return fmt.Errorf("%s of alias %.80q", e.Action, alias)
		}
	}
	r := j.of(alias)
	before := r.champion()
	switch e.Action {
	case Import:
		if j.imported[e.Digest] != 0 {
			return fmt.Errorf("import of %.12s, which is imported already", e.Digest)
		}
		j.imported[e.Digest] = e.Seq
		delete(j.collected, e.Digest)
	case Refuse:
		j.verdicts[e.Digest] = e
	case Collect:
		if j.imported[e.Digest] == 0 || j.rules(e.Digest) {
			return fmt.Errorf("collection of %.12s, which is not imported or is a champion", e.Digest)
		}
		delete(j.imported, e.Digest)
		j.collected[e.Digest] = e.Time
	case Promote:
		if j.imported[e.Digest] == 0 || e.Digest == before {
			return fmt.Errorf("promotion of %.12s, which is not imported or is the champion", e.Digest)
		}
		r.champions = append(r.champions, e.Digest)
		j.verdicts[e.Digest] = e
	case Rollback:
		if len(r.champions) < 2 || r.nth(2) != e.Digest {
			return fmt.Errorf("rollback to %.12s, expected %.12s", e.Digest, r.nth(2))
		}
		r.champions = r.champions[:len(r.champions)-1]
	case Renew:
		if e.Digest != before || e.Statement == "" {
			return fmt.Errorf("renewal of %.12s, which is not the champion, or without a statement", e.Digest)
		}
	default:
		return fmt.Errorf("unknown action %q", e.Action)
	}
	if e.Action.decides() {
		r.last = decision{e.Action, alias, r.last.sequence + 1, e.Digest, before, e.Statement, e.Seq}
		j.aliases[alias] = r
	}
	j.entries = append(j.entries, e)
	return nil
}

// rules reports whether some alias stands for the bundle.
func (j *journal) rules(digest string) bool {
	for _, r := range j.aliases {
		if r.champion() == digest {
			return true
		}
	}
	return false
}

// write appends e, whose place in the chain it fills in, to the file and waits until it
// is on disk. On an error the file is as long as before; if the disk does not let it be,
// recorded says whether readers will see the entry.
func (j *journal) write(d disk, name string, e Entry) (recorded bool, err error) {
	e.Seq, e.Prev = j.next()
	if !utf8.ValidString(e.Reason) {
		return false, errors.New("the reason is not UTF-8")
	}
	_, e.Hash, err = e.line()
	if err != nil {
		return false, err
	}
	line, _, err := e.line()
	if err != nil {
		return false, err
	}
	var f *os.File
	err = d.do("open", name, func() (err error) {
		f, err = openRegular(name)
		return err
	})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	cut := func() error { return f.Truncate(j.size) }
	if err := d.do("truncate", name, cut); err != nil { // what a crash left behind
		return false, err
	}
	if j.newline {
		line = append([]byte("\n"), line...)
	}
	err = d.do("write", name, func() error { _, err := f.WriteAt(line, j.size); return err })
	if err == nil {
		err = errors.Join(d.do("sync", name, f.Sync), d.syncDir(filepath.Dir(name))) // the file may be new
	}
	if err != nil {
		if again := d.do("truncate", name, cut); again != nil {
			info, e := f.Stat()
			recorded = e == nil && info.Size() >= j.size+int64(len(line))-1 // without its newline it counts
			err = errors.Join(err, again)
		}
		return recorded, err
	}
	j.newline = false
	j.size += int64(len(line))
	return true, j.apply(e)
}

// openRegular opens a file of the registry for writing, which may be new, and refuses one
// that is a link or anything else: what lies behind it is not the registry's.
func openRegular(name string) (*os.File, error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: %w", name, ErrIntegrity)
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
}
