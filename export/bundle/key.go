package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	_ "crypto/sha512" // for hashFor
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// Curves are the names that GenerateKey takes, those that OpenSSF Model Signing v1.0
// allows, the default first.
var Curves = []string{"P-256", "P-384", "P-521"}

// A PrivateKey signs bundles and release statements: ECDSA on one of the Curves.
type PrivateKey struct{ key *ecdsa.PrivateKey }

// A PublicKey verifies what its private key signed.
type PublicKey struct {
	key  *ecdsa.PublicKey
	hint string
}

// GenerateKey returns a new key on the curve of that name, with randomness from random.
func GenerateKey(curve string, random io.Reader) (*PrivateKey, error) {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if c.Params().Name == curve {
			k, err := ecdsa.GenerateKey(c, random)
			if err != nil {
				return nil, fmt.Errorf("generate key: %w", err)
			}
			return &PrivateKey{k}, nil
		}
	}
	return nil, fmt.Errorf("generate key: curve %q, expected one of %v", curve, Curves)
}

// ParsePrivateKey reads a private key in PEM: PKCS #8 ("PRIVATE KEY"), as Encode writes
// it, or SEC 1 ("EC PRIVATE KEY"), as OpenSSL does. Encrypted keys are refused.
func ParsePrivateKey(data []byte) (*PrivateKey, error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, errors.New("private key: no PEM block \"PRIVATE KEY\" or \"EC PRIVATE KEY\"")
		}
		data = rest
		var k any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("private key: it is encrypted; expected a key without a password, protected by its file's mode")
			}
			k, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("private key: it is encrypted; expected a key without a password, protected by its file's mode")
		case "PUBLIC KEY":
			return nil, errors.New("private key: this is a public key")
		default: // "EC PARAMETERS" stands before the key in what OpenSSL writes
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		e, ok := k.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("private key: %T, expected ECDSA on one of %v", k, Curves)
		}
		if _, err := hashFor(&e.PublicKey); err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		return &PrivateKey{e}, nil
	}
}

// ParsePublicKey reads a public key in PEM ("PUBLIC KEY").
func ParsePublicKey(data []byte) (*PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("public key: no PEM block \"PUBLIC KEY\"")
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	e, ok := k.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key: %T, expected ECDSA on one of %v", k, Curves)
	}
	return newPublicKey(e)
}

func newPublicKey(k *ecdsa.PublicKey) (*PublicKey, error) {
	if _, err := hashFor(k); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	p := &PublicKey{key: k}
	text, err := p.Encode()
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256(text)
	p.hint = hex.EncodeToString(h[:])
	return p, nil
}

// hashFor returns the hash that goes with a key's curve in Model Signing v1.0: SHA-256,
// SHA-384 and SHA-512 for P-256, P-384 and P-521.
func hashFor(k *ecdsa.PublicKey) (crypto.Hash, error) {
	switch k.Curve {
	case elliptic.P256():
		return crypto.SHA256, nil
	case elliptic.P384():
		return crypto.SHA384, nil
	case elliptic.P521():
		return crypto.SHA512, nil
	}
	return 0, fmt.Errorf("curve %s, expected one of %v", k.Curve.Params().Name, Curves)
}

// Encode returns the key as PKCS #8 in PEM, without encryption.
func (k *PrivateKey) Encode() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Public returns the public half.
func (k *PrivateKey) Public() (*PublicKey, error) { return newPublicKey(&k.key.PublicKey) }

// Encode returns the key as SubjectPublicKeyInfo in PEM.
func (p *PublicKey) Encode() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Hint names the key in signatures: the SHA-256 of its PEM encoding, 64 hex digits. It
// finds the right key among several and proves nothing.
func (p *PublicKey) Hint() string { return p.hint }

// sign returns the ASN.1 signature of message. It is deterministic (RFC 6979): equal
// messages have equal signatures, and no bad source of randomness can give the key away.
func (k *PrivateKey) sign(message []byte) ([]byte, error) {
	kind, err := hashFor(&k.key.PublicKey)
	if err != nil {
		return nil, err
	}
	h := kind.New()
	h.Write(message)
	return k.key.Sign(nil, h.Sum(nil), kind)
}

func (p *PublicKey) verify(message, signature []byte) bool {
	kind, err := hashFor(p.key)
	if err != nil {
		return false
	}
	h := kind.New()
	h.Write(message)
	return ecdsa.VerifyASN1(p.key, h.Sum(nil), signature)
}
