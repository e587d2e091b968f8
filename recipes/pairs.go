package recipes

import (
	"fmt"
	"strconv"
	"strings"
)

// pair is the shape of a workload: tokens of prompt and answer.
type pair struct{ isl, osl int }

// String returns the pair in the form that parsePairs reads.
func (p pair) String() string { return fmt.Sprintf("%d/%d", p.isl, p.osl) }

// parsePairs reads shapes in the form 128/128,512/256. White space around commas and
// slashes is allowed, and so is one comma at the end. An error quotes the part at
// fault.
func parsePairs(text string) ([]pair, error) {
	trimmed := strings.TrimSpace(text)
	trimmed = strings.TrimSpace(strings.TrimSuffix(trimmed, ","))
	if trimmed == "" {
		return nil, fmt.Errorf("%q has no pair; write isl/osl, for example 128/128,512/256", text)
	}
	var pairs []pair
	seen := map[pair]bool{}
	for token := range strings.SplitSeq(trimmed, ",") {
		token = strings.TrimSpace(token)
		sides := strings.Split(token, "/")
		if len(sides) != 2 {
			return nil, fmt.Errorf("%q is not two numbers separated by a slash, for example 512/256", token)
		}
		isl, err := positive(sides[0])
		if err != nil {
			return nil, fmt.Errorf("in %q %w", token, err)
		}
		osl, err := positive(sides[1])
		if err != nil {
			return nil, fmt.Errorf("in %q %w", token, err)
		}
		p := pair{isl, osl}
		if seen[p] {
			return nil, fmt.Errorf("duplicate pair %q", token)
		}
		seen[p] = true
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// positive reads a positive integer in plain decimal digits. Signs and underscores,
// which AIPerf accepts, are more likely slips than meant.
func positive(text string) (int, error) {
	text = strings.TrimSpace(text)
	for _, r := range text {
		if r < '0' || r > '9' {
			return 0, fmt.Errorf("%q is not a positive integer", text)
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a positive integer", text)
	}
	return n, nil
}
