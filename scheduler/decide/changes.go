package decide

// changes is a log of the functions that have changed, of which the latest are kept. It
// is empty until somebody asks for it, so that others do not pay for it.
type changes struct {
	list []FunctionID // nil: nobody has asked
	base uint64       // how many came before list[0]
}

// changesKept is how many changes a reader may at least fall behind.
const changesKept = 1024

func (l *changes) add(f FunctionID) {
	if l.list != nil {
		l.push(f)
	}
}

func (l *changes) push(f FunctionID) {
	if len(l.list) == cap(l.list) { // forget the older half
		n := copy(l.list, l.list[changesKept:])
		l.list, l.base = l.list[:n], l.base+changesKept
	}
	l.list = append(l.list, f)
}

// after is described with Snapshot.Changes.
func (l *changes) after(since uint64) (list []FunctionID, now uint64, ok bool) {
	if l.list == nil {
		l.list, l.base = make([]FunctionID, 0, 2*changesKept), 1 // no reader is at 0
	}
	now = l.base + uint64(len(l.list))
	if since < l.base {
		return nil, now, false
	}
	return l.list[since-l.base:], now, true
}
