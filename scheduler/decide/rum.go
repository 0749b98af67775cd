package decide

// The price of a cold start and of idle memory in the unit of RUM, the representative
// unified metric of FeMux (EuroSys 2026). Every part of this module that weighs memory
// against waiting does it by these.
const (
	// RUMColdStart is what a cold start costs, in seconds.
	RUMColdStart = 0.808
	// RUMMemory is how many GB·s of idle memory cost as much as a second of waiting; GB are
	// 2^30 bytes.
	RUMMemory = 99.69
)

// Bounds of a price of memory, as a multiple of that of RUM: at the most a container of 128 MB
// would have to save twelve minutes of waiting in every minute, and at the least one of 100 GB is
// worth its memory if it saves a millisecond.
const (
	LeastMemoryPrice = 1e-6
	MostMemoryPrice  = 1e4
)

// RUM is the metric, in seconds: of so many cold starts and GB·s of idle memory.
func RUM(cold int64, wastedGBS float64) float64 {
	return RUMColdStart*float64(cold) + wastedGBS/RUMMemory
}
