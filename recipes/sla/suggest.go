package sla

import "strings"

// Suggest returns `; did you mean "x"?` for the known name that is nearest to the
// given one, or an empty string when none is near: more than half of the name's
// letters would have to change, and no known name contains it.
func Suggest(name string, known []string) string {
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		// A part of a name is a common way of asking for it.
		for _, k := range known {
			if len(name) >= 3 && strings.Contains(k, strings.ToLower(name)) {
				best = k
				break
			}
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// editDistance counts the insertions, deletions and substitutions of bytes that
// turn a into b (Wagner and Fischer 1974).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
