package datasets

import "time"

// A Holiday is a day with a name on which traffic may differ. Days that share a
// name share an effect.
type Holiday struct {
	Name string    `json:"name"`
	Day  time.Time `json:"day"` // its midnight UTC
}
