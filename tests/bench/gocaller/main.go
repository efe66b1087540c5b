// SPDX-License-Identifier: MIT

// Gocaller is the scheme of bufwriterd's ancestors in the process that logs: a
// call copies the message and puts it into a buffered channel of 1024; four
// workers take messages out, and each appends them to a buffer of its own and,
// when it is full, writes a temp file and renames it.  What it prints, and its
// options, are those of caller.c.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"math/bits"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	queue   = 1024
	workers = 4
	size    = 1 << 20
	quantum = 50 * time.Microsecond
	// the histogram of hist.h
	subBits = 7
	sub     = 1 << subBits
	buckets = (40 - subBits + 2) * (sub / 2)
)

var pool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

type worker struct {
	id  int
	dir string
	buf []byte
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
}

func (w *worker) run(in <-chan *bytes.Buffer) {
	for msg := range in {
		if len(w.buf)+msg.Len() > size {
			w.flush()
		}
		w.buf = append(w.buf, msg.Bytes()...)
		msg.Reset()
		pool.Put(msg)
	}
	w.flush()
}

type hist struct {
	count, max uint64
	bucket     [buckets]uint64
}

func (h *hist) add(v uint64) {
	i, shift := v, 0
	if v >= sub {
		shift = bits.Len64(v) - subBits
		i = v>>shift + uint64(shift)*(sub/2)
	}
	if i >= buckets {
		i = buckets - 1
	}
	h.bucket[i]++
	h.count++
	if v > h.max {
		h.max = v
	}
}

func value(i uint64) uint64 {
	if i < sub {
		return i
	}
	shift := (i - sub/2) / (sub / 2)
	return (i-shift*(sub/2)+1)<<shift - 1
}

func (h *hist) quantile(part float64) uint64 {
	want, seen := uint64(part*float64(h.count)+0.5), uint64(0)
	for i, n := range h.bucket {
		seen += n
		if seen >= want && seen > 0 {
			if v := value(uint64(i)); v < h.max {
				return v
			}
			break
		}
	}
	return h.max
}

func calibrate() (float64, uint64) {
	cost := make([]uint64, 10001)
	start, from := time.Now(), ticks()
	for i := range cost {
		t := ticks()
		cost[i] = ticks() - t
	}
	sort.Slice(cost, func(i, j int) bool { return cost[i] < cost[j] })
	for time.Since(start) < 50*time.Millisecond {
	}
	passed := time.Since(start)
	return float64(passed) / float64(ticks()-from), cost[len(cost)/2]
}

func number(to []byte, v uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = byte('0' + v%10)
		v /= 10
	}
}

func main() {
	threads := flag.Int("t", 1, "goroutines that log")
	messages := flag.Int("n", 1000000, "messages")
	length := flag.Int("s", 200, "bytes of a message")
	rate := flag.Int("r", 0, "messages a second, 0: as fast as possible")
	timed := flag.Bool("l", false, "time each call")
	killMs := flag.Int("k", 0, "die by SIGKILL after so many milliseconds")
	flag.Parse()
	if flag.NArg() != 1 || *length < 27 {
		log.Fatal("usage: gocaller [OPTION]... DIRECTORY")
	}
	nsPerTick, cost := calibrate()
	in := make(chan *bytes.Buffer, queue)
	var done, callers sync.WaitGroup
	for i := 0; i < workers; i++ {
		w := &worker{id: i, dir: flag.Arg(0), buf: make([]byte, 0, size)}
		done.Add(1)
		go func() {
			defer done.Done()
			w.run(in)
		}()
	}
	hists := make([]hist, *threads)
	// Calls that have returned: in memory that outlives a kill.
	count, err := os.OpenFile(filepath.Join(flag.Arg(0), "..", "returned"),
		os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = count.Truncate(4096)
	}
	var mapped []byte
	if err == nil {
		mapped, err = syscall.Mmap(int(count.Fd()), 0, 4096,
			syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	}
	if err != nil {
		log.Fatal(err)
	}
	returned := (*[512]uint64)(unsafe.Pointer(&mapped[0]))
	start := time.Now()
	for t := 0; t < *threads; t++ {
		callers.Add(1)
		go func(t int) {
			defer callers.Done()
			msg := bytes.Repeat([]byte("x"), *length)
			copy(msg, "#bw 000 0000000000 000000 ")
			number(msg[4:7], uint64(t))
			number(msg[19:25], uint64(*length))
			msg[*length-1] = '\n'
			gap := time.Duration(0)
			if *rate > 0 {
				gap = time.Second * time.Duration(*threads) /
					time.Duration(*rate)
			}
			for i := 0; i < *messages / *threads; i++ {
				number(msg[8:18], uint64(i))
				if gap > 0 {
					ahead := time.Duration(i)*gap -
						time.Since(start)
					if ahead > 0 && ahead < quantum {
						ahead = quantum
					}
					if ahead > 0 {
						time.Sleep(ahead)
					}
				}
				before := ticks()
				b := pool.Get().(*bytes.Buffer)
				b.Write(msg)
				in <- b
				if *timed {
					took := ticks() - before
					if took > cost {
						took -= cost
					} else {
						took = 0
					}
					hists[t].add(uint64(float64(took) *
						nsPerTick))
				}
				returned[t*8] = uint64(i) + 1
			}
		}(t)
	}
	if *killMs > 0 {
		time.Sleep(time.Duration(*killMs) * time.Millisecond)
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	callers.Wait()
	called := time.Since(start)
	close(in)
	done.Wait()
	filed := time.Since(start)
	var sum hist
	for t := range hists {
		for i, n := range hists[t].bucket {
			sum.bucket[i] += n
		}
		sum.count += hists[t].count
		if hists[t].max > sum.max {
			sum.max = hists[t].max
		}
	}
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	cpu := float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e3
	n := *messages / *threads * *threads
	fmt.Printf("%.0f,%.0f,%d,0,%d,%d,%d,%d,%d,%.4f,%.1f\n",
		float64(n)/called.Seconds(), float64(n)/filed.Seconds(), n,
		sum.quantile(0.5), sum.quantile(0.99), sum.quantile(0.999),
		sum.quantile(0.9999), sum.max, cpu/float64(n),
		float64(cost)*nsPerTick)
}
