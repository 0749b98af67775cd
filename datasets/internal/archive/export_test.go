package archive

import "context"

// OpenLimited is Open with other limits.
func OpenLimited(ctx context.Context, path string, pick Pick, members int, unpacked, ratio, slack int64) (*Set, error) {
	return open(ctx, path, pick, limits{members, unpacked, ratio, slack})
}
