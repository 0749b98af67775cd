package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// headSize is how much of a file is looked at to recognise it.
const headSize = 4096

// Bounds of what a decoder may take of memory. They are those of xz -9 and of zstd --long.
const (
	maxDictionary = 64 << 20
	maxWindow     = 128 << 20
)

// A codec is a compression of one file.
type codec struct {
	name   string
	suffix []string // of file names
	method uint16   // its number in a zip; 0: none
	is     func(head []byte) bool
	open   func(r *bufio.Reader) (io.ReadCloser, error)
}

var codecs = []*codec{
	{"gzip", []string{".gz", ".gzip"}, 0, prefix("\x1f\x8b"), openGzip},
	{"xz", []string{".xz"}, 95, prefix(xzMagic), openXZ},
	{"zstd", []string{".zst", ".zstd"}, 93, isZstd, openZstd},
	{"bzip2", []string{".bz2", ".bzip2"}, 12, isBzip2, openBzip2},
}

func prefix(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// codecOf recognises the compression of a file by its first bytes; nil: none.
func codecOf(head []byte) *codec {
	for _, c := range codecs {
		if c.is(head) {
			return c
		}
	}
	return nil
}

// isZstd also takes the skippable frame that a zstd file may begin with (RFC 8878, 3.1.2).
func isZstd(head []byte) bool {
	return prefix("\x28\xb5\x2f\xfd")(head) || len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18"))
}

// isBzip2 asks for the number of the first block, or of the end of a file without any,
// because "BZh" may well begin a line of text.
func isBzip2(head []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90")
}

const xzMagic = "\xfd7zXZ\x00"

// xz: sizes in bytes, see section 2.1 of the .xz file format, version 1.2.
const (
	xzHeader = 12
	xzFooter = 12
)

// checkDictionary refuses a file whose first block needs more memory than any preset of
// xz gives it: the decoder would allocate up to 4 GB because a byte says so.
func checkDictionary(r interface{ Peek(int) ([]byte, error) }) error {
	head, err := r.Peek(xzHeader + 1)
	if err != nil {
		return err
	}
	size := 4 * (int(head[xzHeader]) + 1)
	if size == 4 { // the index: no block
		return nil
	}
	if head, err = r.Peek(xzHeader + size); err != nil {
		return err
	}
	block := head[xzHeader:]
	flags, rest := block[1], block[2:size-4]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} { // sizes of the block
		if !present {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return errors.New("xz: size in block header")
		}
		rest = rest[n:]
	}
	const lzma2 = 0x21
	if flags&0x03 != 0 || len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 {
		return errors.New("xz: filters other than LZMA2 are not read; compress it again with plain xz")
	}
	dictionary, err := lzma.DecodeDictCap(rest[2])
	if err != nil {
		return err
	}
	if dictionary > maxDictionary {
		return fmt.Errorf("xz: needs a dictionary of %d MB: at most %d are given; compress it again with xz -9 or less", dictionary>>20, maxDictionary>>20)
	}
	return nil
}
