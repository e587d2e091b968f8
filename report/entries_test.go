package report

// Entries are the warnings' words, each with its anchor.
func Entries() (out [][2]string) {
	for _, e := range entries {
		out = append(out, [2]string{e, anchor(e)})
	}
	return out
}
