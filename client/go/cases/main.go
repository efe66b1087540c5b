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

func main() {
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
		if verb == "fork" {
			fmt.Println("unsupported")
			continue
		}
		message, err := hex.DecodeString(digits)
		if err == nil {
			_, err = log.Write(message)
		}
		fmt.Println(result(err))
	}
}
