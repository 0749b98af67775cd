package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// A ticket stands for a waiting request in a queue of a policy. The scheduler drops requests
// without a word to the policy and gives their numbers out again, so a ticket holds
// how often its number was used before.
type ticket struct {
	request decide.RequestID
	use     uint32
}

// tickets counts the uses of request numbers.
type tickets []uint32

// issue returns the ticket of request r, which has just arrived.
func (t *tickets) issue(r decide.RequestID) ticket {
	for int(r) >= len(*t) {
		*t = append(*t, 0)
	}
	(*t)[r]++
	return ticket{r, (*t)[r]}
}

// valid reports whether the request of k still waits.
func (t tickets) valid(s decide.Snapshot, k ticket) bool {
	return t[k.request] == k.use && s.IsWaiting(k.request)
}

// fifo is a queue of tickets in order of arrival. As all requests have the same time-out, those
// that were dropped are at its head.
type fifo struct {
	items []ticket
	at    int // the head
}

func (q *fifo) push(k ticket) { q.items = append(q.items, k) }

// head is the first request that still waits, or None.
func (q *fifo) head(s decide.Snapshot, t tickets) decide.RequestID {
	for q.at < len(q.items) {
		if k := q.items[q.at]; t.valid(s, k) {
			return k.request
		}
		q.at++
		if 2*q.at > len(q.items) { // so that it is no longer than twice what waits
			q.items, q.at = append(q.items[:0], q.items[q.at:]...), 0
		}
	}
	return decide.None
}

// len is the number of requests that wait.
func (q *fifo) len(s decide.Snapshot, t tickets) int {
	q.head(s, t)
	return len(q.items) - q.at
}
