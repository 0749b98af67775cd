package bundle

// Seal lets tests sign statements that Sign would not make.
func Seal(payload []byte, keys ...*PrivateKey) (*envelope, error) {
	return seal(payload, false, keys...)
}

// Before returns the same registry with a function that is called before each step that
// changes files, and whose error takes the place of the step.
func (r *Registry) Before(f func(step, name string) error) *Registry {
	return &Registry{dir: r.dir, disk: disk{f}}
}

// WriteSignatureBefore is WriteSignature with such a function.
func WriteSignatureBefore(b *Bundle, dir string, key *PrivateKey, f func(step, name string) error) error {
	s, err := b.Sign(key)
	if err != nil {
		return err
	}
	p, err := key.Public()
	if err != nil {
		return err
	}
	return putSignature(disk{f}, SignatureFile(dir, p.Hint()), s)
}
