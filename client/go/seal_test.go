// SPDX-License-Identifier: MIT

package bufwriter

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
)

// A seal at any moment of a write either comes after the message, or keeps it
// out of the lane; the writer never takes it back.  The daemon's part is played
// here: its moments between a load and a store of the writer are too rare.
func TestSealAtAnyMoment(t *testing.T) {
	const rounds = 5000
	const size = 4096
	const sealed = 1
	memory := make([]byte, laneHeadBytes+size)
	l := &lane{memory: memory, data: memory[laneHeadBytes:],
		mask: size - 1, max: size/4 - recordBytes,
		written: word64(memory, atWritten), read: word64(memory, atRead),
		attended: word64(memory, atAttended),
		roomWake: word32(memory, atRoomWake),
		waiters:  word32(memory, atWaiters), roomEnd: size}
	*l.attended = math.MaxInt64
	message := []byte("a message")
	var round, done uint32
	go func() {
		for n := uint32(1); n <= rounds; n++ {
			for atomic.LoadUint32(&round) != n {
				runtime.Gosched()
			}
			for i := uint32(0); i < n%64; i++ {
				atomic.LoadUint32(&round)
			}
			for {
				w := atomic.LoadUint64(l.written)
				if atomic.CompareAndSwapUint64(l.written, w, w|sealed) {
					break
				}
			}
			atomic.StoreUint32(&done, n)
		}
	}()
	before, after := 0, 0
	for n := uint32(1); n <= rounds; n++ {
		position := l.position
		atomic.StoreUint32(&round, n)
		for atomic.LoadUint32(&done) != n {
			result := l.put(message)
			if result == inLane {
				position += recordSize(len(message))
				before++
			} else {
				after++
			}
			// room, as if the daemon had taken all
			atomic.StoreUint64(l.read, position)
			if (before+after)%1000 == 0 {
				runtime.Gosched() // the only processor
			}
		}
		if w := atomic.LoadUint64(l.written); w != position|sealed {
			t.Fatalf("round %d: %d is written, and the lane says %d",
				n, position|sealed, w)
		}
		if l.put(message) == inLane {
			t.Fatalf("round %d: a message went into a sealed lane", n)
		}
		atomic.StoreUint64(l.written, position)
	}
	if before == 0 || after == 0 {
		t.Skipf("the two never met: %d before, %d after", before, after)
	}
}
