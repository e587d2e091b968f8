package history

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// changeError is the chance, at most, that one search of a level series finds a change. It is
// small, since a change divides the runs that the scatter is taken from.
const changeError = 0.01

// leastPart is how many runs a level has at least: one odd night is no change.
const leastPart = 3

// Changes returns where the level of a series changes: the indexes, ascending, at which a new
// level begins. It is empty where the series is level, or has fewer than six values.
//
// The method is circular binary segmentation (Olshen, Venkatraman, Lucito and Wigler,
// Biostatistics 5, 2004): the stretch that differs most from what is around it, by the two-sample
// t statistic, is a level of its own if its P, multiplied by the number of stretches
// (Bonferroni), is below 1%; then its parts and those around it are searched. A level series has
// a change less often than that, since stretches overlap.
//
// Note: binary segmentation alone, which looks for one split at a time, was tried. It misses a
// loss that was mended later, of which no single split explains much. E-divisive, which CI
// systems use (Daly et al., ICPE 2020), assumes no distribution, and permutes at random: the
// same file would have other changes each time that it is read.
func Changes(values []float64) []int {
	var out []int
	split(values, 0, &out)
	return out
}

// split searches values, which begin at index from of the series, and adds the changes in them.
func split(values []float64, from int, out *[]int) {
	n := len(values)
	if n < 2*leastPart {
		return
	}
	mean, squares := mean(values), 0.0
	sums := make([]float64, n+1) // of what exceeds the mean, up to each value
	for i, v := range values {
		sums[i+1] = sums[i] + v - mean
		squares += (v - mean) * (v - mean)
	}
	if squares <= 1e-24*mean*mean*float64(n) { // nothing but rounding
		return
	}
	begin, end, most, stretches := 0, 0, 0.0, 0
	for i := 0; i < n; i++ {
		if i > 0 && i < leastPart {
			continue
		}
		for j := i + leastPart; j <= n; j++ {
			if j < n && j > n-leastPart || n-(j-i) < leastPart {
				continue
			}
			stretches++
			// between is the part of the sum of squares that the stretch explains.
			inside := sums[j] - sums[i]
			if between := inside * inside * float64(n) / float64((j-i)*(n-(j-i))); between > most {
				begin, end, most = i, j, between
			}
		}
	}
	t := math.Inf(1)
	if within := squares - most; within > 1e-12*squares {
		t = math.Sqrt(most / within * float64(n-2))
	}
	if p := 2 * float64(stretches) * student(n-2).Survival(t); !(p < changeError) {
		return
	}
	for _, part := range [][2]int{{0, begin}, {begin, end}, {end, n}} {
		if part[0] == part[1] {
			continue
		}
		if part[0] > 0 {
			*out = append(*out, from+part[0])
		}
		split(values[part[0]:part[1]], from+part[0], out)
	}
}

// student is Student's distribution of so many degrees of freedom.
func student(df int) distuv.StudentsT {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(max(df, 1))}
}
