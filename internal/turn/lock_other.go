//go:build !unix

package turn

import "os"

// lock takes no lock: use go test -p 1 there.
func lock(*os.File) (release func()) { return func() {} }
