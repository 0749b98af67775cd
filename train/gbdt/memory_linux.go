package gbdt

import "syscall"

// adviseHuge asks for large pages. It is advice: where it is refused, all works as well.
func adviseHuge(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }
