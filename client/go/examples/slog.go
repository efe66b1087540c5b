// SPDX-License-Identifier: MIT

//go:build ignore

// log/slog, which Go has from version 1.21 on.  A handler gives each record to
// its writer with one Write, and returns the writer's error.
package main

import (
	"bufwriter"
	"log"
	"log/slog"
)

func main() {
	writer, err := bufwriter.Open(bufwriter.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	slog.SetDefault(slog.New(slog.NewJSONHandler(writer, nil)))
	slog.Info("order paid", "order", 17)
}
