package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Attestations lie beside a bundle like its signatures: the folder <bundle>.attestations
// holds files that say where it comes from. Those whose name ends in attestationSuffix are
// in-toto statements about the bundle in DSSE envelopes; others, such as a bill of
// materials, are named with their digest by one of those.
const (
	attestationsSuffix = ".attestations"
	attestationSuffix  = ".intoto.json"
)

// maxAttestations bounds the files of a folder of attestations; each has at most
// maxSignature bytes.
const maxAttestations = 16

// Attest returns an in-toto statement of version 1 about b, as JSON: every file of the
// bundle is a subject, manifest.json first, and the predicate is of the type
// predicateType. With a key it is signed, in a DSSE envelope that has no signature
// otherwise.
func (b *Bundle) Attest(predicateType string, predicate json.RawMessage, key *PrivateKey) ([]byte, error) {
	s := statement[json.RawMessage]{Type: typeStatement, PredicateType: predicateType, Predicate: predicate}
	s.Subject = []subject{{ManifestName, map[string]string{"sha256": b.digest}}}
	list, _ := b.resources()
	for _, r := range list {
		if r.Name != ManifestName {
			s.Subject = append(s.Subject, subject{r.Name, map[string]string{"sha256": r.Digest}})
		}
	}
	payload, err := CanonicalJSON(s)
	if err != nil {
		return nil, fmt.Errorf("attest bundle %s: %w", short(b.digest), err)
	}
	var keys []*PrivateKey
	if key != nil {
		keys = append(keys, key)
	}
	e, err := seal(payload, true, keys...)
	if err != nil {
		return nil, fmt.Errorf("attest bundle %s: %w", short(b.digest), err)
	}
	return marshal(e, "")
}

// VerifyAttestation checks that data, which Attest returned, is about exactly the files of
// b, and signed by one of keys if there are any. It returns the predicate with its type and
// the key. The error wraps ErrIntegrity.
func (b *Bundle) VerifyAttestation(data []byte, keys ...*PublicKey) (predicateType string, predicate json.RawMessage, by *PublicKey, err error) {
	predicateType, predicate, by, err = b.verifyAttestation(data, keys)
	if err != nil {
		return "", nil, nil, fmt.Errorf("attestation of bundle %s: %w: %w", short(b.digest), ErrIntegrity, err)
	}
	return predicateType, predicate, by, nil
}

func (b *Bundle) verifyAttestation(data []byte, keys []*PublicKey) (string, json.RawMessage, *PublicKey, error) {
	var e envelope
	if err := decodeStrict(data, &e); err != nil {
		return "", nil, nil, err
	}
	by := e.signedBy(keys)
	if by == nil && len(keys) > 0 {
		return "", nil, nil, fmt.Errorf("not signed by %s", hints(keys))
	}
	var s statement[json.RawMessage]
	if err := decodeStrict(e.Payload, &s); err != nil {
		return "", nil, nil, err
	}
	if e.PayloadType != payloadInToto || s.Type != typeStatement {
		return "", nil, nil, fmt.Errorf("it holds a %.80q of type %.80q, expected %s of %s", e.PayloadType, s.Type, payloadInToto, typeStatement)
	}
	here := map[string]string{}
	for name, content := range b.all() {
		here[name] = sum(content)
	}
	for _, f := range s.Subject {
		digest, ok := here[f.Name]
		if !ok || digest != f.Digest["sha256"] {
			return "", nil, nil, fmt.Errorf("its subject %.80q is not a file of the bundle, or another one", f.Name)
		}
		delete(here, f.Name)
	}
	if len(here) > 0 {
		return "", nil, nil, fmt.Errorf("%d files of the bundle are not among its subjects", len(here))
	}
	return s.PredicateType, s.Predicate, by, nil
}

// AttestationFile returns where an attestation of the bundle in dir lies.
func AttestationFile(dir, name string) string {
	return filepath.Join(filepath.Clean(dir)+attestationsSuffix, name)
}

// WriteAttestation writes a file beside the bundle in dir, over one of the same name.
func WriteAttestation(dir, name string, data []byte) error {
	if err := validAttestation(name); err != nil {
		return err
	}
	if err := putSignature(disk{}, AttestationFile(dir, name), data); err != nil {
		return fmt.Errorf("write attestation: %w", err)
	}
	return nil
}

// Attestations returns the files beside the bundle in dir by name. There may be none.
// Nothing is verified; see VerifyAttestation.
func Attestations(dir string) (map[string][]byte, error) {
	folder := filepath.Clean(dir) + attestationsSuffix
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("attestations: %w: %w", ErrIntegrity, err)
	}
	defer func() { _ = root.Close() }() // nothing was written
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("attestations: %w: %w", ErrIntegrity, err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // an unfinished one of a writer that died
		}
		if len(all) == maxAttestations {
			return nil, fmt.Errorf("%s has more than %d files: %w", folder, maxAttestations, ErrIntegrity)
		}
		if all[e.Name()], err = read(root, e.Name(), maxSignature); err != nil {
			return nil, fmt.Errorf("attestations: %w", err)
		}
	}
	return all, nil
}

func validAttestation(name string) error {
	if err := validName(name); err != nil || strings.ContainsRune(name, '/') || strings.HasPrefix(name, ".") {
		return fmt.Errorf("attestation %q: expected the name of a file", name)
	}
	return nil
}

// copyAttestations takes the attestations along that lie beside b where it was opened, if
// the statements among them are about b, over older ones.
func (r *Registry) copyAttestations(b *Bundle) error {
	dir := r.bundleDir(b.digest)
	if b.dir == "" || filepath.Clean(b.dir) == dir {
		return nil
	}
	all, err := Attestations(b.dir)
	if err != nil || len(all) == 0 {
		return err
	}
	for name, data := range all {
		if strings.HasSuffix(name, attestationSuffix) {
			if _, _, _, err := b.VerifyAttestation(data); err != nil {
				return nil // they are of what lay there before
			}
		}
	}
	for _, name := range names(all, nil) {
		there, err := os.ReadFile(AttestationFile(dir, name))
		if err == nil && bytes.Equal(there, all[name]) {
			continue
		}
		if err := putSignature(r.disk, AttestationFile(dir, name), all[name]); err != nil {
			return err
		}
	}
	return nil
}
