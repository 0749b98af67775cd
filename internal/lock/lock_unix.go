//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package lock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// Take takes the lock that the file of that name stands for, without waiting, and creates
// the file if it is not there. The system lets go of it when the process ends, however it
// ends, so that a crash locks nobody out. The process id of the holder stands in the file
// while it is held, for people; the error of a lock that is held names it and says since when.
func Take(name string) (unlock func() error, err error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w, and is a %s: %s", ErrNoFile, kind(info.Mode()), name)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o666)
	if errors.Is(err, syscall.ELOOP) { // it became one in between
		return nil, fmt.Errorf("%w, and is a link: %s", ErrNoFile, name)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			holder := make([]byte, 32)
			n, _ := f.Read(holder)              // who it is only helps the message
			who, since := "another process", "" // which has not written its id yet
			if pid := strings.TrimSpace(string(holder[:n])); pid != "" {
				who = "process " + pid
				if info, err := f.Stat(); err == nil {
					since = " since " + info.ModTime().UTC().Format(time.RFC3339)
				}
			}
			err = held(fmt.Sprintf("%s holds %s%s", who, name, since))
		} else {
			err = fmt.Errorf("lock %s: %w", name, err)
		}
		return nil, errors.Join(err, f.Close())
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		// Empty while nobody holds it: what a command read leaves the files as they were.
		return errors.Join(f.Truncate(0), f.Close()) // closing the only descriptor unlocks
	}, nil
}

func kind(m os.FileMode) string {
	switch {
	case m&os.ModeSymlink != 0:
		return "link"
	case m.IsDir():
		return "folder"
	}
	return "special file"
}
