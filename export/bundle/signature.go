package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Signatures lie beside a bundle, never in it: the folder <bundle>.signatures holds one
// file for each key that signed, named by the key's hint. They follow OpenSSF Model
// Signing v1.0: a Sigstore bundle around a DSSE envelope around an in-toto statement
// that lists every file of the bundle with its SHA-256, manifest.json included.
const (
	signaturesSuffix = ".signatures"
	signatureSuffix  = ".sigstore.json"

	mediaTypeSigstore  = "application/vnd.dev.sigstore.bundle.v0.3+json"
	predicateSignature = "https://model_signing/signature/v1.0"

	maxSignature  = 64 << 20 // bytes; one that lists 100,000 files has about 20 MB
	maxSignatures = 64       // files in a folder of signatures
)

// A Policy says what a bundle has to prove before it is opened, beyond its own digests.
// The zero Policy asks for nothing.
type Policy struct {
	// Keys, if any, demand a signature by at least one of them.
	Keys []*PublicKey
	// Seen, if there is one, demands a release statement of what is opened by an alias:
	// signed by one of Keys, if there are any, not expired at Now, and not older than what
	// the loader saw before.
	Seen *Seen
	Now  time.Time // the zero time asks for no end
	// Accept, if there is one, is called with a bundle that proved all that; its error
	// refuses the bundle. A release that it refuses is not remembered in Seen.
	Accept func(*Bundle) error
}

// sigstoreBundle is the outermost layer of a signature. Members that this package does
// not know are passed over, as the format asks; what is trusted lies in the envelope.
type sigstoreBundle struct {
	MediaType            string               `json:"mediaType"`
	VerificationMaterial verificationMaterial `json:"verificationMaterial"`
	Envelope             *envelope            `json:"dsseEnvelope"`
}

type verificationMaterial struct {
	PublicKey struct {
		Hint string `json:"hint"`
	} `json:"publicKey"`
	TlogEntries []json.RawMessage `json:"tlogEntries"` // of a transparency log; not used
}

// A statement is an in-toto statement of version 1 with a predicate P.
type statement[P any] struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     P         `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"` // hex digits by algorithm
}

// signaturePredicate is what Model Signing v1.0 says of a model.
type signaturePredicate struct {
	Serialization serialization `json:"serialization"`
	Resources     []resource    `json:"resources"`
}

type serialization struct {
	Method        string   `json:"method"` // "files": a digest per file
	HashType      string   `json:"hash_type"`
	AllowSymlinks bool     `json:"allow_symlinks"`
	IgnorePaths   []string `json:"ignore_paths"`
}

type resource struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Digest    string `json:"digest"` // hex digits
}

// resources are all files of b in the order of their names, and the digest that Model
// Signing v1.0 gives the whole: the SHA-256 of their digests in that order.
func (b *Bundle) resources() (list []resource, whole string) {
	for name, data := range b.all() {
		list = append(list, resource{name, "sha256", sum(data)})
	}
	slices.SortFunc(list, func(x, y resource) int { return strings.Compare(x.Name, y.Name) })
	return list, digestOf(list)
}

func digestOf(list []resource) string {
	h := sha256.New()
	for _, r := range list {
		d, err := hex.DecodeString(r.Digest)
		if err != nil {
			return "" // fits nothing
		}
		h.Write(d)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Sign returns the signature of b by key, as JSON. Equal bundles and keys give equal
// bytes.
func (b *Bundle) Sign(key *PrivateKey) ([]byte, error) {
	s := statement[signaturePredicate]{Type: typeStatement, PredicateType: predicateSignature}
	list, whole := b.resources()
	s.Subject = []subject{{b.digest, map[string]string{"sha256": whole}}}
	s.Predicate = signaturePredicate{serialization{Method: "files", HashType: "sha256", IgnorePaths: []string{}}, list}
	payload, err := CanonicalJSON(s)
	if err != nil {
		return nil, fmt.Errorf("sign bundle %s: %w", short(b.digest), err)
	}
	out := sigstoreBundle{MediaType: mediaTypeSigstore}
	if out.Envelope, err = seal(payload, false, key); err != nil {
		return nil, fmt.Errorf("sign bundle %s: %w", short(b.digest), err)
	}
	p, err := key.Public()
	if err != nil {
		return nil, err
	}
	out.VerificationMaterial.PublicKey.Hint = p.Hint()
	out.VerificationMaterial.TlogEntries = []json.RawMessage{}
	return marshal(out, "")
}

// VerifySignature checks that signature, a Model Signing v1.0 signature as JSON, was made
// by one of keys over exactly the files of b, and returns that key. The error wraps
// ErrIntegrity.
func (b *Bundle) VerifySignature(signature []byte, keys ...*PublicKey) (*PublicKey, error) {
	k, err := b.verifySignature(signature, keys)
	if err != nil {
		return nil, fmt.Errorf("signature of bundle %s: %w: %w", short(b.digest), ErrIntegrity, err)
	}
	return k, nil
}

func (b *Bundle) verifySignature(signature []byte, keys []*PublicKey) (*PublicKey, error) {
	if err := unique(signature); err != nil {
		return nil, err
	}
	var outer sigstoreBundle
	if err := json.Unmarshal(signature, &outer); err != nil {
		return nil, err
	}
	e := outer.Envelope
	switch {
	case outer.MediaType != mediaTypeSigstore:
		return nil, fmt.Errorf("media type %.80q, expected %s", outer.MediaType, mediaTypeSigstore)
	case e == nil:
		return nil, errors.New("no dsseEnvelope")
	case e.PayloadType != payloadInToto:
		return nil, fmt.Errorf("payload type %.80q, expected %s", e.PayloadType, payloadInToto)
	}
	// Nothing in the payload is looked at before it is known whose it is.
	by := e.signedBy(keys)
	if by == nil {
		return nil, fmt.Errorf("not by %s; it says that it is by %.16s", hints(keys), outer.VerificationMaterial.PublicKey.Hint)
	}
	return by, b.fits(e.Payload)
}

// fits reports where the payload of a signature is not one over exactly the files of b.
func (b *Bundle) fits(payload []byte) error {
	if err := unique(payload); err != nil {
		return err
	}
	var s statement[signaturePredicate]
	if err := json.Unmarshal(payload, &s); err != nil {
		return err
	}
	switch how := s.Predicate.Serialization; {
	case s.Type != typeStatement:
		return fmt.Errorf("statement type %.80q, expected %s", s.Type, typeStatement)
	case s.PredicateType != predicateSignature:
		return fmt.Errorf("predicate type %.80q, expected %s", s.PredicateType, predicateSignature)
	case how.Method != "files" || how.HashType != "sha256":
		return fmt.Errorf("digests by %.20q and %.20q, expected one SHA-256 per file", how.Method, how.HashType)
	case len(s.Subject) != 1:
		return fmt.Errorf("%d subjects, expected 1", len(s.Subject))
	}
	return b.compare(s.Predicate.Resources, s.Subject[0].Digest["sha256"])
}

// compare reports the first difference between the files of b and those that were signed.
func (b *Bundle) compare(signed []resource, whole string) error {
	if digestOf(signed) != whole {
		return errors.New("its digest of the whole does not fit its list of files")
	}
	here, _ := b.resources()
	slices.SortStableFunc(signed, func(x, y resource) int { return strings.Compare(x.Name, y.Name) })
	for i, r := range signed {
		if i > 0 && signed[i-1].Name == r.Name {
			return fmt.Errorf("%.80q is listed twice", r.Name)
		}
		if r.Algorithm != "sha256" {
			return fmt.Errorf("%.80q has a digest by %.20q, expected sha256", r.Name, r.Algorithm)
		}
	}
	for i := 0; i < len(here) || i < len(signed); i++ {
		switch {
		case i == len(signed) || i < len(here) && here[i].Name < signed[i].Name:
			return fmt.Errorf("%s was not signed", here[i].Name)
		case i == len(here) || signed[i].Name < here[i].Name:
			return fmt.Errorf("%.80q was signed and is not there", signed[i].Name)
		case here[i] != signed[i]:
			return fmt.Errorf("%s is not what was signed", here[i].Name)
		}
	}
	return nil
}

// signs reports where a signature, by whomever, is not one over the files of b.
func (b *Bundle) signs(signature []byte) error {
	var outer sigstoreBundle
	if err := json.Unmarshal(signature, &outer); err != nil {
		return err
	}
	if outer.Envelope == nil {
		return errors.New("no dsseEnvelope")
	}
	return b.fits(outer.Envelope.Payload)
}

// SignatureFile returns where the signature of the bundle in dir by the key of that hint
// lies.
func SignatureFile(dir, hint string) string {
	return filepath.Join(filepath.Clean(dir)+signaturesSuffix, hint+signatureSuffix)
}

// WriteSignature signs b and writes the signature beside dir, where b lies. The same
// signature again is nothing to do.
func (b *Bundle) WriteSignature(dir string, key *PrivateKey) (name string, err error) {
	s, err := b.Sign(key)
	if err != nil {
		return "", err
	}
	p, err := key.Public()
	if err != nil {
		return "", err
	}
	name = SignatureFile(dir, p.Hint())
	if err := putSignature(disk{}, name, s); err != nil {
		return "", fmt.Errorf("write signature: %w", err)
	}
	return name, nil
}

func putSignature(d disk, name string, data []byte) error {
	folder := filepath.Dir(name)
	if err := d.mkdirAll(folder); err != nil {
		return err
	}
	if err := d.replaceFile(name, data); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(folder))
}

// readSignatures returns the signatures beside the bundle in dir, by file name. There may
// be none.
func readSignatures(dir string) (names []string, data [][]byte, err error) {
	folder := filepath.Clean(dir) + signaturesSuffix
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("signatures: %w: %w", ErrIntegrity, err)
	}
	defer func() { _ = root.Close() }() // nothing was written
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, nil, fmt.Errorf("signatures: %w: %w", ErrIntegrity, err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), signatureSuffix) {
			continue // an unfinished one of a writer that died
		}
		if len(names) == maxSignatures {
			return nil, nil, fmt.Errorf("%s has more than %d signatures: %w", folder, maxSignatures, ErrIntegrity)
		}
		s, err := read(root, e.Name(), maxSignature)
		if err != nil {
			return nil, nil, fmt.Errorf("signatures: %w", err)
		}
		names, data = append(names, e.Name()), append(data, s)
	}
	return names, data, nil
}

// demand checks b, which lies in dir, against the policy.
func (p Policy) demand(b *Bundle, dir string) error {
	if err := p.demandSignature(b, dir); err != nil {
		return err
	}
	if p.Accept == nil {
		return nil
	}
	return p.Accept(b)
}

func (p Policy) demandSignature(b *Bundle, dir string) error {
	if len(p.Keys) == 0 {
		return nil
	}
	names, signatures, err := readSignatures(dir)
	if err != nil {
		return err
	}
	var refused []error
	for i, s := range signatures {
		k, err := b.VerifySignature(s, p.Keys...)
		if err == nil {
			b.signer = k
			return nil
		}
		refused = append(refused, fmt.Errorf("%s: %w", names[i], err))
	}
	if len(refused) == 0 {
		return fmt.Errorf("it is not signed: no file in %s, expected a signature by %s: %w", filepath.Clean(dir)+signaturesSuffix, hints(p.Keys), ErrIntegrity)
	}
	return errors.Join(refused...)
}

// hints names trusted keys in a message.
func hints(keys []*PublicKey) string {
	if len(keys) == 1 {
		return fmt.Sprintf("the trusted key %.16s", keys[0].Hint())
	}
	var names []string
	for _, k := range keys {
		names = append(names, fmt.Sprintf("%.16s", k.Hint()))
	}
	return fmt.Sprintf("one of the %d trusted keys %s", len(keys), strings.Join(names, ", "))
}

// Signer returns the key by whose signature the bundle satisfied the policy that it was
// opened with, or nil if that asked for none.
func (b *Bundle) Signer() *PublicKey { return b.signer }
