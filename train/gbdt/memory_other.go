//go:build !linux

package gbdt

func adviseHuge([]byte) {}
