package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A store is the folder of a state: how it began, and a journal of all that has happened since, which
// gives the same state again, because a Control decides the same on the same events. A record is in
// the journal before an order of it goes out, so that what the platform knows the store knows.
type store struct {
	dir     string
	sync    bool
	journal *os.File
	size    int64 // of the journal, whole records
	torn    bool  // there may be more in it than that
	lock    *os.File
}

// The files of a store.
const (
	beginningFile = "beginning" // JSON, and its digest in the last line
	journalFile   = "journal"
	lockFile      = "lock"
)

// stateVersion is that of the two files together.
const stateVersion = 1

// A beginning is how a state began.
type beginning struct {
	Version int              `json:"version"`
	Bundle  string           `json:"bundle"` // its digest; empty: the models came without one
	Config  scheduler.Config `json:"config"` // without the models
}

// A record of a journal.
type record struct {
	ev     scheduler.Event
	ack    uint64 // where not 0, the order of that number was carried out
	failed bool   // or was not, at ev.At
	op     *op    // where not nil, what was done that is no event
	check  bool   // or the last order is that of number ack, and all so far have the digest sum
	sum    uint64
}

// Kinds of records that are no events.
const (
	checkRecord  = 0xfc
	opRecord     = 0xfd
	failedRecord = 0xfe
	ackRecord    = 0xff
)

// openStore makes the folder and takes its lock: two schedulers of one state would each send
// requests into the containers of the other.
func openStore(dir string, sync bool) (*store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := hold(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("runner: state %s is in use by another process: %w", dir, err), lock.Close())
	}
	return &store{dir: dir, sync: sync, lock: lock}, nil
}

// close lets the folder go.
func (s *store) close() error {
	var err error
	if s.journal != nil {
		err = s.journal.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// begin writes how the state begins.
func (s *store) begin(b beginning) error {
	b.Version = stateVersion
	data, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		data = append(data, '\n')
		err = replaceFile(filepath.Join(s.dir, beginningFile), fmt.Appendf(data, "%x\n", sha256.Sum256(data)))
	}
	if err == nil {
		err = s.open(0)
	}
	return err
}

// open opens the journal, of which size bytes are whole.
func (s *store) open(size int64) error {
	f, err := os.OpenFile(filepath.Join(s.dir, journalFile), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	s.journal, s.size, s.torn = f, size, true
	return nil
}

// append writes whole records. After an error none of them is there.
func (s *store) append(records []byte) error {
	if s.torn {
		if err := s.journal.Truncate(s.size); err != nil {
			return err
		}
		s.torn = false
	}
	_, err := s.journal.WriteAt(records, s.size)
	if err == nil && s.sync {
		err = s.journal.Sync()
	}
	if err != nil {
		s.torn = true
		return err
	}
	s.size += int64(len(records))
	return nil
}

// replaceFile writes a file that is there as a whole or not at all, also after a loss of power.
func replaceFile(name string, data []byte) error {
	f, err := os.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// load reads how the state began and what has happened since. In a folder without one ok is false.
func (s *store) load() (b beginning, since []record, ok bool, err error) {
	name := filepath.Join(s.dir, beginningFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return b, nil, false, nil
	}
	if err != nil {
		return b, nil, false, err
	}
	text := data[:max(0, len(data)-2*sha256.Size-1)]
	if sum := fmt.Sprintf("%x\n", sha256.Sum256(text)); sum != string(data[len(text):]) {
		return b, nil, false, fmt.Errorf("runner: %s: is damaged: its last line must be its digest", name)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return b, nil, false, fmt.Errorf("runner: %s: %w", name, err)
	}
	if b.Version != stateVersion {
		return b, nil, false, fmt.Errorf("runner: %s: version must be %d, got %d", name, stateVersion, b.Version)
	}
	name = filepath.Join(s.dir, journalFile)
	data, err = os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return b, nil, false, err
	}
	since, n := parseJournal(data)
	if rest := data[n:]; len(rest) > 0 && !torn(rest) {
		return b, nil, false, fmt.Errorf("runner: %s: damaged at byte %d of %d", name, n, len(data))
	}
	return b, since, true, s.open(int64(n))
}

// torn reports whether b, the end of a journal that is not whole, may be what a process had written
// of a batch when it died: nothing whole comes after it. What follows damage in the middle does.
func torn(b []byte) bool {
	for at := 1; at < len(b); at++ {
		if records, _ := parseJournal(b[at:]); len(records) > 0 {
			return false
		}
	}
	return true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends r as it stands in a journal: its length, itself, its checksum.
func appendRecord(b []byte, r *record) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0) // the length
	switch {
	case r.op != nil:
		b = append(b, opRecord)
		text, err := json.Marshal(r.op)
		if err != nil {
			panic(err) // it has nothing that cannot be encoded
		}
		b = append(b, text...)
	case r.check:
		b = append(b, checkRecord)
		b = binary.AppendUvarint(b, r.ack)
		b = binary.LittleEndian.AppendUint64(b, r.sum)
	case r.failed:
		b = append(b, failedRecord)
		b = binary.AppendUvarint(b, r.ack)
		b = binary.AppendVarint(b, r.ev.At.UnixNano())
	case r.ack != 0:
		b = append(b, ackRecord)
		b = binary.AppendUvarint(b, r.ack)
	default:
		b = append(b, byte(r.ev.Kind))
		b = binary.AppendVarint(b, r.ev.At.UnixNano())
		b = binary.AppendVarint(b, int64(r.ev.Took))
		for _, id := range []uint64{r.ev.Function, r.ev.Request, r.ev.Container, r.ev.Invoker} {
			b = binary.AppendUvarint(b, id)
		}
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseJournal returns the records of a journal and how many bytes of it are whole.
func parseJournal(data []byte) (out []record, whole int) {
	for at := 0; ; {
		if at == len(data) {
			return out, at
		}
		if len(data)-at < 9 {
			return out, at
		}
		n := binary.LittleEndian.Uint32(data[at:])
		if n == 0 || int64(n) > int64(len(data)-at-8) {
			return out, at
		}
		end := at + 4 + int(n)
		if crc32.Checksum(data[at:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
			return out, at
		}
		r, ok := parseRecord(data[at+4 : end])
		if !ok {
			return out, at
		}
		out, at = append(out, r), end+4
	}
}

func parseRecord(b []byte) (r record, ok bool) {
	kind, b := b[0], b[1:]
	ok = true
	unsigned := func() uint64 {
		v, n := binary.Uvarint(b)
		ok = ok && n > 0
		b = b[max(0, n):]
		return v
	}
	signed := func() int64 {
		v, n := binary.Varint(b)
		ok = ok && n > 0
		b = b[max(0, n):]
		return v
	}
	at := func() time.Time { return time.Unix(0, signed()).UTC() }
	switch kind {
	case opRecord:
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		r.op = new(op)
		return r, dec.Decode(r.op) == nil
	case checkRecord:
		r.check = true
		r.ack = unsigned()
		if len(b) != 8 {
			return r, false
		}
		r.sum = binary.LittleEndian.Uint64(b)
		return r, ok
	case failedRecord:
		r.failed = true
		r.ack, r.ev.At = unsigned(), at()
	case ackRecord:
		r.ack = unsigned()
	default:
		r.ev.Kind = decide.EventKind(kind)
		r.ev.At, r.ev.Took = at(), time.Duration(signed())
		for _, id := range []*uint64{&r.ev.Function, &r.ev.Request, &r.ev.Container, &r.ev.Invoker} {
			*id = unsigned()
		}
		return r, ok && len(b) == 0
	}
	return r, ok && len(b) == 0 && r.ack != 0
}
