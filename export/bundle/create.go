package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A File is a file of a bundle before it is written.
type File struct {
	Name      string // relative, slash-separated
	MediaType string
	Data      []byte
}

// New returns the bundle of m and files without writing it. It fills in the schema
// version and the descriptors, whatever m has there.
func New(m Manifest, files []File) (*Bundle, error) {
	m.SchemaVersion = SchemaVersion
	m.Files = nil
	b := &Bundle{files: make(map[string][]byte, len(files))}
	for _, f := range files {
		if _, ok := b.files[f.Name]; ok {
			return nil, fmt.Errorf("new bundle: two files are called %q", f.Name)
		}
		b.files[f.Name] = bytes.Clone(f.Data)
		m.Files = append(m.Files, Descriptor{Name: f.Name, MediaType: f.MediaType, Digest: Digest(f.Data), Size: int64(len(f.Data))})
	}
	if len(m.Config) == 0 {
		m.Config = []byte("{}")
	}
	var err error
	if b.encoded, err = EncodeManifest(&m); err != nil {
		return nil, fmt.Errorf("new bundle: %w", err)
	}
	decoded, err := DecodeManifest(b.encoded)
	if err != nil {
		return nil, fmt.Errorf("new bundle: %w", err)
	}
	b.manifest, b.digest = *decoded, sum(b.encoded)
	return b, nil
}

// Create writes the bundle of m and files as the directory dir, all or nothing: it is
// complete and on disk before it appears under its name. If dir already holds the very
// same bundle there is nothing to do; anything else there but an empty directory is an
// error that wraps fs.ErrExist.
func Create(dir string, m Manifest, files []File) (*Bundle, error) {
	b, err := New(m, files)
	if err != nil {
		return nil, err
	}
	if err := b.create(disk{}, dir); err != nil {
		return nil, fmt.Errorf("create bundle %s: %w", dir, err)
	}
	return b, nil
}

func (b *Bundle) create(d disk, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if old, err := Open(dir, Policy{}); err == nil && old.digest == b.digest {
			return nil
		}
		return fs.ErrExist
	}
	tmp, err := b.stage(d, filepath.Dir(dir))
	if err != nil {
		return err
	}
	if err := d.rename(tmp, dir); err != nil {
		return errors.Join(err, d.removeAll(tmp))
	}
	return d.syncDir(filepath.Dir(dir))
}

// Replace is Create for a dir that may hold an older bundle, whole or damaged, which it
// replaces. A dir that holds anything else is an error that wraps fs.ErrExist. If the
// machine stops at the worst moment, the older bundle is left beside dir, under a
// name that begins with ".bundle-".
func Replace(dir string, m Manifest, files []File) (*Bundle, error) {
	b, err := New(m, files)
	if err != nil {
		return nil, err
	}
	if err := b.replace(dir); err != nil {
		return nil, fmt.Errorf("replace bundle %s: %w", dir, err)
	}
	return b, nil
}

func (b *Bundle) replace(dir string) error {
	var d disk
	err := b.create(d, dir)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, ManifestName)); err != nil {
		return fmt.Errorf("not a bundle: %w", fs.ErrExist)
	}
	parent := filepath.Dir(dir)
	tmp, err := b.stage(d, parent)
	if err != nil {
		return err
	}
	aside, err := d.mkdirTemp(parent, stagedPrefix)
	if err != nil {
		return errors.Join(err, d.removeAll(tmp))
	}
	old := filepath.Join(aside, "old")
	if err := d.rename(dir, old); err != nil {
		return errors.Join(err, d.removeAll(tmp), d.remove(aside))
	}
	if err := d.rename(tmp, dir); err != nil {
		return errors.Join(err, d.rename(old, dir), d.remove(aside), d.removeAll(tmp))
	}
	return errors.Join(d.syncDir(parent), d.removeAll(aside))
}

// stagedPrefix begins the names of folders that are being written. Whoever finds one
// while nobody writes may remove it.
const stagedPrefix = ".bundle-"

// stage writes b to a new directory in parent and returns its path. All of it is on
// disk; on an error nothing of it is left.
func (b *Bundle) stage(d disk, parent string) (dir string, err error) {
	if err := d.mkdirAll(parent); err != nil {
		return "", err
	}
	staged, err := d.mkdirTemp(parent, stagedPrefix)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.removeAll(staged))
		}
	}()
	all := b.all()
	made := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for folder := range folders(name) {
			if made[folder] {
				continue
			}
			made[folder] = true
			if err := d.mkdir(filepath.Join(staged, filepath.FromSlash(folder))); err != nil {
				return "", err
			}
		}
		if err := d.writeFile(filepath.Join(staged, filepath.FromSlash(name)), all[name]); err != nil {
			return "", err
		}
	}
	// The deepest first, so that what a folder names is on disk before it is.
	order := slices.Sorted(maps.Keys(made))
	slices.SortStableFunc(order, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, folder := range append(order, ".") {
		if err := d.syncDir(filepath.Join(staged, filepath.FromSlash(folder))); err != nil {
			return "", err
		}
	}
	return staged, nil
}
