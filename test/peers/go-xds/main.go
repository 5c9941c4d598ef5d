// Peers of tests that are written in Go: a control plane made of go-control-plane, and a client made of grpc-go.
// Both read commands from standard input and write what happens to standard output, one JSON document a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: go-xds serve HOST:PORT | call TARGET")
	}
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2])
	case "call":
		call(os.Args[2])
	default:
		fail("unknown command " + os.Args[1])
	}
}

var output sync.Mutex

// say writes one line for the test.
func say(what map[string]any) {
	line, err := json.Marshal(what)
	if err != nil {
		fail(err.Error())
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

// commands hands each line of standard input on, and returns at its end.
func commands(handle func(line []byte)) {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		handle(line)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
