package scheduler

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

var (
	// ErrNoState is wrapped by the error of Save under a policy whose state cannot be saved.
	ErrNoState = errors.New("the state of the policy cannot be saved")
	// ErrState is wrapped by the errors of RestoreControl where what it reads is not the state of a
	// Control, of another version, damaged, or of other models.
	ErrState = errors.New("no state of a scheduler to go on from")
)

// savedPolicies are those whose state can be saved, with any parameters.
var savedPolicies = []string{"native", "faascache", "histogram", "lass", IncendioName, WithoutScheduler, WithoutPredictor}

// canSave reports whether the policy of that specification is one of them.
func canSave(policy string) bool {
	name, _, _ := strings.Cut(policy, ":")
	return slices.Contains(savedPolicies, name)
}

// The form of a saved state: stateMagic, its version and the length of what follows as 8 bytes each, that, and the
// SHA-256 of all before.
const (
	stateMagic   = "incendio scheduler state\n"
	stateVersion = 1
	stateHeader  = len(stateMagic) + 16
)

// A stateHead says what a state is of, as JSON.
type stateHead struct {
	Policy   string  `json:"policy"`
	Seed     uint64  `json:"seed"`
	Models   string  `json:"models"` // their identity; empty: there are none
	Options  Options `json:"options"`
	Remember int     `json:"remember"`
	Midnight int64   `json:"midnight"` // Unix seconds
}

// identity of models: the digest of their bundle, or of their files where they came without one.
func (m *Models) identity() (string, error) {
	if m.digest != "" {
		return m.digest, nil
	}
	files, err := m.Files()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %d\n", name, len(files[name]))
		h.Write(files[name])
	}
	return "files:" + hex.EncodeToString(h.Sum(nil)), nil
}

// Save writes all that c knows, so that RestoreControl goes on from there and decides on the same events as
// c does. The policies that can be saved are native, faascache, histogram, lass, incendio and its ablations; for
// others the error wraps ErrNoState. It changes nothing.
func (c *Control) Save(w io.Writer) error {
	if !canSave(c.Name()) {
		return fmt.Errorf("scheduler: policy %q: %w", c.Name(), ErrNoState)
	}
	head := stateHead{Policy: c.cfg.Policy, Seed: c.cfg.Seed, Options: c.s.opts, Remember: c.keep, Midnight: c.midnight.Unix()}
	if c.cfg.Models != nil {
		if c.identity == "" {
			var err error
			if c.identity, err = c.cfg.Models.identity(); err != nil {
				return fmt.Errorf("scheduler: save: %w", err)
			}
		}
		head.Models = c.identity
	}
	text, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("scheduler: save: %w", err)
	}
	x := codec.Writer(append(make([]byte, 0, c.saved+c.saved/16+1<<12), stateMagic...))
	version, length := uint64(stateVersion), uint64(0)
	codec.Int(x, &version)
	codec.Int(x, &length)
	about := string(text)
	codec.String(x, &about)
	c.s.state.Code(x)
	c.code(x)
	c.s.code(x)
	c.s.codeStack(x)
	if err := x.Err(); err != nil {
		return fmt.Errorf("scheduler: save: %w", err)
	}
	data := x.Bytes()
	c.saved = len(data)
	binary.LittleEndian.PutUint64(data[stateHeader-8:], uint64(len(data)-stateHeader))
	sum := sha256.Sum256(data)
	if _, err := w.Write(append(data, sum[:]...)); err != nil {
		return fmt.Errorf("scheduler: save: %w", err)
	}
	return nil
}

// RestoreControl reads what Save wrote and returns a Control that goes on from there. The models must be those with
// which it was saved: of a bundle of the same digest; nil where there were none.
func RestoreControl(r io.Reader, m *Models) (*Control, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("scheduler: restore: %w", err)
	}
	c, err := restore(data, m)
	if err != nil {
		return nil, fmt.Errorf("scheduler: restore: %w: %w", ErrState, err)
	}
	return c, nil
}

func restore(data []byte, m *Models) (*Control, error) {
	if len(data) < stateHeader+sha256.Size || string(data[:len(stateMagic)]) != stateMagic {
		return nil, fmt.Errorf("it must begin with %q", stateMagic)
	}
	head := data[len(stateMagic):stateHeader]
	if v := binary.LittleEndian.Uint64(head); v != stateVersion {
		return nil, fmt.Errorf("version must be %d, got %d", stateVersion, v)
	}
	end := len(data) - sha256.Size
	if n := binary.LittleEndian.Uint64(head[8:]); n != uint64(end-stateHeader) {
		return nil, fmt.Errorf("it has %d bytes, expected %d", len(data), n+uint64(stateHeader+sha256.Size))
	}
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return nil, errors.New("it is damaged: its checksum is another")
	}
	x := codec.Reader(data[stateHeader:end])
	var text string
	codec.String(x, &text)
	var h stateHead
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return nil, err
	}
	identity := ""
	if m != nil {
		var err error
		if identity, err = m.identity(); err != nil {
			return nil, err
		}
	}
	if identity != h.Models {
		return nil, fmt.Errorf("models must be those of %q, got %q", h.Models, identity)
	}
	c := newControl(h.Remember)
	c.identity, c.saved = identity, len(data)
	c.midnight = time.Unix(h.Midnight, 0).UTC()
	c.cfg = Config{Models: m, Policy: h.Policy, Seed: h.Seed, Options: h.Options, Remember: h.Remember}
	state := &decide.State{}
	state.Code(x)
	c.code(x)
	if err := errors.Join(x.Err(), h.Options.Validate()); err != nil {
		return nil, err
	}
	v := state.Snapshot()
	if len(c.known) != v.Functions() {
		return nil, fmt.Errorf("it has %d names of %d functions", len(c.known), v.Functions())
	}
	for f, p := range profilesOf(v) {
		if err := p.Validate(); err != nil || int(p.App) >= len(c.names.Apps) {
			return nil, fmt.Errorf("function %d: %v, of %d applications", f, err, len(c.names.Apps))
		}
	}
	start := v.Now() - v.Now()%decide.Minute
	stack, rt, err := c.cfg.stack(c.known, profilesOf(v), specsOf(v), c.midnight, start, nil)
	if err != nil {
		return nil, err
	}
	if !canSave(stack.Name) {
		return nil, fmt.Errorf("policy %q: %w", stack.Name, ErrNoState)
	}
	c.runtime = rt
	c.s = &Scheduler{state: state, view: v, stack: stack, opts: h.Options}
	c.s.code(x)
	c.s.codeStack(x)
	if x.Err() == nil && len(x.Bytes()) > 0 {
		x.Fail(fmt.Errorf("%d bytes are left", len(x.Bytes())))
	}
	if err := x.Err(); err != nil {
		return nil, err
	}
	for n, id := range c.functions.of { // nothing more is said of those that were removed
		if c.s.gone(decide.FunctionID(n)) && c.functions.to[id] == decide.FunctionID(n) {
			delete(c.functions.to, id)
		}
	}
	return c, nil
}

// code writes what c is beside its Scheduler, or reads it.
func (c *Control) code(x *codec.Codec) {
	c.functions.code(x)
	c.invokers.code(x)
	c.boxes.code(x)
	c.requests.code(x)
	codec.Slice(x, &c.free, codec.Int[decide.RequestID])
	codec.Int(x, &c.next)
	ended := slices.Sorted(maps.Keys(c.ended))
	codec.Slice(x, &ended, codec.Int[uint64])
	codec.Slice(x, &c.past, codec.Int[uint64])
	codec.Int(x, &c.oldest)
	codec.Slice(x, &c.known, func(x *codec.Codec, f *datasets.Function) {
		codec.Int(x, &f.ID)
		codec.String(x, &f.Owner)
		codec.String(x, &f.App)
		codec.String(x, &f.Name)
	})
	c.names.code(x)
	codec.Int(x, &c.minutes.now)
	codec.Slice(x, &c.minutes.list, func(x *codec.Codec, list *[]tot) {
		codec.Slice(x, list, func(x *codec.Codec, t *tot) {
			codec.Int(x, &t.function)
			codec.Int(x, &t.n)
		})
	})
	type vacancy struct {
		spec decide.InvokerSpec
		of   []decide.InvokerID
	}
	var lost []vacancy
	for spec, of := range c.lost {
		lost = append(lost, vacancy{spec, of})
	}
	slices.SortFunc(lost, func(a, b vacancy) int {
		return cmp.Or(cmp.Compare(a.spec.Memory, b.spec.Memory), cmp.Compare(a.spec.Cores, b.spec.Cores), cmp.Compare(a.spec.StartLimit, b.spec.StartLimit))
	})
	codec.Slice(x, &lost, func(x *codec.Codec, v *vacancy) {
		codec.Int(x, &v.spec.Memory)
		codec.Float(x, &v.spec.Cores)
		codec.Int(x, &v.spec.StartLimit)
		codec.Slice(x, &v.of, codec.Int[decide.InvokerID])
	})
	if !x.Reading() {
		return
	}
	if x.Err() == nil && (len(c.past) > c.keep || c.oldest < 0 || c.oldest > len(c.past) || len(c.minutes.list) == 0) {
		x.Fail(errors.New("what it remembers is out of range"))
		return
	}
	for _, id := range ended {
		c.ended[id] = true
	}
	for _, id := range c.past {
		c.gone[id] = struct{}{}
	}
	for _, v := range lost {
		c.lost[v.spec] = v.of
	}
}

func (m *ids[N]) code(x *codec.Codec) {
	codec.Slice(x, &m.of, codec.Int[uint64])
	if !x.Reading() {
		return
	}
	m.to = make(map[uint64]N, len(m.of))
	for n, id := range m.of {
		if id != 0 {
			m.to[id] = N(n)
		}
	}
}

func (n *names) code(x *codec.Codec) {
	codeNames(x, n.Owners, codec.String[string])
	codeNames(x, n.Apps, func(x *codec.Codec, k *[2]string) {
		codec.String(x, &k[0])
		codec.String(x, &k[1])
	})
	codeNames(x, n.Languages, codec.String[string])
}

// codeNames are the keys of m in the order of their numbers.
func codeNames[K comparable](x *codec.Codec, m map[K]int32, each func(*codec.Codec, *K)) {
	keys := make([]K, len(m))
	for k, n := range m {
		keys[n] = k
	}
	codec.Slice(x, &keys, each)
	if x.Reading() {
		for n, k := range keys {
			m[k] = int32(n)
		}
	}
}
