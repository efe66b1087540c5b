// SPDX-License-Identifier: MIT

// Gochan is bufwriterd's ancestor in miniature: a goroutine reads datagrams
// into a buffered channel, workers take them out, each appends to a buffer of
// its own and, when it is full, writes a temp file and renames it.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

type worker struct {
	id    int
	dir   string
	buf   []byte
	size  int
	files int
}

func (w *worker) flush() {
	if len(w.buf) == 0 {
		return
	}
	name := fmt.Sprintf("%d_%d_%d.log", w.id, os.Getpid(),
		time.Now().UnixNano())
	temp := filepath.Join(w.dir, "."+name)
	if err := os.WriteFile(temp, w.buf, 0o400); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(w.dir, name)); err != nil {
		log.Fatal(err)
	}
	w.buf = w.buf[:0]
	w.files++
}

func (w *worker) run(in <-chan []byte) {
	for msg := range in {
		if len(w.buf)+len(msg)+1 > w.size {
			w.flush()
		}
		w.buf = append(w.buf, msg...)
		if len(msg) > 0 && msg[len(msg)-1] != '\n' {
			w.buf = append(w.buf, '\n')
		}
	}
	w.flush()
}

func main() {
	size := flag.Int("size", 1<<20, "bytes of a worker's buffer")
	workers := flag.Int("workers", 4, "number of workers")
	queue := flag.Int("queue", 1024, "messages in the channel")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: gochan [-size N] [-workers N] [-queue N] SOCKET DIRECTORY")
	}
	os.Remove(flag.Arg(0))
	conn, err := net.ListenUnixgram("unixgram",
		&net.UnixAddr{Name: flag.Arg(0), Net: "unixgram"})
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		// what is queued is still read; waiting for more is over
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	}()

	in := make(chan []byte, *queue)
	var wg sync.WaitGroup
	for i := 0; i < *workers; i++ {
		w := &worker{id: i, dir: flag.Arg(1), size: *size,
			buf: make([]byte, 0, *size+65536)}
		wg.Add(1)
		go func() {
			defer wg.Done()
			w.run(in)
		}()
	}
	buf := make([]byte, 208*1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		in <- append(make([]byte, 0, n), buf[:n]...)
	}
	close(in)
	wg.Wait()
}
