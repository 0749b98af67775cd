package cost

import "encoding/json"

// quantilesState is all of a Quantiles, as JSON.
type quantilesState struct {
	N     int64           `json:"n"`
	Min   int64           `json:"min,omitempty"`
	Max   int64           `json:"max,omitempty"`
	Exact []int64         `json:"exact,omitempty"`
	Bins  map[int16]int64 `json:"bins,omitempty"`
}

// MarshalJSON implements [json.Marshaler]. What is unmarshalled goes on as if it had never
// been away.
func (q Quantiles) MarshalJSON() ([]byte, error) {
	return json.Marshal(quantilesState{q.n, q.min, q.max, q.exact, q.bins})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (q *Quantiles) UnmarshalJSON(b []byte) error {
	var s quantilesState
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*q = Quantiles{s.N, s.Min, s.Max, s.Exact, s.Bins}
	return nil
}

// weightedState is all of a Weighted, as JSON: exact values beside their weights.
type weightedState struct {
	Weight float64      `json:"weight"`
	Min    float64      `json:"min"`
	Max    float64      `json:"max"`
	Exact  [][2]float64 `json:"exact,omitempty"`
	Binned bool         `json:"binned,omitempty"`
	Low    int          `json:"low,omitempty"`
	Bins   []float64    `json:"bins,omitempty"`
}

// MarshalJSON implements [json.Marshaler]. What is unmarshalled goes on as if it had never
// been away.
func (s Weighted) MarshalJSON() ([]byte, error) {
	out := weightedState{Weight: s.weight, Min: s.min, Max: s.max, Binned: s.binned, Low: s.low, Bins: s.bins}
	for _, w := range s.exact {
		out.Exact = append(out.Exact, [2]float64{w.value, w.weight})
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Weighted) UnmarshalJSON(b []byte) error {
	var in weightedState
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*s = Weighted{weight: in.Weight, min: in.Min, max: in.Max, binned: in.Binned, low: in.Low, bins: in.Bins}
	for _, w := range in.Exact {
		s.exact = append(s.exact, weighted{w[0], w[1]})
	}
	return nil
}
