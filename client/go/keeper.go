// SPDX-License-Identifier: MIT

package bufwriter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// The keeper of a lane is a goroutine: it asks for the lane, waits until the
// connection ends, and then sends what the daemon has not taken.  A Writer has
// one keeper at a time, and so one lane.

const (
	wireMagic = 0x314c5742 // "BWL1" where numbers begin with the low byte
	wireOpen  = 1
	wireAsk   = 2

	// A lane is asked for when so many datagrams came within this time.
	lanesAfter = 2000
	lanesSpan  = 100 * time.Millisecond
	// After a refusal, and when no answer came, until the next try.
	lanesRetry  = time.Second
	answerTime  = time.Second
	answerSlice = 20 * time.Millisecond
)

var (
	errNoLink  = errors.New("the daemon publishes nothing")
	errNoLanes = errors.New("the daemon has no lanes")
	errQuit    = errors.New("the writer is closed")
)

type keeper struct {
	// under lanes.lock
	lane *lane

	quit chan struct{} // Close: no time is left
	done chan struct{} // the keeper has ended, and `left` holds
	left int           // messages that no daemon has got
}

// lanes is what a Writer has for its lane.
type lanes struct {
	never     bool
	open      atomic.Pointer[lane] // for writers
	datagrams atomic.Int64
	countedAt atomic.Int64 // as time.Since(Writer.start)
	notBefore atomic.Int64
	tooLarge  atomic.Int64 // messages that no later daemon takes

	lock    sync.Mutex
	keeper  *keeper // the last one
	closing bool
}

// count is called after each datagram: many of them ask for a lane.
func (w *Writer) count() {
	if w.lanes.never || w.lanes.datagrams.Add(1) < lanesAfter {
		return
	}
	now := int64(time.Since(w.start))
	from := w.lanes.countedAt.Swap(now)
	w.lanes.datagrams.Store(0)
	if now-from > int64(lanesSpan) || now < w.lanes.notBefore.Load() {
		return
	}
	w.lanes.lock.Lock()
	defer w.lanes.lock.Unlock()
	if w.lanes.closing {
		return
	}
	if k := w.lanes.keeper; k != nil {
		select {
		case <-k.done:
		default:
			return
		}
	}
	k := &keeper{quit: make(chan struct{}), done: make(chan struct{})}
	w.lanes.keeper = k
	go w.keep(k)
}

func (w *Writer) keep(k *keeper) {
	defer close(k.done)
	l, err := w.openLane(k)
	if err != nil {
		w.lanes.notBefore.Store(int64(time.Since(w.start) + lanesRetry))
		return
	}
	w.lanes.lock.Lock()
	k.lane = l
	if !w.lanes.closing {
		w.lanes.open.Store(l)
	} else {
		_ = l.connection.SetReadDeadline(time.Unix(1, 0))
	}
	w.lanes.lock.Unlock()
	l.watch()
	w.lanes.open.Store(nil)
	gone := l.isGone()
	l.end()
	// Where the daemon is there, it takes what is in the lane.
	if gone {
		k.left = w.settle(k, l)
	}
	_ = syscall.Munmap(l.memory)
}

// watch returns when the connection has ended, and when Close says so.
func (l *lane) watch() {
	var packet [64]byte
	for {
		if _, err := l.connection.Read(packet[:]); err != nil {
			return
		}
	}
}

// isGone: nobody holds the other end.
func (l *lane) isGone() bool {
	var packet [1]byte

	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(l.fd),
		uintptr(unsafe.Pointer(&packet)), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return errno == 0 && n == 0 ||
		errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR
}

// closeLane hands over what is in the lane, as long as there is time.
func (w *Writer) closeLane() error {
	began := time.Now()
	left := func() time.Duration {
		if w.timeout == Forever {
			return waitSlice
		}
		return w.timeout - time.Since(began)
	}
	w.lanes.lock.Lock()
	w.lanes.closing = true
	k := w.lanes.keeper
	var l *lane
	if k != nil {
		l = k.lane
	}
	w.lanes.lock.Unlock()
	if k == nil {
		return nil
	}
	if l != nil {
		l.waitUntilRead(left)
		_ = l.connection.SetReadDeadline(time.Unix(1, 0))
	}
	if l == nil {
		close(k.quit)
	} else {
		for ; left() > 0; time.Sleep(pauseFirst) {
			select {
			case <-k.done:
			default:
				continue
			}
			break
		}
		close(k.quit)
	}
	<-k.done
	if k.left > 0 {
		return fmt.Errorf("%d messages were not handed over: %w", k.left,
			ErrNoDaemon)
	}
	if n := w.lanes.tooLarge.Load(); n > 0 {
		return fmt.Errorf("%d messages were not handed over: %w", n,
			ErrTooLarge)
	}
	return nil
}

// --- requests ----------------------------------------------------------------

type answer struct {
	status int32
	value  [2]uint64
	memory int // a descriptor, or -1
}

// lanesPaths is where the daemon's socket for lanes may be: as the daemon says,
// and beside its link, for who sees its directory at another place.
func (w *Writer) lanesPaths() ([]string, error) {
	link := limitsPath(w.path)
	text, err := os.Readlink(link)
	if err != nil {
		return nil, errNoLink
	}
	for _, part := range strings.Split(text, ",") {
		path := strings.TrimPrefix(part, "lanes=")
		if path != part && path != "" && len(path) <= 107 {
			beside := filepath.Join(filepath.Dir(link),
				filepath.Base(path))
			return []string{path, beside}, nil
		}
	}
	return nil, errNoLanes
}

func connectTo(fd int, paths []string) (err error) {
	for _, path := range paths {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if err != syscall.ENOENT && err != syscall.ENOTDIR {
			break
		}
	}
	return err
}

// request sends one request on a connection of its own and waits for the answer.
func (w *Writer) request(k *keeper, kind uint32, value uint64) (*os.File, int,
	answer, error) {
	var got answer

	paths, err := w.lanesPaths()
	if err != nil {
		return nil, -1, got, err
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|
		syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, -1, got, err
	}
	err = connectTo(fd, paths)
	if err == nil {
		packet := make([]byte, 16)
		*word32(packet, 0) = wireMagic
		*word32(packet, 4) = kind
		*word64(packet, 8) = value
		err = syscall.Sendmsg(fd, packet, nil, nil, flags)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, -1, got, err
	}
	connection := os.NewFile(uintptr(fd), "lane")
	got, err = receive(k, connection)
	if err != nil {
		_ = connection.Close()
		return nil, -1, got, err
	}
	_ = connection.SetReadDeadline(time.Time{})
	return connection, fd, got, nil
}

func receive(k *keeper, connection *os.File) (answer, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return answer{}, err
	}
	for began := time.Now(); time.Since(began) < answerTime; {
		var got answer
		var failed error

		err = connection.SetReadDeadline(time.Now().Add(answerSlice))
		if err != nil {
			return answer{}, err
		}
		err = raw.Read(func(fd uintptr) bool {
			got, failed = receiveOnce(int(fd))
			return failed != syscall.EAGAIN && failed != syscall.EINTR
		})
		if err == nil {
			return got, failed
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer{}, err
		}
		select {
		case <-k.quit:
			return answer{}, errQuit
		default:
		}
	}
	return answer{}, syscall.ETIMEDOUT
}

func receiveOnce(fd int) (answer, error) {
	var packet [24]byte
	var control [64]byte
	got := answer{memory: -1}

	n, nc, _, _, err := syscall.Recvmsg(fd, packet[:], control[:],
		syscall.MSG_DONTWAIT|syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		return got, err
	}
	messages, _ := syscall.ParseSocketControlMessage(control[:nc])
	for i := range messages {
		passed, _ := syscall.ParseUnixRights(&messages[i])
		for _, memory := range passed {
			if got.memory >= 0 {
				_ = syscall.Close(memory)
			} else {
				got.memory = memory
			}
		}
	}
	if n != len(packet) || *word32(packet[:], 0) != wireMagic {
		if got.memory >= 0 {
			_ = syscall.Close(got.memory)
		}
		return answer{memory: -1}, syscall.EPROTO
	}
	got.status = int32(*word32(packet[:], 4))
	got.value[0] = *word64(packet[:], 8)
	got.value[1] = *word64(packet[:], 16)
	return got, nil
}

func (w *Writer) openLane(k *keeper) (*lane, error) {
	connection, fd, got, err := w.request(k, wireOpen, 0)
	if err != nil {
		return nil, err
	}
	var l *lane
	if got.status != 0 {
		err = syscall.Errno(-got.status)
	} else if got.memory < 0 {
		err = syscall.EPROTO
	} else {
		l, err = mapLane(got.memory)
	}
	if got.memory >= 0 {
		_ = syscall.Close(got.memory)
	}
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	l.connection = connection
	l.fd = fd
	return l, nil
}

// --- a lane that has ended ---------------------------------------------------

// settle sends what the daemon has not taken, and returns how many messages it
// could not send.
func (w *Writer) settle(k *keeper, l *lane) int {
	var room []byte

	at, ok := w.settledTo(k, l)
	for ok && at < l.position {
		message, isOne := l.message(at, room)
		if !isOne {
			return 0
		}
		room = message
		ok = w.resend(k, message)
		if ok {
			at += recordSize(len(message))
		}
	}
	if ok {
		return 0
	}
	return l.count(at)
}

// settledTo is how far a daemon has taken the lane.  False: there was no time to
// learn it, and it is at least that far.
func (w *Writer) settledTo(k *keeper, l *lane) (uint64, bool) {
	if atomic.LoadUint64(l.attended) == laneClosed {
		final := atomic.LoadUint64(word64(l.memory, atFinal))
		if final > l.position {
			final = l.position
		}
		return final, true
	}
	read := atomic.LoadUint64(l.read)
	if read > l.position {
		read = 0
	}
	if read == l.position {
		return read, true // everything was taken
	}
	for pause := pauseFirst; ; {
		connection, _, got, err := w.request(k, wireAsk, l.id)
		if err == nil {
			_ = connection.Close()
			if got.memory >= 0 {
				_ = syscall.Close(got.memory)
			}
		}
		switch {
		case err == nil && got.status == 0:
			if at := got.value[1]; at > read && at <= l.position {
				read = at
			}
			return read, true
		case err == nil && got.status == -int32(syscall.ENOENT),
			err == errNoLanes:
			// The daemon does not know it: the head is all there is.
			return read, true
		}
		if !k.pause(&pause) {
			return read, false
		}
	}
}

// pause waits, each time twice as long.  False: there is no time.
func (k *keeper) pause(pause *time.Duration) bool {
	select {
	case <-k.quit:
		return false
	case <-time.After(*pause):
	}
	if *pause *= 2; *pause > pauseLast {
		*pause = pauseLast
	}
	return true
}

// resend sends a message as a datagram.  False: there is no time.
func (w *Writer) resend(k *keeper, message []byte) bool {
	for pause := pauseFirst; ; {
		errno := w.send(message)
		if needsConnect(errno) {
			if errno = w.connect(); errno == 0 {
				errno = w.send(message)
			}
		}
		switch errno {
		case 0:
			return true
		case syscall.EMSGSIZE:
			// The limits of daemon or kernel were lowered: it cannot
			// be sent at all.
			w.lanes.tooLarge.Add(1)
			return true
		case syscall.EAGAIN:
			w.waitRoom(pauseLast)
			select {
			case <-k.quit:
				return false
			default:
			}
		default:
			if !k.pause(&pause) {
				return false
			}
		}
	}
}
