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
)

// An Entry is one line of the journal.
type Entry struct {
	Seq    int    `json:"seq"`    // 1 for the first
	Prev   string `json:"prev"`   // the hash of the entry before; 64 zeros for the first
	Time   string `json:"time"`   // RFC 3339, UTC
	Action Action `json:"action"` // what was done
	Digest string `json:"digest"` // the bundle that it was done to; of a rollback, the one that is champion again
	Reason string `json:"reason"`
	Hash   string `json:"hash"` // SHA-256 of the line with this field empty, 64 hex digits
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
	entries  []Entry
	imported map[string]bool
	reign    []string // champions, each one promoted over the one before; the last one rules
	before   string   // the champion before the last entry, or ""
	size     int64    // bytes of the file that hold entries
	newline  bool     // the last entry lacks its newline
}

// champion is the digest of the bundle that rules, or "".
func (j *journal) champion() string { return j.nth(1) }

// nth is the n-th champion from the end of the reign, or "".
func (j *journal) nth(n int) string {
	if len(j.reign) < n {
		return ""
	}
	return j.reign[len(j.reign)-n]
}

// readJournal reads and verifies the journal. A file that does not exist is an empty
// journal. What a crash in the middle of a write leaves, the beginning of the next entry
// without its end, does not count as an entry.
func readJournal(name string) (*journal, error) {
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read journal: %w: %w", ErrIntegrity, err)
	}
	j := &journal{imported: map[string]bool{}}
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
	before := j.champion()
	switch e.Action {
	case Import:
		j.imported[e.Digest] = true
	case Refuse:
	case Promote:
		if !j.imported[e.Digest] || e.Digest == before {
			return fmt.Errorf("promotion of %.12s, which is not imported or is the champion", e.Digest)
		}
		j.reign = append(j.reign, e.Digest)
	case Rollback:
		if len(j.reign) < 2 || j.nth(2) != e.Digest {
			return fmt.Errorf("rollback to %.12s, expected %.12s", e.Digest, j.nth(2))
		}
		j.reign = j.reign[:len(j.reign)-1]
	default:
		return fmt.Errorf("unknown action %q", e.Action)
	}
	j.before = before
	j.entries = append(j.entries, e)
	return nil
}

// write appends an entry to the file and waits until it is on disk. On an error the file
// is as long as before, or as long as the disk lets it be: readers pass over the rest.
func (j *journal) write(name string, action Action, digest, reason string, at time.Time) (err error) {
	seq, prev := j.next()
	e := Entry{Seq: seq, Prev: prev, Time: at.UTC().Format(time.RFC3339), Action: action, Digest: digest, Reason: reason}
	if !utf8.ValidString(reason) {
		return errors.New("the reason is not UTF-8")
	}
	_, hash, err := e.line()
	if err != nil {
		return err
	}
	e.Hash = hash
	line, _, err := e.line()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(j.size); err != nil { // what a crash left behind
		return err
	}
	if j.newline {
		line = append([]byte("\n"), line...)
	}
	if _, err = f.WriteAt(line, j.size); err == nil {
		err = errors.Join(f.Sync(), syncDir(filepath.Dir(name))) // the file may be new
	}
	if err != nil {
		return errors.Join(err, f.Truncate(j.size))
	}
	j.newline = false
	j.size += int64(len(line))
	return j.apply(e)
}

// unwrite takes the last entry back, before anyone was told of it.
func unwrite(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}
