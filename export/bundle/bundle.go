package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// A Bundle is a manifest and its files, in memory and verified: what a method returns
// is what the digest stands for, whatever happens to the directory afterwards.
type Bundle struct {
	manifest Manifest
	encoded  []byte // manifest.json
	digest   string
	files    map[string][]byte
	dir      string     // where it was opened; empty if nowhere
	signer   *PublicKey // by whose signature it was let in, if one was asked for
}

// Open reads the bundle in dir and verifies all of it: the checksum of the manifest, its
// schema version and form, that exactly the listed files are there, as regular files
// and not through links, and the size and digest of each; then what p asks for.
//
// The error wraps ErrNotFound if dir holds neither a manifest nor its checksum,
// ErrSchemaVersion if an intact manifest has another schema version, and ErrIntegrity
// for everything else.
func Open(dir string, p Policy) (*Bundle, error) {
	b, err := open(dir)
	if err == nil {
		err = p.demand(b, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open bundle %s: %w", dir, err)
	}
	return b, nil
}

func open(dir string) (*Bundle, error) {
	// A Root keeps every name inside dir, even one swapped for a link meanwhile.
	root, err := os.OpenRoot(dir)
	if err != nil {
		if info, serr := os.Stat(dir); serr == nil && info.IsDir() {
			return nil, fmt.Errorf("%w: %w", ErrIntegrity, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	defer func() { _ = root.Close() }() // nothing was written
	if missing(root, ManifestName) && missing(root, ChecksumName) {
		return nil, fmt.Errorf("no %s: %w", ManifestName, ErrNotFound)
	}
	encoded, err := read(root, ManifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	check, err := read(root, ChecksumName, int64(len(checksum(""))+64))
	if err != nil {
		return nil, err
	}
	digest := sum(encoded)
	if string(check) != checksum(digest) {
		return nil, fmt.Errorf("%s does not fit %s, whose digest is %s: %w", ChecksumName, ManifestName, digest, ErrIntegrity)
	}
	m, err := DecodeManifest(encoded)
	if err != nil {
		return nil, err
	}
	b := &Bundle{manifest: *m, encoded: encoded, digest: digest, dir: dir, files: make(map[string][]byte, len(m.Files))}
	if err := checkNames(root, m.Files); err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		data, err := read(root, f.Name, f.Size)
		if err != nil {
			return nil, err
		}
		if int64(len(data)) != f.Size || Digest(data) != f.Digest {
			return nil, fmt.Errorf("%s: %d bytes with digest %s, expected %d with %s: %w",
				f.Name, len(data), Digest(data), f.Size, f.Digest, ErrIntegrity)
		}
		b.files[f.Name] = data
	}
	return b, nil
}

// checksum is the content of manifest.sha256.
func checksum(digest string) string { return digest + "  " + ManifestName + "\n" }

func missing(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// read returns a regular file of at most limit bytes.
func read(root *os.Root, name string, limit int64) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrIntegrity, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: %w", name, ErrIntegrity)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, expected %d: %w", name, info.Size(), limit, ErrIntegrity)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrIntegrity, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1)) // one more, to notice growth
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrIntegrity, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes: %w", name, limit, ErrIntegrity)
	}
	return data, nil
}

// checkNames checks that the directory holds nothing but the manifest, its checksum,
// the listed files and their folders. That all of them are there is for read to say.
func checkNames(root *os.Root, files []Descriptor) error {
	regular := map[string]bool{ManifestName: true, ChecksumName: true}
	folder := map[string]bool{".": true}
	for _, f := range files {
		regular[f.Name] = true
		for dir := range folders(f.Name) {
			folder[dir] = true
		}
	}
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w: %w", name, ErrIntegrity, err)
		case e.IsDir() && !folder[name], !e.IsDir() && !regular[name]:
			return fmt.Errorf("%s is not listed in %s: %w", name, ManifestName, ErrIntegrity)
		case !e.IsDir() && !e.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file: %w", name, ErrIntegrity)
		}
		return nil
	})
}

// all returns the content of every file in the bundle's directory, by name.
func (b *Bundle) all() map[string][]byte {
	all := maps.Clone(b.files)
	all[ManifestName] = b.encoded
	all[ChecksumName] = []byte(checksum(b.digest))
	return all
}

// Digest is the name of the bundle: the 64 hex digits of the SHA-256 of manifest.json.
func (b *Bundle) Digest() string { return b.digest }

// Manifest returns a copy of the manifest.
func (b *Bundle) Manifest() Manifest {
	m := b.manifest
	m.Traces = slices.Clone(m.Traces)
	m.Config = slices.Clone(m.Config)
	m.Metrics = maps.Clone(m.Metrics)
	m.Files = slices.Clone(m.Files)
	if m.Verdict != nil {
		v := *m.Verdict
		v.Rules = slices.Clone(v.Rules)
		m.Verdict = &v
	}
	return m
}

// File returns a copy of the content of the file called name. The error wraps
// ErrNotFound if the bundle has no such file.
func (b *Bundle) File(name string) ([]byte, error) {
	data, ok := b.files[name]
	if !ok {
		return nil, fmt.Errorf("bundle %.12s: file %q: %w", b.digest, name, ErrNotFound)
	}
	return bytes.Clone(data), nil
}

// Config decodes the configuration that the bundle was made with into v.
func (b *Bundle) Config(v any) error {
	if err := json.Unmarshal(b.manifest.Config, v); err != nil {
		return fmt.Errorf("bundle %.12s: config: %w", b.digest, err)
	}
	return nil
}
