package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
)

// A Pick says whether a member is wanted, by its name and by its first bytes, unpacked: up
// to 4096 of them. Its error ends [Open].
type Pick func(m *Member, head []byte) (bool, error)

type observer struct{}

// Observe returns a context under which [Open] shows every member, and what a [Pick] sees
// of it, to observe first. An error of that ends Open.
func Observe(ctx context.Context, observe func(m *Member, head []byte) error) context.Context {
	return context.WithValue(ctx, observer{}, observe)
}

// A Set is the members of a path.
type Set struct {
	Path    string
	Members []*Member // those that were picked, folder by folder in order of their names
	Left    []Left    // the others, hidden ones excepted

	spool *spool // nil: nothing was kept aside
}

// A Left is a file that is not among the members.
type Left struct {
	Name string
	Err  error // nil: it was not picked; else why it could not be, [ErrForeign] or [ErrBeside]
}

// ErrBeside is why an archive in a folder is left alone that has files which were picked:
// most such archives are what the files came from, and would count twice.
var ErrBeside = errors.New("an archive beside files that are read: give it alone if they are not what it holds")

// A source is a file as it lies on disk.
type source struct {
	name string // as a SourceFile
	path string
	stat fs.FileInfo
	size int64

	budget   *budget
	unpacked int64  // bytes; guarded by the budget
	high     int64  // of the stream of a compressed tar; the same
	after    int64  // bytes behind the end of the compression of a tar
	within   string // which that is
}

// Open lists the file at path, the files below the folder, or those of the archive, and
// picks among them; pick may be nil for all. Files whose names begin with a dot or an
// underscore are hidden: they are passed over, as are those in such folders, but for path
// itself.
//
// The archives in a folder are opened only if nothing else there was picked.
//
// The set must be closed.
func Open(ctx context.Context, path string, pick Pick) (*Set, error) {
	return open(ctx, path, pick, defaultLimits)
}

func open(ctx context.Context, path string, pick Pick, l limits) (_ *Set, err error) {
	if pick == nil {
		pick = func(*Member, []byte) (bool, error) { return true, nil }
	}
	s := &Set{Path: path}
	o := &opener{ctx: ctx, set: s, pick: pick, budget: &budget{limits: l}, buf: bufio.NewReaderSize(nil, 1<<20)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		err = o.folder(path)
	} else {
		err = o.alone(path)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.Members, func(a, b *Member) int { return compareNames(a.Name, b.Name) })
	slices.SortStableFunc(s.Left, func(a, b Left) int { return compareNames(a.Name, b.Name) })
	return s, nil
}

// compareNames orders folder by folder, as a walk does.
func compareNames(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

// Close removes what was kept aside. Members cannot be opened any more.
func (s *Set) Close() error {
	if s.spool == nil {
		return nil
	}
	return s.spool.close()
}

// Sources takes the digests of the files that hold the members, as they lie on disk: of an
// archive, its own.
func (s *Set) Sources(ctx context.Context) ([]datasets.SourceFile, error) {
	var out []datasets.SourceFile
	for _, f := range s.held() {
		digest, err := f.digest(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, datasets.SourceFile{Name: f.name, SHA256: digest})
	}
	return out, nil
}

// held are the files that hold members, in the order of the first member of each.
func (s *Set) held() []*source {
	var held []*source
	seen := map[*source]bool{}
	for _, m := range s.Members {
		if !seen[m.source] {
			seen[m.source] = true
			held = append(held, m.source)
		}
	}
	return held
}

// Unchanged reports an error if a file that holds members is not the one that was opened.
func (s *Set) Unchanged() error {
	for _, f := range s.held() {
		if err := f.unchanged(); err != nil {
			return err
		}
	}
	return nil
}

// Beside names the archives that were left alone because of [ErrBeside].
func (s *Set) Beside() []string {
	var names []string
	for _, l := range s.Left {
		if errors.Is(l.Err, ErrBeside) {
			names = append(names, l.Name)
		}
	}
	return names
}

// Notes says, once the members have been read, what of the files was not.
func (s *Set) Notes() []string {
	var notes []string
	note := func(path string, n int64, within string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf("%s: %d bytes behind the end of its %s were not read", path, n, within))
		}
	}
	for _, f := range s.held() {
		note(f.path, f.after, f.within)
	}
	for _, m := range s.Members {
		note(m.Path, m.after, m.Compression())
	}
	return notes
}

// Foreign is why the first of the files that are left could not be read; nil if none is
// in a foreign format.
func (s *Set) Foreign() error {
	for _, l := range s.Left {
		if errors.Is(l.Err, ErrForeign) {
			return l.Err
		}
	}
	return nil
}

func (f *source) digest(ctx context.Context) (string, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, in}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (f *source) unchanged() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if now.Size() != f.size || !now.ModTime().Equal(f.stat.ModTime()) {
		return fmt.Errorf("%s: changed while it was read", f.path)
	}
	return nil
}

// An opener is the state of one Open.
type opener struct {
	ctx     context.Context
	set     *Set
	pick    Pick
	budget  *budget
	members int           // that were seen, wanted or not
	buf     *bufio.Reader // to look at one file after the other
}

// source describes a file.
func (o *opener) source(name, path string) (*source, error) {
	stat, err := os.Stat(path) // before it is opened: opening a pipe waits for its writer
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: must be a regular file or a folder", path)
	}
	if err := o.count(path); err != nil {
		return nil, err
	}
	return &source{name: name, path: path, stat: stat, size: stat.Size(), budget: o.budget}, nil
}

// count takes one more member.
func (o *opener) count(in string) error {
	if o.members++; o.members > o.budget.members {
		return &Error{fmt.Errorf("%s: more than %d files: %w", in, o.budget.members, ErrBomb)}
	}
	return nil
}

// alone opens a path that is a file.
func (o *opener) alone(path string) error {
	f, err := o.source(filepath.Base(path), path)
	if err != nil {
		return err
	}
	m := o.file(f)
	l, err := o.look(m)
	switch {
	case err != nil:
		return err
	case l.foreign != nil:
		return l.foreign
	case l.container != none:
		return o.archive(f, l, "")
	}
	return o.take(m, l.head)
}

// folder opens a path that is a folder.
func (o *opener) folder(dir string) error {
	type pending struct {
		*source
		look
	}
	var archives []pending
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := o.ctx.Err(); err != nil {
			return err
		}
		if p != dir && hidden(d.Name()) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		stat, err := os.Stat(p)
		if err != nil {
			return err
		}
		if stat.IsDir() { // through a link: a walk that followed it could go round in circles
			o.set.Left = append(o.set.Left, Left{Name: name})
			return nil
		}
		f, err := o.source(name, p)
		if err != nil {
			return err
		}
		m := o.file(f)
		l, err := o.look(m)
		switch {
		case err != nil:
			return err
		case l.foreign != nil:
			o.set.Left = append(o.set.Left, Left{name, l.foreign})
			return nil
		case l.container != none:
			archives = append(archives, pending{f, l})
			return nil
		}
		return o.take(m, l.head)
	})
	if err != nil {
		return err
	}
	beside := len(o.set.Members) > 0
	for _, a := range archives {
		if beside {
			o.set.Left = append(o.set.Left, Left{a.name, ErrBeside})
		} else if err := o.archive(a.source, a.look, a.name+"/"); err != nil {
			return err
		}
	}
	return nil
}

// archive lists the members of an archive, whose names follow prefix.
func (o *opener) archive(f *source, l look, prefix string) error {
	switch {
	case l.container == zipFile && l.codec != nil:
		return &Error{fmt.Errorf("%s: holds a zip within %s: unpack the %s first", f.path, l.codec.name, l.codec.name)}
	case l.container == zipFile:
		return o.zip(f, prefix)
	case l.codec != nil:
		return o.compressedTar(f, l.codec, prefix)
	}
	return o.tar(f, prefix)
}

// take asks whether the member is wanted.
func (o *opener) take(m *Member, head []byte) error {
	if observe, ok := o.ctx.Value(observer{}).(func(*Member, []byte) error); ok {
		if err := observe(m, head); err != nil {
			return err
		}
	}
	ok, err := o.pick(m, head)
	if err != nil {
		return err
	}
	if !ok {
		o.set.Left = append(o.set.Left, Left{Name: m.Name})
		return nil
	}
	o.set.Members = append(o.set.Members, m)
	return nil
}

// A look is what the first bytes of a file tell.
type look struct {
	codec     *codec // nil: plain
	container container
	head      []byte // unpacked, up to headSize
	foreign   error
}

// look looks at the first bytes of a member.
func (o *opener) look(m *Member) (look, error) {
	in, err := m.raw(o.ctx)
	if err != nil {
		return look{}, err
	}
	defer in.Close()
	o.buf.Reset(in)
	return lookAt(m, o.buf)
}

// lookAt looks at the first bytes that r has, and takes none of them. It sets the codec of
// the member.
func lookAt(m *Member, r *bufio.Reader) (look, error) {
	var l look
	packed, err := r.Peek(headSize)
	if err != nil && err != io.EOF {
		return l, err
	}
	if l.codec = codecOf(packed); l.codec == nil {
		l.head = slices.Clone(packed)
	} else {
		// As much as a block of any codec, so that there is something to unpack.
		packed, err = r.Peek(r.Size())
		if err != nil && err != io.EOF {
			return l, err
		}
		whole := err == io.EOF
		if l.head, err = firstBytes(l.codec, packed); err != nil && (whole || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF)) {
			return l, damage(m.Path, l.codec.name, err)
		}
		if again := codecOf(l.head); again != nil {
			return l, &Error{fmt.Errorf("%s: holds %s within %s: unpack the %s first", m.Path, again.name, l.codec.name, l.codec.name)}
		}
	}
	m.codec = l.codec
	l.container = containerOf(l.head)
	l.foreign = foreignError(m.Path, l.head)
	return l, nil
}

// firstBytes unpacks up to headSize bytes.
func firstBytes(c *codec, packed []byte) ([]byte, error) {
	z, err := c.open(bufio.NewReaderSize(bytes.NewReader(packed), headSize))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	head := make([]byte, 0, headSize)
	for len(head) < headSize && err == nil { // io.ReadFull could not tell a short file from a truncated one
		var n int
		n, err = z.Read(head[len(head):headSize])
		head = head[:len(head)+n]
	}
	if err == io.EOF {
		err = nil
	}
	return head, err
}

// member makes a member of an archive out of an entry of the given name.
func (o *opener) member(f *source, prefix, name string) (m *Member, hide bool, err error) {
	if err := o.count(f.path); err != nil {
		return nil, false, err
	}
	clean, err := cleanName(name)
	if err != nil {
		return nil, false, &Error{fmt.Errorf("%s: member %.200q: %w", f.path, name, err)}
	}
	m = &Member{Name: prefix + clean, Path: f.path + "/" + clean, source: f}
	return m, slices.ContainsFunc(strings.Split(clean, "/"), hidden), nil
}

// takeEntry looks at a member of an archive and asks whether it is wanted.
func (o *opener) takeEntry(m *Member, l look) error {
	switch {
	case l.foreign != nil:
		return &Error{l.foreign}
	case l.container != none:
		return &Error{fmt.Errorf("%s: is an archive within an archive, which is not read: unpack %s and give the folder", m.Path, m.source.path)}
	}
	return o.take(m, l.head)
}

// cleanName is the name of a member, with forward slashes. It is an error if it leads out
// of the archive or is none.
func cleanName(name string) (string, error) {
	name = strings.ToValidUTF8(strings.ReplaceAll(name, `\`, "/"), string(utf8.RuneError))
	switch {
	case name == "" || len(name) > 4096:
		return "", errors.New("its name must have 1 to 4096 bytes")
	case strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':':
		return "", errors.New("its name is absolute, which an archive of files must not have")
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "", errors.New("its name has .., which leads out of the archive")
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", errors.New("its name has control characters")
	}
	return path.Clean(name), nil
}

func hidden(name string) bool {
	return name != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"))
}
