// SPDX-License-Identifier: MIT

// One log call in Go: bufwriter and log/syslog.  main CALLS ROUNDS
package main

import (
	"bufwriter"
	"fmt"
	"log/syslog"
	"os"
	"sort"
	"strconv"
	"time"
)

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	calls, _ := strconv.Atoi(os.Args[1])
	rounds, _ := strconv.Atoi(os.Args[2])
	own, err := bufwriter.Open(bufwriter.Options{Timeout: bufwriter.Forever})
	fatal(err)
	other, err := syslog.Dial("unixgram", os.Getenv("BUFWRITER_SOCKET"),
		syslog.LOG_INFO, "shop")
	fatal(err)
	message := "user 17 logged in"
	bytes := []byte(message)
	names := []string{"bufwriter", "log/syslog"}
	write := []func() error{
		func() error { _, err := own.Write(bytes); return err },
		func() error { return other.Info(message) },
	}
	results := make([][]float64, 2)
	for round := 0; round < rounds; round++ {
		for i := range names {
			begin := time.Now()
			for n := 0; n < calls; n++ {
				fatal(write[i]())
			}
			results[i] = append(results[i],
				float64(time.Since(begin))/float64(calls))
		}
	}
	for i, name := range names {
		sort.Float64s(results[i])
		fmt.Printf("go\t%s\t%.0f\n", name, results[i][rounds/2])
	}
}
