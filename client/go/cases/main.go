// SPDX-License-Identifier: MIT

// The program of the cases in Go, see client/cases/README.md.
package main

import (
	"bufio"
	"bufwriter"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

var words = map[error]string{
	bufwriter.ErrTooLarge:     "too-large",
	bufwriter.ErrTimeout:      "timeout",
	bufwriter.ErrNoDaemon:     "no-daemon",
	bufwriter.ErrNotPermitted: "not-permitted",
}

func result(err error) string {
	if err == nil {
		return "ok"
	}
	for known, word := range words {
		if errors.Is(err, known) {
			return word
		}
	}
	return err.Error()
}

// flood writes "[flood 0]", "[flood 1]" and so on until `end` is closed, and tells
// how many that were.
func flood(end chan struct{}, written chan int) {
	log, err := bufwriter.Open(bufwriter.Options{Timeout: bufwriter.Forever})
	n := 0
	for err == nil {
		select {
		case <-end:
			err = log.Close()
			if err == nil {
				written <- n
				return
			}
		default:
			_, err = fmt.Fprintf(log, "[flood %d]", n)
			n++
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	end, written := make(chan struct{}), make(chan int)
	log, err := bufwriter.Open(bufwriter.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		verb, digits, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch verb {
		case "fork":
			fmt.Println("unsupported")
			continue
		case "flood":
			go flood(end, written)
			continue
		case "end":
			close(end)
			fmt.Println(<-written)
			continue
		}
		message, err := hex.DecodeString(digits)
		if err == nil {
			_, err = log.Write(message)
		}
		fmt.Println(result(err))
	}
}
