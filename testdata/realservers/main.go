// Command realservers is what run.sh needs beside the servers:
//
//	realservers relay -to HOST:PORT -log FILE   a byte relay, see package relay
//	realservers table -date DATE DIR            the tables of RESULT.md
//
// The relay prints its base URL. It ends with its standard input, and then writes its
// account of every request.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

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
	default:
		err = fmt.Errorf("want relay or table")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "realservers:", err)
		os.Exit(1)
	}
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
