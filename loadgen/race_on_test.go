//go:build race

package loadgen_test

// raced: the race detector makes client and server several times slower.
const raced = true
