package stage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Code is the sources of a module, and digests what a package is made of.
type Code struct {
	module string
	files  fs.FS

	mu    sync.Mutex
	known map[string]unit
}

// A unit is one package of the module.
type unit struct {
	digest  string
	imports []string // packages of the module
}

// NewCode returns the code of a module with that path, from its files: go.mod, go.sum and
// the folders of the packages.
func NewCode(module string, files fs.FS) *Code {
	return &Code{module: module, files: files, known: map[string]unit{}}
}

// Digest names the code that a package of the module runs: a SHA-256 of its sources and of
// those of all packages of the module that it imports, directly or not; of go.mod and
// go.sum, which name the code of other modules; and of the version of Go and the
// architecture, on which floating point depends. Tests are no part of it. Files of other
// systems are: they are few, and leaving them out would take the rules of the go command.
func (c *Code) Digest(pkg string) (string, error) {
	names, err := c.Packages(pkg)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", runtime.Version(), runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := fs.ReadFile(c.files, name)
		if err != nil {
			return "", fmt.Errorf("sources of %s: %w", c.module, err)
		}
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(data))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		fmt.Fprintf(h, "%s %s\n", name, c.known[name].digest)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Packages returns a package of the module and all that it imports, directly or not, of
// the same module, sorted.
func (c *Code) Packages(pkg string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[string]bool{}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		if seen[queue[0]] {
			continue
		}
		seen[queue[0]] = true
		u, err := c.unit(queue[0])
		if err != nil {
			return nil, err
		}
		queue = append(queue, u.imports...)
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// unit reads a package, once.
func (c *Code) unit(pkg string) (unit, error) {
	if u, ok := c.known[pkg]; ok {
		return u, nil
	}
	names, err := c.Files(pkg)
	if err != nil {
		return unit{}, err
	}
	u := unit{}
	h := sha256.New()
	for _, name := range names {
		data, err := fs.ReadFile(c.files, name)
		if err != nil {
			return unit{}, err
		}
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(data))
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, data, parser.ImportsOnly)
		if err != nil {
			return unit{}, fmt.Errorf("sources of %s: %w", c.module, err)
		}
		for _, i := range f.Imports {
			if p, err := strconv.Unquote(i.Path.Value); err == nil && c.owns(p) && !slices.Contains(u.imports, p) {
				u.imports = append(u.imports, p)
			}
		}
	}
	u.digest = hex.EncodeToString(h.Sum(nil))
	c.known[pkg] = u
	return u, nil
}

// Files are the files of a package that its digest is made of.
func (c *Code) Files(pkg string) ([]string, error) {
	dir := "."
	if pkg != c.module {
		dir = strings.TrimPrefix(pkg, c.module+"/")
	}
	entries, err := fs.ReadDir(c.files, dir)
	if err != nil || !c.owns(pkg) {
		return nil, fmt.Errorf("package %s is not among the sources of %s: %w", pkg, c.module, err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasSuffix(e.Name(), "_test.go") {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".go") }) {
		return nil, fmt.Errorf("package %s has no source among those of %s", pkg, c.module)
	}
	return names, nil
}

func (c *Code) owns(pkg string) bool { return pkg == c.module || strings.HasPrefix(pkg, c.module+"/") }
