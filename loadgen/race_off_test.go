//go:build !race

package loadgen_test

const raced = false
