// SPDX-License-Identifier: MIT

//go:build ignore

// The standard package log.  It ignores errors of its writer, so a function
// around it tells them.
package main

import (
	"bufwriter"
	"fmt"
	"log"
	"os"
)

type telling struct{ *bufwriter.Writer }

func (t telling) Write(p []byte) (int, error) {
	n, err := t.Writer.Write(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return n, err
}

func main() {
	writer, err := bufwriter.Open(bufwriter.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	logger := log.New(telling{writer}, "shop: ", 0)
	logger.Println("order 17 paid")
}
