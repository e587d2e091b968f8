package ginkgoaiperf

import (
	"os"
	"strings"

	"github.com/onsi/ginkgo/v2"
)

// Labels are those of a spec that runs a recipe, for ginkgo --label-filter and reports:
// load, recipe:NAME and model:NAME for each given model or, if none is given, that of
// AIPERF_MODEL. Ginkgo builds its tree of specs before any of them runs, so that they
// cannot name what a server says of itself.
//
// Characters that Ginkgo's label filters use for themselves become dashes, so that
// meta-llama/Llama-3.1-8B is model:meta-llama-Llama-3.1-8B.
func Labels(recipe string, models ...string) ginkgo.Labels {
	labels := ginkgo.Labels{"load", "recipe:" + labelled(recipe)}
	if m := os.Getenv("AIPERF_MODEL"); len(models) == 0 && m != "" {
		models = []string{m}
	}
	for _, m := range models {
		labels = append(labels, "model:"+labelled(m))
	}
	return labels
}

// labelled replaces what cannot stand in a label.
func labelled(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("&|!,()/:{}", r) {
			return '-'
		}
		return r
	}, strings.TrimSpace(s))
}
