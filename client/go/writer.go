// SPDX-License-Identifier: MIT

// Package bufwriter hands messages to bufwriterd, the logging daemon.
//
//	log, err := bufwriter.Open(bufwriter.Options{})
//	if err == nil {
//		_, err = log.Write([]byte("the answer is 42"))
//	}
//
// One Write is one message.  When Write has returned without an error, the
// message is the daemon's.  The package needs no cgo.
//
// A message takes the first of these roads that is open: the lane, memory that the
// daemon shares (lane.go, keeper.go), or a datagram.  The socket of datagrams stays
// the same from Open to Close, and connect(2) gives it a new daemon.  So any number
// of goroutines may write at the same time without a lock between them; in a lane
// a lock is held for one copy.
package bufwriter

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// DefaultSocket is the default of the daemon's setting socket.path.
const DefaultSocket = "/run/bufwriter.sock"

// DefaultTimeout is how long a message may wait.
const DefaultTimeout = 100 * time.Millisecond

// Forever is a timeout without an end, and NoWait is one that never waits.
const (
	Forever = time.Duration(1<<63 - 1)
	NoWait  = time.Duration(-1)
)

// After one of these errors the daemon has not received the message, and never
// will.  Other errors are a syscall.Errno.
var (
	ErrTimeout      = errors.New("bufwriter: the daemon's queue stayed full")
	ErrTooLarge     = errors.New("bufwriter: the message is larger than the daemon accepts")
	ErrNoDaemon     = errors.New("bufwriter: no daemon listens on the socket")
	ErrNotPermitted = errors.New("bufwriter: this user may not write to the socket")
	ErrClosed       = os.ErrClosed
)

const (
	sendBufferBytes = 512 * 1024
	pauseFirst      = time.Millisecond
	pauseLast       = 50 * time.Millisecond
	flags           = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL
)

// Options of a Writer.  The zero value has the defaults.
type Options struct {
	// Socket is the path of the daemon's socket.  Default: the
	// environment variable BUFWRITER_SOCKET, or DefaultSocket.
	Socket string
	// Timeout is how long one message may wait while the daemon's queue is
	// full.  While the daemon is gone, all messages together may wait this
	// long, and from then on each one fails at once.  0 is DefaultTimeout.
	Timeout time.Duration
	// NoLanes: all messages go as datagrams.
	NoLanes bool
}

// Writer is an io.WriteCloser whose every Write is one message.
type Writer struct {
	path    string
	timeout time.Duration
	limit   limit
	// When the daemon was found gone, as time.Since(start), or 0.
	goneSince atomic.Int64
	start     time.Time

	lanes lanes

	closing sync.RWMutex // held by writes; Close takes it
	fd      int
	address syscall.SockaddrUnix
}

// Open makes a Writer.  It succeeds also while no daemon runs: each Write then
// tries to connect again.
func Open(options Options) (*Writer, error) {
	w := &Writer{path: options.Socket, timeout: options.Timeout}
	w.start = time.Now().Add(-1)
	w.lanes.never = options.NoLanes
	if w.path == "" {
		w.path = os.Getenv("BUFWRITER_SOCKET")
	}
	if w.path == "" {
		w.path = DefaultSocket
	}
	if w.timeout == 0 {
		w.timeout = DefaultTimeout
	}
	if len(w.path) > 107 {
		return nil, syscall.ENAMETOOLONG
	}
	fd, err := syscall.Socket(syscall.AF_UNIX,
		syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	w.fd = fd
	// Without it, messages above about 208 KiB are too large.
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF,
		sendBufferBytes)
	w.address.Name = w.path
	_ = w.connect()
	return w, nil
}

// Write hands over one message.  It never keeps p.
func (w *Writer) Write(p []byte) (int, error) {
	w.closing.RLock()
	errno := w.write(p)
	w.closing.RUnlock()
	if errno != 0 {
		return 0, publicError(errno)
	}
	return len(p), nil
}

func (w *Writer) write(p []byte) syscall.Errno {
	if l := w.lanes.open.Load(); l != nil && !w.limit.refuses(w.path, len(p)) {
		result := l.put(p)
		if result == laneFull {
			result = l.putSlowly(p, w.timeout)
		}
		switch result {
		case inLane:
			return 0
		case laneTimeout:
			return syscall.EAGAIN
		}
	}
	errno := w.send(p)
	if errno != 0 {
		return w.writeSlowly(p, errno)
	}
	w.count()
	return 0
}

// Close closes the Writer, after writes that have begun.  Messages that were
// sent stay sent.  If a daemon was killed, and what it had not taken from a lane
// cannot be sent within the timeout, the error says how many messages that is.
func (w *Writer) Close() error {
	w.closing.Lock()
	defer w.closing.Unlock()
	if w.fd < 0 {
		return ErrClosed
	}
	err := w.closeLane()
	if closed := syscall.Close(w.fd); err == nil {
		err = closed
	}
	w.fd = -1
	return err
}

// send tries once.  The call does not wait, so Go's scheduler need not know.
func (w *Writer) send(p []byte) syscall.Errno {
	var at unsafe.Pointer
	if len(p) > 0 {
		at = unsafe.Pointer(&p[0])
	}
	if w.limit.refuses(w.path, len(p)) {
		return syscall.EMSGSIZE
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(w.fd),
		uintptr(at), uintptr(len(p)), flags, 0, 0)
	if errno == 0 && w.goneSince.Load() != 0 {
		w.goneSince.Store(0)
	}
	return errno
}

func (w *Writer) connect() syscall.Errno {
	err := syscall.Connect(w.fd, &w.address)
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return errno
		}
		return syscall.EINVAL
	}
	// It may be another daemon, with another limit.
	w.limit.read(w.path)
	return 0
}

func needsConnect(errno syscall.Errno) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOTCONN,
		syscall.EPIPE, syscall.ENOENT, syscall.ENOTDIR,
		syscall.EACCES, syscall.EPERM:
		return true
	}
	return false
}

// writeSlowly goes on after the first try has failed.
func (w *Writer) writeSlowly(p []byte, errno syscall.Errno) syscall.Errno {
	begin := time.Since(w.start)
	pause := pauseFirst
	tried := false
	for errno != 0 {
		since := begin
		lost := needsConnect(errno)
		if lost {
			w.goneSince.CompareAndSwap(0, int64(begin))
			gone := time.Duration(w.goneSince.Load())
			if gone != 0 && gone < since {
				since = gone
			}
		}
		left := time.Duration(1<<63 - 1)
		if w.timeout != Forever {
			left = since + w.timeout - time.Since(w.start)
		}
		switch {
		case errno == syscall.EINTR || lost && !tried:
		case left <= 0:
			return errno
		case errno == syscall.EAGAIN:
			w.waitRoom(left)
		case lost || errno == syscall.ENOBUFS:
			if left > pause {
				left = pause
			}
			time.Sleep(left)
			if pause *= 2; pause > pauseLast {
				pause = pauseLast
			}
		default:
			return errno
		}
		tried = tried || lost
		errno = 0
		if lost {
			errno = w.connect()
		}
		if errno == 0 {
			errno = w.send(p)
		}
		if errno == syscall.EAGAIN || errno == syscall.EMSGSIZE {
			w.goneSince.Store(0)
		}
	}
	return 0
}

type pollfd struct {
	fd      int32
	events  int16
	revents int16
}

// waitRoom waits for room in the daemon's queue; the next send finds out.
func (w *Writer) waitRoom(left time.Duration) {
	pfd := pollfd{fd: int32(w.fd), events: 4 /* POLLOUT */}
	timespec := syscall.NsecToTimespec(int64(left))
	_, _, _ = syscall.Syscall6(syscall.SYS_PPOLL,
		uintptr(unsafe.Pointer(&pfd)), 1,
		uintptr(unsafe.Pointer(&timespec)), 0, 0, 0)
}

func publicError(errno syscall.Errno) error {
	switch errno {
	case syscall.EAGAIN:
		return ErrTimeout
	case syscall.EMSGSIZE:
		return ErrTooLarge
	case syscall.EACCES, syscall.EPERM:
		return ErrNotPermitted
	case syscall.EBADF:
		return ErrClosed
	}
	if needsConnect(errno) {
		return ErrNoDaemon
	}
	return errno
}
