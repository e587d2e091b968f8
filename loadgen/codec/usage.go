package codec

// Usage is the server's own count of tokens. A count of 0 is not known, except for CacheRead
// if CacheKnown. Usages are comparable with ==.
type Usage struct {
	// Prompt, Completion and Total are the tokens of the prompt, of the answer, and of both.
	Prompt, Completion, Total int
	// Reasoning is the part of the answer's tokens that were thoughts.
	Reasoning int
	// CacheRead is the part of the prompt that the server had in its prefix cache, if
	// CacheKnown, and CacheWrite the part that it put there.
	CacheRead  int
	CacheKnown bool
	CacheWrite int
}

// Merge takes over the counts of a later usage that are known. Some servers report the
// prompt with the first part of an answer and the answer with the last, and some end with
// zeros.
func (u *Usage) Merge(later Usage) {
	take := func(n *int, later int) {
		if later > 0 {
			*n = later
		}
	}
	take(&u.Prompt, later.Prompt)
	take(&u.Completion, later.Completion)
	take(&u.Total, later.Total)
	take(&u.Reasoning, later.Reasoning)
	take(&u.CacheWrite, later.CacheWrite)
	if later.CacheKnown {
		u.CacheRead, u.CacheKnown = later.CacheRead, true
	}
}

// Add adds the counts of another answer.
func (u *Usage) Add(other Usage) {
	u.Prompt, u.Completion, u.Total = u.Prompt+other.Prompt, u.Completion+other.Completion, u.Total+other.Total
	u.Reasoning += other.Reasoning
	u.CacheRead, u.CacheKnown = u.CacheRead+other.CacheRead, u.CacheKnown || other.CacheKnown
	u.CacheWrite += other.CacheWrite
}

// Input returns the tokens of the prompt, 0 if they are not known.
func (u Usage) Input() int {
	if u.Prompt == 0 && u.Total > u.Completion && u.Completion > 0 {
		return u.Total - u.Completion
	}
	return u.Prompt
}

// Output returns the tokens of an answer that came in the given number of parts with
// content, 0 if they are not known. There are two conventions: OpenAI counts reasoning in
// the completion, and some servers count it in the total alone.
func (u Usage) Output(parts int) int {
	n, total := u.Completion, u.Total-u.Prompt
	switch {
	case u.Prompt > 0 && total > n && (n+u.Reasoning == total || parts > n):
		return total
	case u.Total == 0 && u.Reasoning > n:
		return n + u.Reasoning
	}
	return n
}
