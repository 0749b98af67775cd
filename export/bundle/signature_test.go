package bundle_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
)

// newKey returns a new key and its public half.
func newKey(t testing.TB, curve string) (*bundle.PrivateKey, *bundle.PublicKey) {
	t.Helper()
	k, err := bundle.GenerateKey(curve, rand.Reader)
	must(t, err)
	p, err := k.Public()
	must(t, err)
	return k, p
}

func TestKeys(t *testing.T) {
	for _, curve := range bundle.Curves {
		k, p := newKey(t, curve)
		text, err := k.Encode()
		must(t, err)
		again, err := bundle.ParsePrivateKey(text)
		must(t, err)
		public, err := again.Public()
		must(t, err)
		text, err = p.Encode()
		must(t, err)
		parsed, err := bundle.ParsePublicKey(text)
		must(t, err)
		if public.Hint() != p.Hint() || parsed.Hint() != p.Hint() || len(p.Hint()) != 64 {
			t.Errorf("%s: hints %s, %s, %s", curve, p.Hint(), public.Hint(), parsed.Hint())
		}
		if _, err := bundle.ParsePrivateKey(text); err == nil || !strings.Contains(err.Error(), "public key") {
			t.Errorf("a public key as a private one: %v", err)
		}
	}
	if _, err := bundle.GenerateKey("P-224", rand.Reader); err == nil {
		t.Error("P-224 is no curve of Model Signing")
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	sec1 := func(k *ecdsa.PrivateKey) []byte {
		der, err := x509.MarshalECPrivateKey(k)
		must(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	}
	der, err := x509.MarshalPKCS8PrivateKey(edwards)
	must(t, err)
	for what, data := range map[string][]byte{
		"P-224":     sec1(p224),
		"Ed25519":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"encrypted": pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}),
		"damaged":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
		"nothing":   nil,
	} {
		if _, err := bundle.ParsePrivateKey(data); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	// As OpenSSL writes it, behind the name of its curve.
	data := append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8}}), sec1(p256)...)
	if _, err := bundle.ParsePrivateKey(data); err != nil {
		t.Errorf("a key as OpenSSL writes it: %v", err)
	}
}

func TestSignature(t *testing.T) {
	b, dir := create(t, "a")
	for _, curve := range bundle.Curves {
		k, p := newKey(t, curve)
		_, stranger := newKey(t, curve)
		one, err := b.Sign(k)
		must(t, err)
		two, err := b.Sign(k)
		must(t, err)
		if !bytes.Equal(one, two) {
			t.Errorf("%s: two signatures of one bundle differ", curve)
		}
		if by, err := b.VerifySignature(one, stranger, p); err != nil || by != p {
			t.Errorf("%s: by %v, %v", curve, by, err)
		}
		if _, err := b.VerifySignature(one, stranger); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: by a stranger: %v", curve, err)
		}
		other := newBundle(t, "b")
		if _, err := other.VerifySignature(one, p); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: of another bundle: %v", curve, err)
		}
	}
	k, p := newKey(t, "P-256")
	_, stranger := newKey(t, "P-256")
	trust := bundle.Policy{Keys: []*bundle.PublicKey{stranger, p}}
	if _, err := bundle.Open(dir, trust); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("open without a signature: %v", err)
	}
	for range 2 { // again is nothing to do
		if _, err := b.WriteSignature(dir, k); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := bundle.Open(dir, trust)
	if err != nil || opened.Signer() != p {
		t.Fatalf("open: by %v, %v", opened.Signer(), err)
	}
	if opened, err = bundle.Open(dir, bundle.Policy{}); err != nil || opened.Signer() != nil {
		t.Errorf("open without a policy: by %v, %v", opened.Signer(), err)
	}
	if _, err := bundle.Open(dir, bundle.Policy{Keys: []*bundle.PublicKey{stranger}}); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("open with the key of a stranger: %v", err)
	}
}

// TestTamperedSignatures changes signatures byte by byte, and in the ways that have
// broken verifiers of such envelopes.
func TestTamperedSignatures(t *testing.T) {
	b := newBundle(t, "a")
	k, p := newKey(t, "P-256")
	good, err := b.Sign(k)
	must(t, err)
	refused := func(what string, data []byte) {
		t.Helper()
		if _, err := b.VerifySignature(data, p); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The payload and the signature, bit by bit. The hint and the log entries around them
	// are not trusted, so a change there changes nothing.
	var outer map[string]any
	must(t, json.Unmarshal(good, &outer))
	envelope := outer["dsseEnvelope"].(map[string]any)
	for _, part := range []struct {
		in  map[string]any
		key string
	}{{envelope, "payload"}, {envelope["signatures"].([]any)[0].(map[string]any), "sig"}} {
		text := part.in[part.key].(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		must(t, err)
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << (i % 8)
			part.in[part.key] = base64.StdEncoding.EncodeToString(bad)
			data, err := json.Marshal(outer)
			must(t, err)
			refused(part.key, data)
		}
		part.in[part.key] = text
	}
	payload := []byte(envelope["payload"].(string))
	resign := func(old, new string) []byte { // by the right key, of a wrong statement
		raw, err := base64.StdEncoding.DecodeString(string(payload))
		must(t, err)
		if !bytes.Contains(raw, []byte(old)) {
			t.Fatalf("the statement has no %s", old)
		}
		data, err := bundle.Seal(bytes.Replace(raw, []byte(old), []byte(new), 1), k)
		must(t, err)
		envelope["payload"], envelope["signatures"] = data.Payload, data.Signatures
		out, err := json.Marshal(outer)
		must(t, err)
		return out
	}
	if _, err := b.VerifySignature(resign(`"method":"files"`, `"method":"files"`), p); err != nil {
		t.Fatalf("signed anew and unchanged: %v", err)
	}
	for old, new := range map[string]string{
		`"method":"files"`:                            `"method":"shards"`,
		`"hash_type":"sha256"`:                        `"hash_type":"blake2b"`,
		`https://in-toto.io/Statement/v1`:             `https://in-toto.io/Statement/v2`,
		`https://model_signing/signature/v1.0`:        `https://slsa.dev/provenance/v1`,
		`"name":"manifest.json"`:                      `"name":"manifest.jsoN"`,
		`"algorithm":"sha256"`:                        `"algorithm":"sha512"`,
		`"resources":[`:                               `"Resources":[],"resources":[`,
		`"resources":[{"algorithm":"sha256","digest"`: `"resources":[{"algorithm":"sha256","digest":"00","name":"x"},{"algorithm":"sha256","digest"`,
		`"subject":[`:                                 `"subject":[{"name":"x","digest":{}},`,
		`"_type"`:                                     `"_type":"x","_type"`,
	} {
		refused(new, resign(old, new))
	}
	for _, data := range []string{"", "{}", "[]", "null", string(good) + "{}", strings.Replace(string(good), "dsseEnvelope", "messageSignature", 1),
		strings.Repeat("[", 100000), strings.Replace(string(good), "v0.3", "v0.9", 1), strings.Replace(string(good), "vnd.in-toto", "vnd.other", 1)} {
		refused("this text", []byte(data))
	}
}

// TestMutationsWithoutTheKey plays someone who may write the folder and mends every
// digest after a change, but has no key: where a signature is demanded all are refused.
func TestMutationsWithoutTheKey(t *testing.T) {
	b, _ := create(t, "a")
	k, p := newKey(t, "P-256")
	signature, err := b.Sign(k)
	must(t, err)
	m := b.Manifest()
	r := mathrand.New(mathrand.NewPCG(1, 2))
	const n = 10000
	for i := range n {
		var files []bundle.File
		pick := r.IntN(len(m.Files))
		for j, d := range m.Files {
			data, err := b.File(d.Name)
			must(t, err)
			f := bundle.File{Name: d.Name, MediaType: d.MediaType, Data: data}
			if j == pick {
				f.Name, f.Data = mutate(r, f.Name, data)
			}
			files = append(files, f)
		}
		changed, err := bundle.New(m, files)
		if err != nil {
			continue // refused already without a key
		}
		if changed.Digest() == b.Digest() {
			t.Fatalf("mutation %d changed nothing", i)
		}
		if _, err := changed.VerifySignature(signature, p); !errors.Is(err, bundle.ErrIntegrity) {
			t.Fatalf("mutation %d: %v", i, err)
		}
	}
}

// mutate changes a file: its name, or a byte lost, gained or changed.
func mutate(r *mathrand.Rand, name string, data []byte) (string, []byte) {
	at := r.IntN(len(data) + 1)
	switch kind := r.IntN(4); {
	case kind == 0 || at == len(data):
		return name, slices.Insert(bytes.Clone(data), at, byte(r.Uint32()))
	case kind == 1:
		return name, slices.Delete(bytes.Clone(data), at, at+1)
	case kind == 2:
		return name + "x", data
	}
	data = bytes.Clone(data)
	data[at] ^= 1 << r.IntN(8)
	return name, data
}

func FuzzVerifySignature(f *testing.F) {
	b := newBundle(f, "a")
	k, p := newKey(f, "P-256")
	good, err := b.Sign(k)
	must(f, err)
	f.Add(good)
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"e30=","signatures":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := b.VerifySignature(data, p); err != nil && !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
