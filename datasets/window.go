package datasets

import "fmt"

// A Window is the range [From, To) of minutes since the start of a trace.
type Window struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Len is the number of minutes in w.
func (w Window) Len() int { return w.To - w.From }

// CheckGaps reports whether gaps are inside a span: apart, ascending, none of them empty,
// and none at its beginning or end.
func CheckGaps(span Window, gaps []Window) error {
	from := span.From
	for _, g := range gaps {
		if g.From <= from || g.To <= g.From || g.To >= span.To {
			return fmt.Errorf("gap %v: gaps must be inside the span %v, apart and ascending", g, span)
		}
		from = g.To
	}
	return nil
}

func (w Window) String() string { return fmt.Sprintf("[%d, %d)", w.From, w.To) }

// A Splits is a trace cut by time: train is fitted on, valid chooses between what
// was fitted, and test judges what was chosen.
type Splits struct {
	Train Window `json:"train"`
	Valid Window `json:"valid"`
	Test  Window `json:"test"`
}

// Split cuts w by time into 70 % for training and 15 % each for validation and
// test, on whole minutes. Nothing is drawn at random: a later minute is never used
// to predict an earlier one.
func Split(w Window) Splits {
	a := w.From + w.Len()*70/100
	b := w.From + w.Len()*85/100
	return Splits{
		Train: Window{w.From, a},
		Valid: Window{a, b},
		Test:  Window{b, w.To},
	}
}

// SplitEnd cuts w so that its last test minutes judge and the valid minutes before them choose; 0
// stands for the share of [Split]. Where that would leave less than half of w to fit on, the
// parts are the shares.
func SplitEnd(w Window, valid, test int) Splits {
	shares := Split(w)
	if test == 0 {
		test = shares.Test.Len()
	}
	if valid == 0 {
		valid = shares.Valid.Len()
	}
	a := w.To - test - valid
	if a-w.From < (w.Len()+1)/2 {
		return shares
	}
	return Splits{Train: Window{w.From, a}, Valid: Window{a, w.To - test}, Test: Window{w.To - test, w.To}}
}

// Windows that a command can name.
const (
	TrainWindow = "train"
	ValidWindow = "valid"
	TestWindow  = "test"
	AllWindow   = "all"
)

// Named returns the window called name, of a trace that spans all.
func (s Splits) Named(name string) (Window, error) {
	switch name {
	case TrainWindow:
		return s.Train, nil
	case ValidWindow:
		return s.Valid, nil
	case TestWindow:
		return s.Test, nil
	case AllWindow:
		return Window{s.Train.From, s.Test.To}, nil
	}
	return Window{}, fmt.Errorf("window %q: must be %s, %s, %s or %s", name, TrainWindow, ValidWindow, TestWindow, AllWindow)
}
