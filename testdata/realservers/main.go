// Command realservers is what run.sh needs beside the servers:
//
//	realservers relay -to HOST:PORT -log FILE   a byte relay, see package relay
//	realservers table -date DATE DIR            the tables of RESULT.md
//	realservers columns                         the columns of the server's own metrics, see package columns
//
// The relay prints its base URL. It ends with its standard input, and then writes its
// account of every request.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/testdata/realservers/columns"
	"github.com/aiperf-go/aiperf/testdata/realservers/relay"
)

func main() {
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "")
	}
	var err error
	switch os.Args[1] {
	case "relay":
		err = pass(os.Args[2:])
	case "table":
		err = tables(os.Args[2:], os.Stdout)
	case "columns":
		err = compare(os.Args[2:])
	default:
		err = fmt.Errorf("want relay, table or columns")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "realservers:", err)
		os.Exit(1)
	}
}

// compare holds the columns of a probe of the server in AIPERF_URL against its pages; without
// it, of a simulated server.
func compare(args []string) error {
	flags := flag.NewFlagSet("columns", flag.ExitOnError)
	load := loadgen.Load{Seed: 1}
	flags.IntVar(&load.Concurrency, "concurrency", 8, "requests in flight")
	flags.IntVar(&load.Requests, "requests", 100, "requests in the window")
	flags.IntVar(&load.ISL, "isl", 64, "tokens of prompts")
	flags.IntVar(&load.OSL, "osl", 32, "tokens of answers")
	_ = flags.Parse(args)
	t := loadgen.Target{URL: os.Getenv("AIPERF_URL"), Model: os.Getenv("AIPERF_MODEL"), APIKey: os.Getenv("AIPERF_API_KEY")}
	if t.URL == "" {
		s := simserver.New(simserver.Model{Step: 10 * time.Millisecond, MaxBatch: 6})
		defer s.Close()
		t.URL = s.URL
	}
	return columns.Compare(context.Background(), os.Stdout, t, load)
}

// pass relays until the end of the standard input.
func pass(args []string) error {
	flags := flag.NewFlagSet("relay", flag.ExitOnError)
	to := flags.String("to", "", "address of the server")
	port := flags.Int("port", 0, "port to listen on; 0 for a free one")
	path := flags.String("log", "relay.jsonl", "file for the account")
	_ = flags.Parse(args)
	debug.SetGCPercent(1000) // a collection would be a part of the times
	r, err := relay.New(*to, *port)
	if err != nil {
		return err
	}
	fmt.Println(r.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := relay.Write(*path, r.Close()); err != nil {
		return fmt.Errorf("write the account: %w", err)
	}
	return nil
}
