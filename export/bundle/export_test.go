package bundle

// Lock lets tests hold a registry's lock.
var Lock = lock

// Seal lets tests sign statements that Sign would not make.
func Seal(payload []byte, keys ...*PrivateKey) (*envelope, error) {
	return seal(payload, false, keys...)
}
