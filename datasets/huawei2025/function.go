package huawei2025

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// separator stands between the parts of a funcID.
const separator = "---"

// key splits a funcID into what the store knows a function by.
func key(funcID string) (rows.Key, rows.Fault) {
	parts := strings.Split(funcID, separator)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return rows.Key{}, rows.Fault{Reason: rows.BadKey, Msg: fmt.Sprintf("%.60q: must be funcName---userID---poolName", funcID)}
	}
	return rows.Key{Owner: []byte(parts[1]), App: []byte(parts[0]), Name: []byte(funcID)}, rows.Fault{}
}

// appendID writes the funcID of a row that names the function, the user and the pod, which
// is a pool and a number: pool22-300-128-0000618412.
func appendID(b, name, user, pod []byte) ([]byte, rows.Fault) {
	pod = bytes.TrimSpace(pod)
	end := bytes.LastIndexByte(pod, '-')
	for _, part := range [][]byte{name, user} {
		if part = whole(part); len(part) == 0 || bytes.Contains(part, []byte(separator)) {
			return b, rows.Fault{Reason: rows.BadKey, Msg: fmt.Sprintf("funcName %.40q and userID %.40q: neither may be empty", name, user)}
		}
	}
	if end <= 0 || bytes.Count(pod[:end], []byte("-")) != 2 {
		return b, rows.Fault{Reason: rows.BadKey, Msg: fmt.Sprintf("podID %.60q: must be pool-millicores-MB-number", pod)}
	}
	b = append(append(b, whole(name)...), separator...)
	b = append(append(b, whole(user)...), separator...)
	return append(b, pod[:end]...), rows.Fault{}
}

// whole is a number without the ".0" of a program that holds all numbers as floats.
func whole(cell []byte) []byte { return bytes.TrimSuffix(bytes.TrimSpace(cell), []byte(".0")) }

var pool = regexp.MustCompile(separator + `[^-]+-([0-9]{1,6})-([0-9]{1,6})$`)

// resources are what the pool of a funcID gives to a container: cores and bytes; ok is
// false for a pool that does not say.
func resources(funcID string) (cores float64, memory int64, ok bool) {
	found := pool.FindStringSubmatch(funcID)
	if found == nil {
		return 0, 0, false
	}
	millicores, _ := strconv.Atoi(found[1]) // digits, a few
	mb, _ := strconv.Atoi(found[2])
	return float64(millicores) / 1000, int64(mb) << 20, millicores > 0 && mb > 0
}

// triggers are the platform's, in the words of the Azure trace: APIG is its gateway, OBS its
// object storage, workflow its orchestrator, KAFKA messages, and the others events of
// streams (DIS), notifications (SMN), logs (LTS) and audits (CTS).
var triggers = map[string]datasets.Trigger{
	"APIG": datasets.HTTP, "TIMER": datasets.Timer, "OBS": datasets.Storage, "workflow": datasets.Orchestration,
	"KAFKA": datasets.Queue, "DIS": datasets.EventTrigger, "SMN": datasets.EventTrigger,
	"LTS": datasets.EventTrigger, "CTS": datasets.EventTrigger, "unknown": datasets.Others,
}

// triggerOf is the first trigger of a list that is known, such as "APIG-S TIMER-A", of
// which S and A say synchronous and asynchronous.
func triggerOf(list string) (datasets.Trigger, rows.Fault) {
	chosen := datasets.Others
	for _, word := range strings.Fields(list) {
		kind, how, _ := strings.Cut(word, "-")
		t, ok := triggers[kind]
		if !ok || how != "" && how != "S" && how != "A" && how != "unknown" {
			return datasets.Others, rows.Fault{Reason: rows.UnknownTrigger, Msg: fmt.Sprintf("trigger %.40q: must be one of APIG, CTS, DIS, KAFKA, LTS, OBS, SMN, TIMER, unknown and workflow, with -A, -S or -unknown", word)}
		}
		if chosen == datasets.Others {
			chosen = t
		}
	}
	return chosen, rows.Fault{}
}
