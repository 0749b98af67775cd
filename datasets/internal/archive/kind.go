package archive

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A container is an archive of several files.
type container int

const (
	none container = iota
	zipFile
	tarFile
)

// containerOf recognises an archive by its first bytes.
func containerOf(head []byte) container {
	switch {
	case prefix("PK\x03\x04")(head), prefix("PK\x05\x06")(head), prefix("PK\x07\x08")(head):
		return zipFile
	case isTar(head):
		return tarFile
	}
	return none
}

const tarBlock = 512

// isTar verifies the checksum of the first header, because the oldest archives have no
// other mark.
func isTar(head []byte) bool {
	if len(head) < tarBlock {
		return false
	}
	const from, to = 148, 156 // where the checksum stands; it counts as blanks
	sum := 0
	for i, b := range head[:tarBlock] {
		if i >= from && i < to {
			b = ' '
		}
		sum += int(b)
	}
	stored, digits := 0, 0
	for _, b := range bytes.Trim(head[from:to], " \x00") {
		if b < '0' || b > '7' {
			return false
		}
		stored, digits = stored<<3|int(b-'0'), digits+1
	}
	return digits > 0 && stored == sum && head[0] != 0
}

// ErrForeign is returned for a file in a format that this package knows by its first
// bytes and does not read. The message says what to do with it.
var ErrForeign = errors.New("this format is not read")

var foreign = []struct{ magic, says string }{
	{"Rar!\x1a\x07", "holds a RAR archive, which is not read: unpack it with RARLAB's unrar (unrar x %s), as p7zip 16 and unar fail on such files, and give the folder of what comes out"},
	{"7z\xbc\xaf\x27\x1c", "holds a 7z archive, which is not read: unpack it with 7z x %s and give the folder of what comes out"},
	{"\x04\x22\x4d\x18", "holds lz4, which is not read: unpack it with lz4 -d %s"},
	{"\x1f\x9d", "holds the output of compress, which is not read: unpack it with gzip -d %s"},
	{"LZIP\x01", "holds lzip, which is not read: unpack it with lzip -d %s"},
	{"\x5d\x00\x00\x80\x00", "holds bare LZMA, which is not read: unpack it with xz -d --format=lzma %s"},
}

// foreignError says what a file holds that is not read; nil if nothing is known against it.
func foreignError(path string, head []byte) error {
	for _, f := range foreign {
		if strings.HasPrefix(string(head), f.magic) {
			return fmt.Errorf("%s: "+f.says+": %w", path, path, ErrForeign)
		}
	}
	return nil
}
