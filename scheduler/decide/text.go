package decide

import "fmt"

// MarshalText writes the name of k.
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name of an event.
func (k *EventKind) UnmarshalText(text []byte) error {
	return named(k, text, "event", 1<<6)
}

// MarshalText writes the name of k.
func (k DecisionKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name of a decision.
func (k *DecisionKind) UnmarshalText(text []byte) error {
	return named(k, text, "decision", Swapped+1)
}

// MarshalText writes the name of c.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the name of a cause.
func (c *Cause) UnmarshalText(text []byte) error {
	return named(c, text, "cause", 1<<6)
}

// named sets k to the value below end that has that name.
func named[K interface {
	~uint8
	fmt.Stringer
}](k *K, text []byte, what string, end K) error {
	for n := range end {
		if n.String() == string(text) {
			*k = n
			return nil
		}
	}
	return fmt.Errorf("decide: there is no %s %q", what, text)
}
