//go:build linux

// Command cluster is a Kubernetes cluster on one machine, for tests: etcd, kube-apiserver, the
// controllers that a Job needs, kube-scheduler, and nodes whose pods are local processes. It
// needs no root, no container engine and no network beyond 127.0.0.0/8. With -kubelet, its node
// is Kubernetes' own kubelet, and pods are containers, which takes all of these; the script
// ./real runs the tests on it.
//
//	cluster up -dir DIR [-nodes 2]      start all of it; stop and remove it when stdin ends
//	cluster up -dir DIR -kubelet FILE   the same with a node of containers
//	cluster node -name proc-0 …         one node, as up starts it
//	cluster enter ROOT MOUNTS COMMAND…  a process in a root of its own, as node starts it
//	cluster etcd|apiserver|controllers|scheduler …   a component with its own flags
//
// The first four components are Kubernetes' and etcd's own code, unchanged; only the process
// node is ours. See node.go for what a pod of it can do, and what it cannot, and real.go for what
// a node of containers shows beyond it.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	commands := maps.Clone(parts)
	commands["up"] = func() { exit(up(os.Args[1:])) }
	commands["node"] = func() { exit(runNode(os.Args[1:])) }
	commands["enter"] = func() { exit(enter(os.Args[1:])) }
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		names := slices.Sorted(maps.Keys(commands))
		fmt.Fprintf(os.Stderr, "usage: cluster %s [flags]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	// A component finds its flags where it would if it were a program of its own.
	os.Args = os.Args[1:]
	commands[os.Args[0]]()
}

// exit ends the program with an error's text, if there is one.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
