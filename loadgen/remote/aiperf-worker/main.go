// Command aiperf-worker carries a share of the load of tests that run elsewhere.
//
//	aiperf-worker -new-keys DIR               make keys: DIR/client for tests, DIR/worker for workers
//	aiperf-worker -listen :7070 -keys DIR     serve tests, one after another, until SIGTERM (exit code 143)
//	aiperf-worker                             the same on 127.0.0.1:7070, for tests on this machine
//
// A test names its workers by aiperftest.Workers("host:7070", …), or by AIPERF_WORKERS, and the
// client's keys by AIPERF_WORKER_KEYS. The worker has nothing of the test's: the target, its key
// and its prompts come with each test, and stay in memory.
//
// A codec of one's own is code, and needs a worker that has it: a main of five lines that
// registers the codec and calls remote.Serve.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/remote"
)

func main() {
	log.SetPrefix("aiperf-worker: ")
	log.SetFlags(log.Ltime)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		log.Fatal(err)
	}
	if ctx.Err() != nil {
		// 0 would tell a Job that the work is done, and a pod that is deleted or evicted would not
		// be replaced. It is as a shell has it of a program that SIGTERM ends.
		os.Exit(128 + int(syscall.SIGTERM))
	}
}

// run is the command with its arguments, until ctx ends.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("aiperf-worker", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:7070", "the address to listen on, host:port; without keys it must be of this machine")
	keys := flags.String("keys", "", "the directory of the worker's keys (ca.pem, cert.pem, key.pem)")
	orphan := flags.Duration("orphan", 0, "end after so long without a test, for example 2m; 0 never does")
	name := flags.String("name", "", "what tests call this worker (default the host's name)")
	node := flags.String("node", "", "where it runs, for reports (default the host's name)")
	key := flags.String("api-key-file", "", "a file with the endpoint's API key, for tests that do not have it")
	create := flags.String("new-keys", "", "make keys in this directory, and end")
	valid := flags.Duration("valid", 365*24*time.Hour, "how long new keys are valid")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *create != "" {
		return newKeys(*create, *valid)
	}
	o := remote.Options{Name: *name, Node: *node, Orphan: *orphan, Log: func(text string) { log.Print(text) }}
	if *keys != "" {
		var err error
		if o.Keys, err = remote.ReadKeys(*keys); err != nil {
			return err
		}
	}
	if *key != "" {
		b, err := os.ReadFile(*key)
		if err != nil {
			return fmt.Errorf("read the API key: %w", err)
		}
		o.APIKey = strings.TrimSpace(string(b))
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen for tests: %w", err)
	}
	log.Printf("listening on %s", l.Addr())
	return remote.Serve(ctx, l, o)
}

// newKeys makes the keys of both sides in a directory of its own each.
func newKeys(dir string, valid time.Duration) error {
	client, worker, err := remote.NewKeys(valid)
	if err != nil {
		return err
	}
	if err := client.Write(filepath.Join(dir, "client")); err != nil {
		return err
	}
	if err := worker.Write(filepath.Join(dir, "worker")); err != nil {
		return err
	}
	fmt.Printf("%s for tests (AIPERF_WORKER_KEYS), and %s for workers (-keys); valid until %s\n",
		filepath.Join(dir, "client"), filepath.Join(dir, "worker"), time.Now().Add(valid).Format(time.DateOnly))
	return nil
}
