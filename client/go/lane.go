// SPDX-License-Identifier: MIT

package bufwriter

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A lane is a ring of bytes in memory that this process and the daemon share.
// bufwriter-lanes(7) describes the format; this file has the writer's half, and
// keeper.go what begins and ends a lane.
//
// A goroutine holds the lock while it copies one message, and never while it
// waits.  Why no message lies in a lane unseen, and why none gets into a lane
// that ends: client/library/lane.h.  All atomic accesses of Go are sequentially
// consistent.

const (
	laneMagic     = "BWLANE2\x00"
	laneHeadBytes = 4096
	recordBytes   = 8

	// places in the head
	atHeadBytes = 8
	atFlags     = 12
	atSize      = 16
	atID        = 24
	atLarge     = 32
	atWritten   = 64
	atRead      = 128
	atAttended  = 136
	atFinal     = 144
	atRoomWake  = 152
	atWaiters   = 192
	atWaits     = 200
	atTimeouts  = 208

	// a value of `attended` that is no time
	laneClosed = 1

	futexWaitOp = 0
	futexWakeOp = 1
	waitSlice   = 50 * time.Millisecond

	getSeals   = 1034 // F_GET_SEALS
	sealShrink = 2    // F_SEAL_SHRINK
)

type lane struct {
	// constant until end(): the memory, its data, and words of its head
	memory, data      []byte
	mask, max, id     uint64
	written, read     *uint64
	attended          *uint64
	roomWake, waiters *uint32
	connection        *os.File
	fd                int // of connection
	// CLOCK_MONOTONIC was so many ms then
	began   time.Time
	beganMs int64

	lock sync.Mutex
	// under the lock; ended: roomEnd == position, so nothing can be written
	position uint64 // as *written, without the seal
	roomEnd  uint64 // *read as last seen, plus the size
	ended    bool
	// the last ring: *read and the time then, see client/library/lane.c
	rungRead uint64
	rungMs   int64
	// goroutines that wait for room
	waiting sync.WaitGroup
}

type putResult int

const (
	inLane putResult = iota
	noLane           // the message is not in the lane, and goes as a datagram
	laneFull
	laneTimeout
)

func recordSize(length int) uint64 {
	return recordBytes + (uint64(length)+7)&^7
}

// mapLane maps the memory of a new lane.
func mapLane(fd int) (*lane, error) {
	var stat syscall.Stat_t
	var head [atLarge + 8]byte

	// A memory file that cannot shrink cannot raise SIGBUS.
	seals, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd),
		getSeals, 0)
	if errno != 0 || seals&sealShrink == 0 {
		return nil, syscall.EPROTO
	}
	if err := syscall.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	n, err := syscall.Pread(fd, head[:], 0)
	if err != nil || n != len(head) {
		return nil, syscall.EPROTO
	}
	size := *word64(head[:], atSize)
	if string(head[:len(laneMagic)]) != laneMagic ||
		*word32(head[:], atHeadBytes) != laneHeadBytes ||
		*word32(head[:], atFlags) != 0 || *word64(head[:], atLarge) != 0 ||
		size < laneHeadBytes || size&(size-1) != 0 || size > 1<<31 ||
		stat.Size != int64(laneHeadBytes+size) {
		return nil, syscall.EPROTO
	}
	memory, err := syscall.Mmap(fd, 0, int(stat.Size),
		syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED|syscall.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	// What os/exec starts does not get it either way.
	_ = syscall.Madvise(memory, syscall.MADV_DONTFORK)
	l := &lane{memory: memory, data: memory[laneHeadBytes:]}
	l.mask = size - 1
	l.max = size/4 - recordBytes
	l.id = *word64(memory, atID)
	l.written = word64(memory, atWritten)
	l.read = word64(memory, atRead)
	l.attended = word64(memory, atAttended)
	l.roomWake = word32(memory, atRoomWake)
	l.waiters = word32(memory, atWaiters)
	l.roomEnd = size
	l.rungRead = ^uint64(0)
	l.began = time.Now()
	l.beganMs = monotonicMs()
	return l, nil
}

func word64(memory []byte, at int) *uint64 {
	return (*uint64)(unsafe.Pointer(&memory[at]))
}

func word32(memory []byte, at int) *uint32 {
	return (*uint32)(unsafe.Pointer(&memory[at]))
}

func monotonicMs() int64 {
	var ts syscall.Timespec
	const clockMonotonic = 1

	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic,
		uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano() / int64(time.Millisecond)
}

func (l *lane) nowMs() int64 {
	return l.beganMs + int64(time.Since(l.began)/time.Millisecond)
}

// put writes a message if there is room.
func (l *lane) put(p []byte) putResult {
	l.lock.Lock()
	result := l.putLocked(p)
	l.lock.Unlock()
	return result
}

func (l *lane) putLocked(p []byte) putResult {
	need := recordSize(len(p))
	if need > l.roomEnd-l.position || uint64(len(p)) > l.max {
		if result := l.makeRoom(len(p), need); result != inLane {
			return result
		}
	}
	at := l.position & l.mask
	*word32(l.data, int(at)) = uint32(len(p))
	*word32(l.data, int(at)+4) = 0
	at = (at + recordBytes) & l.mask
	if n := copy(l.data[at:], p); n < len(p) {
		copy(l.data, p[n:])
	}
	if !atomic.CompareAndSwapUint64(l.written, l.position, l.position+need) {
		return noLane // sealed
	}
	l.position += need
	if int64(atomic.LoadUint64(l.attended)) <= l.nowMs() {
		l.ring()
	}
	return inLane
}

// makeRoom looks at what the daemon has taken.  inLane: there is room.
func (l *lane) makeRoom(length int, need uint64) putResult {
	if l.ended || uint64(length) > l.max {
		return noLane
	}
	l.roomEnd = atomic.LoadUint64(l.read) + l.mask + 1
	room := l.roomEnd - l.position
	if room > l.mask+1 {
		// This is no daemon's work.
		l.roomEnd = l.position
		return noLane
	}
	if need <= room {
		return inLane
	}
	if atomic.LoadUint64(l.written) != l.position {
		return noLane // sealed
	}
	if int64(atomic.LoadUint64(l.attended)) <= l.nowMs() {
		l.ring()
	}
	return laneFull
}

// ring asks the daemon to look, unless a ring is on its way.  That the daemon is
// gone is the keeper's to find.
func (l *lane) ring() {
	var byte = [1]byte{'r'}

	read := atomic.LoadUint64(l.read)
	if read == l.position || atomic.LoadUint64(l.attended) == laneClosed {
		return
	}
	now := l.nowMs()
	if l.rungRead == read && l.rungMs == now {
		return
	}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(l.fd),
		uintptr(unsafe.Pointer(&byte)), 1, flags, 0, 0)
	l.rungRead = read
	l.rungMs = now
}

// begin counts a goroutine that waits.  False: the lane has ended.
func (l *lane) begin() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.ended {
		return false
	}
	l.waiting.Add(1)
	// Before the next look at what the daemon has done: it stores that and
	// then looks at the waiters.
	atomic.AddUint32(l.waiters, 1)
	return true
}

func (l *lane) done() {
	atomic.AddUint32(l.waiters, ^uint32(0))
	l.waiting.Done()
}

// putSlowly waits for room.
func (l *lane) putSlowly(p []byte, timeout time.Duration) putResult {
	began := time.Now()
	if !l.begin() {
		return noLane
	}
	defer l.done()
	atomic.AddUint64(word64(l.memory, atWaits), 1)
	for {
		seen := atomic.LoadUint32(l.roomWake)
		result := l.put(p)
		if result != laneFull {
			return result
		}
		left := waitSlice
		if timeout != Forever {
			if rest := timeout - time.Since(began); rest < left {
				left = rest
			}
		}
		if left <= 0 {
			atomic.AddUint64(word64(l.memory, atTimeouts), 1)
			return laneTimeout
		}
		l.wait(seen, left)
	}
}

// wait returns when the daemon has changed something, and after `left`.
func (l *lane) wait(seen uint32, left time.Duration) {
	timespec := syscall.NsecToTimespec(int64(left))
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX,
		uintptr(unsafe.Pointer(l.roomWake)), futexWaitOp, uintptr(seen),
		uintptr(unsafe.Pointer(&timespec)), 0, 0)
}

// isRead: the daemon has taken everything.
func (l *lane) isRead() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return atomic.LoadUint64(l.read) == l.position
}

// waitUntilRead returns when the daemon has taken everything, when the lane has
// ended, and at the end of the time.
func (l *lane) waitUntilRead(deadline func() time.Duration) {
	if !l.begin() {
		return
	}
	defer l.done()
	for {
		seen := atomic.LoadUint32(l.roomWake)
		left := deadline()
		if l.isRead() || l.hasEnded() || left <= 0 {
			return
		}
		if left > waitSlice {
			left = waitSlice
		}
		l.wait(seen, left)
	}
}

func (l *lane) hasEnded() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.ended
}

// end is called once.  From here on nobody else uses the lane.
func (l *lane) end() {
	l.lock.Lock()
	l.ended = true
	l.roomEnd = l.position
	l.lock.Unlock()
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX,
		uintptr(unsafe.Pointer(l.roomWake)), futexWakeOp, 1<<30, 0, 0, 0)
	l.waiting.Wait()
	_ = l.connection.Close()
}

// message copies the message at this position.  False: no writer has left it.
func (l *lane) message(at uint64, to []byte) ([]byte, bool) {
	length := uint64(*word32(l.data, int(at&l.mask)))
	if length > l.max || at+recordSize(int(length)) > l.position {
		return nil, false
	}
	at = (at + recordBytes) & l.mask
	rest := length
	if room := l.mask + 1 - at; rest > room {
		rest = room
	}
	to = append(to[:0], l.data[at:at+rest]...)
	return append(to, l.data[:length-rest]...), true
}

// count is the number of messages behind this position.
func (l *lane) count(at uint64) int {
	n := 0
	for at < l.position {
		at += recordSize(int(*word32(l.data, int(at&l.mask))))
		n++
	}
	return n
}
