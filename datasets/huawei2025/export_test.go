package huawei2025

// For tests of what is inside.
var (
	TriggerOf = triggerOf
	Resources = resources
	Share     = share
)

const Average = average
