// Package bundle is the format in which a trained scheduler leaves: a directory of
// files, a manifest that says what they are and where they come from, and a registry
// that keeps bundles and says which one is the champion. It uses the standard library
// only, so that a control plane can read bundles without the rest of the program.
//
// There are only a few types: [Manifest], with a [Descriptor] per file; [Bundle], which
// holds verified bytes; [Registry], with its journal of [Entry] values.
//
//	bundle/
//	  manifest.json     what this is: versions, data window, configuration, metrics, files
//	  manifest.sha256   "<64 hex digits>  manifest.json", as sha256sum writes it
//	  forecast/...      the files that the manifest lists, and nothing else
//
//	registry/
//	  bundles/<digest>/ immutable copies
//	  champion          the digest of the champion
//	  aliases/<name>    those of other aliases
//	  releases/<alias>/ a release statement for each promotion and rollback
//	  journal.jsonl     one line per decision, each with the hash of the one before
//	  lock              held while someone writes
//
// The digest of a manifest names its bundle: the 64 hex digits in manifest.sha256.
// Equal manifests and files give equal bytes, and so the same name.
//
// Trust: the digests find every change of a bundle that was not made by someone who also
// rewrote manifest.json and manifest.sha256. A [Policy] asks for more: a signature by one
// of some keys over every file. Signatures follow OpenSSF Model Signing v1.0 and lie
// beside a bundle, so that its bytes, and its name, hang on nobody's key:
//
//	bundle.signatures/<hint of the key>.sigstore.json
package bundle

import "errors"

var (
	// ErrNotFound is returned when there is no bundle, champion or registry entry of
	// the given name.
	ErrNotFound = errors.New("not found")
	// ErrIntegrity is returned when what is stored is not what was written: a changed,
	// missing, extra or unreadable file, a link, a journal whose chain is broken.
	ErrIntegrity = errors.New("integrity violated")
	// ErrSchemaVersion is returned for an intact bundle of a layout that this version
	// of the program does not know.
	ErrSchemaVersion = errors.New("unknown schema version")
	// ErrLocked is returned when another process or goroutine is writing to the registry.
	ErrLocked = errors.New("registry is locked")
	// ErrExpect is returned when an alias does not stand for what a decision expected.
	ErrExpect = errors.New("the expectation does not hold")
)
