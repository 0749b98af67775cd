//go:build darwin || freebsd || linux

package health

import "syscall"

// freeSpace is how many bytes the file system of a folder has for this user.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
