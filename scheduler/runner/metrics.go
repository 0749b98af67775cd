package runner

// A Kind is how a metric is to be read.
type Kind uint8

// The kinds of metrics.
const (
	Counter   Kind = iota // a sum that only grows
	Gauge                 // a value that comes and goes
	Histogram             // observations, counted by size
)

// A Metric is what the runner measures. Names are those of Prometheus: base units, and _total
// for counters.
type Metric struct {
	Name    string
	Kind    Kind
	Help    string
	Label   string    // the name of its label; "": it has none
	Buckets []float64 // upper bounds, of a histogram
}

// Metrics takes the measurements of a runner. Index is that of [Measured], label the value of
// its label. Its methods are called from several goroutines and must not block.
type Metrics interface {
	Add(index int, label string, delta float64)     // to a counter
	Set(index int, label string, value float64)     // a gauge
	Observe(index int, label string, value float64) // into a histogram
}

// The places of the metrics in measured.
const (
	events = iota
	rejected
	decisions
	causes
	handleSeconds
	waitSeconds
	inboxEvents
	ordersOutstanding
	calls
	callFailures
	callSeconds
	requestsWaiting
	requestsInSystem
	containers
	memoryUsed
	memoryTotal
	swaps
	stateFailures
	journalBytes
	replayed
)

var seconds = []float64{0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60}

// measured are all metrics, by their indices.
var measured = [...]Metric{
	events:            {"incendio_events_total", Counter, "Events that the scheduler took in.", "kind", nil},
	rejected:          {"incendio_events_rejected_total", Counter, "Events that it did not: impossible ones, and those for which the inbox was full or closed.", "reason", nil},
	decisions:         {"incendio_decisions_total", Counter, "Decisions of the scheduler.", "kind", nil},
	causes:            {"incendio_given_up_total", Counter, "Containers ended and requests given up, by why.", "cause", nil},
	handleSeconds:     {"incendio_handle_seconds", Histogram, "Time that the scheduler took for all that had queued up, with the journal.", "", []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1}},
	waitSeconds:       {"incendio_request_wait_seconds", Histogram, "Time from the arrival of a request to its start.", "", seconds},
	inboxEvents:       {"incendio_inbox_events", Gauge, "Most events that waited for the scheduler at once since the last look.", "", nil},
	ordersOutstanding: {"incendio_orders_outstanding", Gauge, "Orders that the platform has not carried out.", "", nil},
	calls:             {"incendio_platform_calls_total", Counter, "Calls of the platform.", "kind", nil},
	callFailures:      {"incendio_platform_call_failures_total", Counter, "Calls of the platform that failed.", "kind", nil},
	callSeconds:       {"incendio_platform_call_seconds", Histogram, "Time that a call of the platform took.", "kind", seconds},
	requestsWaiting:   {"incendio_requests_waiting", Gauge, "Requests that wait.", "", nil},
	requestsInSystem:  {"incendio_requests_in_system", Gauge, "Requests that wait, execute or have a container created for them.", "", nil},
	containers:        {"incendio_containers", Gauge, "Containers, by what they do.", "status", nil},
	memoryUsed:        {"incendio_memory_used_bytes", Gauge, "Memory that containers hold.", "", nil},
	memoryTotal:       {"incendio_memory_bytes", Gauge, "Memory of the invokers that take containers.", "", nil},
	swaps:             {"incendio_swaps_total", Counter, "Bundles that were swapped in.", "", nil},
	stateFailures:     {"incendio_journal_failures_total", Counter, "Batches of events that could not be written into the journal, and are tried again.", "", nil},
	journalBytes:      {"incendio_journal_bytes", Gauge, "Size of the journal.", "", nil},
	replayed:          {"incendio_journal_replayed_records_total", Counter, "Records of the journal that were taken in again at the start.", "", nil},
}

// Measured returns all metrics; Metrics knows them by their place in it.
func Measured() []Metric { return append([]Metric(nil), measured[:]...) }

// discard is for a runner without metrics.
type discard struct{}

func (discard) Add(int, string, float64)     {}
func (discard) Set(int, string, float64)     {}
func (discard) Observe(int, string, float64) {}
