package loadgen

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTravel: every field of a Target travels to workers, or is known to stay here.
func TestTravel(t *testing.T) {
	stays := []string{"Dial", "TLS", "Metrics", "Waiting", "GPUs", "Price"}
	travels := reflect.TypeFor[packed]()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Target]()) {
		if _, ok := travels.FieldByName(f.Name); f.IsExported() && !ok {
			assert.Contains(t, stays, f.Name, "is added to packed, or to what stays here")
		}
	}
}
