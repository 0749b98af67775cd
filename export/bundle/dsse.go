package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// An envelope is a signed payload after DSSE v1.0 (Dead Simple Signing Envelope). What
// is signed is pae, never the JSON around it, so that no two encodings of one document
// can share a signature.
type envelope struct {
	Payload     []byte              `json:"payload"` // base64 in JSON
	PayloadType string              `json:"payloadType"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	Sig   []byte `json:"sig"` // ASN.1, base64 in JSON
	KeyID string `json:"keyid"`
}

// payloadInToto is the payload type of every in-toto statement.
const payloadInToto = "application/vnd.in-toto+json"

// typeStatement is the type of in-toto statements, version 1.
const typeStatement = "https://in-toto.io/Statement/v1"

// pae is DSSE's pre-authentication encoding, what a signature covers.
func pae(payloadType string, payload []byte) []byte {
	b := []byte("DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType + " " + strconv.Itoa(len(payload)) + " ")
	return append(b, payload...)
}

// seal returns the envelope of an in-toto statement, signed by the keys; none is allowed.
func seal(payload []byte, keyID bool, keys ...*PrivateKey) (*envelope, error) {
	e := &envelope{Payload: payload, PayloadType: payloadInToto, Signatures: []envelopeSignature{}}
	for _, k := range keys {
		s, err := k.sign(pae(e.PayloadType, payload))
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		p, err := k.Public()
		if err != nil {
			return nil, err
		}
		id := ""
		if keyID {
			id = p.Hint()
		}
		e.Signatures = append(e.Signatures, envelopeSignature{s, id})
	}
	return e, nil
}

// signedBy returns the first of keys with a valid signature of e, or nil.
func (e *envelope) signedBy(keys []*PublicKey) *PublicKey {
	message := pae(e.PayloadType, e.Payload)
	for _, k := range keys {
		for _, s := range e.Signatures {
			if k.verify(message, s.Sig) {
				return k
			}
		}
	}
	return nil
}

// decodeStrict decodes one JSON document into v: an unknown member, a member given twice
// or anything behind the end is an error. Two readers of a signed document must never
// see different things in it.
func decodeStrict(data []byte, v any) error {
	if err := unique(data); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON document")
	}
	return nil
}

// unique reports a member that an object of the document has twice, also in other case
// (encoding/json does not tell them apart), and nesting deeper than any document of this
// package has.
func unique(data []byte) error {
	const maxDepth = 32
	d := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		members map[string]bool // nil in an array
		key     bool            // a key comes next
	}
	var stack []level
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n := len(stack); n > 0 && stack[n-1].key {
			if name, ok := t.(string); ok {
				folded := strings.ToLower(name)
				if stack[n-1].members[folded] {
					return fmt.Errorf("member %q stands twice in one object", name)
				}
				stack[n-1].members[folded] = true
				stack[n-1].key = false
				continue
			}
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{map[string]bool{}, true})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) > maxDepth {
			return fmt.Errorf("nested deeper than %d levels", maxDepth)
		}
		if n := len(stack); n > 0 && stack[n-1].members != nil && t != json.Delim('{') {
			stack[n-1].key = true
		}
	}
}
