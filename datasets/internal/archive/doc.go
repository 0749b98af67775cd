// Package archive opens what a trace is delivered in: a file, a folder, or an archive of
// files, plain or compressed, recognised by content and never by name.
//
// There are only a few types. [Open] lists the files of a path as a [Set] of [Member]s
// in order of their names, those of an archive as if it were a folder; a [Pick] chooses
// among them. [Member.Open] reads one from its beginning as plain bytes, as often as one
// likes, in any order and from several goroutines.
//
//	compression  gzip, xz, zstd, bzip2
//	archive      zip, tar, and tar within a compression
//	member       plain or within a compression, of a folder or of an archive
//
// Memory does not depend on the size of a file. A tar within a compression has no random
// access: its members that were picked are kept in a temporary file, compressed again,
// which on Unix is gone as soon as the process is, however it ends. It takes at most
// [spoolRatio] times the space of the archive.
//
// Archives are not trusted. Refused are names that leave the archive, links, devices and
// other special files, names that occur twice, archives within archives, and what unpacks
// to more than a trace can have; a message names the archive and the member. A truncated
// file is an error wherever the format lets one see it: only a gzip, zstd or bzip2 file
// that is several such files in a row can end between two of them.
package archive
