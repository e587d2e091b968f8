package recipes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePairs(t *testing.T) {
	for _, tt := range []struct {
		why, text string
		want      []pair
		blames    string // part of the error; empty: none
	}{
		{"one", "128/64", []pair{{128, 64}}, ""},
		{"several, in order", "512/256,128/128", []pair{{512, 256}, {128, 128}}, ""},
		{"white space is no matter", " 128 / 128 ,\t256/256 ", []pair{{128, 128}, {256, 256}}, ""},
		{"nor is a trailing comma", "1/2, 3/4 ,", []pair{{1, 2}, {3, 4}}, ""},
		{"the same numbers swapped are another shape", "1/2,2/1", []pair{{1, 2}, {2, 1}}, ""},
		{"nothing", "", nil, "no pair"},
		{"white space", "  ", nil, "no pair"},
		{"a comma", ",", nil, "no pair"},
		{"one side", "128", nil, `"128"`},
		{"two slashes", "1/1,128/128/3", nil, `"128/128/3"`},
		{"an empty side", "128/", nil, `"128/"`},
		{"an empty pair between", "1/2,,3/4", nil, `""`},
		{"zero", "0/5", nil, `"0/5"`},
		{"negative", "-1/5", nil, `"-1/5"`},
		{"a fraction", "1.5/2", nil, `"1.5/2"`},
		{"an underscore, which Python would read", "1_0/2", nil, `"1_0/2"`},
		{"a sign", "+1/2", nil, `"+1/2"`},
		{"other digits", "١/2", nil, `"١/2"`},
		{"beyond any integer", "99999999999999999999/2", nil, "99999999999999999999"},
		{"twice", "128/128,64/64,128 / 128", nil, `duplicate pair "128 / 128"`},
		{"twice with zeros ahead", "8/8,08/8", nil, `duplicate pair "08/8"`},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got, err := parsePairs(tt.text)
			if tt.blames != "" {
				require.Error(t, err)
				assert.ErrorContains(t, err, tt.blames)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

// FuzzPairs: what is read is positive, has no duplicates and can be written and
// read again; what is not read is an error.
func FuzzPairs(f *testing.F) {
	for _, s := range []string{"128/128,512/256", " 1 / 2 ,", "1_0/2", "0/5", "//", ",,", "9223372036854775808/1", "8/8,08/8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parsePairs(s)
		if err != nil {
			assert.Nil(t, got)
			return
		}
		require.NotEmpty(t, got)
		seen := map[pair]bool{}
		var out []string
		for _, p := range got {
			assert.True(t, p.isl > 0 && p.osl > 0)
			assert.False(t, seen[p])
			seen[p] = true
			out = append(out, p.String())
		}
		again, err := parsePairs(strings.Join(out, ","))
		require.NoError(t, err)
		assert.Equal(t, got, again)
	})
}
