// SPDX-License-Identifier: MIT

package bufwriter

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The tests run the daemon that BUFWRITERD names.  They hold its datagram socket,
// as systemd does, so that a kill loses no datagram.

type bed struct {
	t      *testing.T
	dir    string
	socket *os.File
	daemon *exec.Cmd
	extra  []string
}

func newBed(t *testing.T, extra ...string) *bed {
	t.Helper()
	if os.Getenv("BUFWRITERD") == "" {
		t.Skip("BUFWRITERD is not set")
	}
	dir, err := os.MkdirTemp("", "bw-go.")
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, dir: dir, extra: extra}
	address := &net.UnixAddr{Name: b.path("sock"), Net: "unixgram"}
	held, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	b.socket, err = held.File()
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Mkdir(b.path("files"), 0o700)
	b.start()
	t.Cleanup(func() {
		b.kill()
		held.Close()
		b.socket.Close()
		os.RemoveAll(dir)
	})
	return b
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) start() {
	b.t.Helper()
	arguments := []string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh",
		os.Getenv("BUFWRITERD")}
	for _, setting := range append([]string{
		"socket.path=" + b.path("sock"), "files.path=" + b.path("files"),
		"state.path=" + b.path("state"), "lanes.path=" + b.path("lanes"),
		"control.path=" + b.path("control"), "buffer.forced=100ms",
		"buffer.timeout=never", "lanes.size=64K",
	}, b.extra...) {
		arguments = append(arguments, "-o", setting)
	}
	b.daemon = exec.Command("/bin/sh", arguments...)
	b.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	b.daemon.ExtraFiles = []*os.File{b.socket}
	said, err := b.daemon.StderrPipe()
	if err == nil {
		err = b.daemon.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready: ") {
			go func() {
				for lines.Scan() {
				}
			}()
			return
		}
	}
	b.t.Fatal("the daemon did not start")
}

func (b *bed) end(signal syscall.Signal) {
	if b.daemon != nil {
		_ = b.daemon.Process.Signal(signal)
		_ = b.daemon.Wait()
		b.daemon = nil
	}
}

func (b *bed) kill() { b.end(syscall.SIGKILL) }
func (b *bed) stop() { b.end(syscall.SIGTERM) }

// halt returns when all threads of the daemon stand still.
func (b *bed) halt() {
	_ = b.daemon.Process.Signal(syscall.SIGSTOP)
	_, _ = syscall.Wait4(b.daemon.Process.Pid, nil, syscall.WUNTRACED, nil)
}

func (b *bed) open(timeout time.Duration) *Writer {
	b.t.Helper()
	w, err := Open(Options{Socket: b.path("sock"), Timeout: timeout})
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// until waits for what must come.
func (b *bed) until(what string, is func() bool) {
	b.t.Helper()
	for tries := 0; !is(); tries++ {
		if tries == 60000 {
			b.t.Fatal("waited in vain: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// intoLane writes messages "GOROUTINE NUMBER" until they go into a lane, and
// returns the next number.
func (b *bed) intoLane(w *Writer, goroutine int) int {
	b.t.Helper()
	n := 0
	b.until("a lane", func() bool {
		for i := 0; i < 5000 && w.lanes.open.Load() == nil; i++ {
			b.write(w, goroutine, n)
			n++
		}
		return w.lanes.open.Load() != nil
	})
	return n
}

// openInLane is a Writer that has a lane, and how many messages went before.  The
// timeout counts from then on: on a busy machine a datagram waits for longer.
func (b *bed) openInLane(timeout time.Duration) (*Writer, int) {
	b.t.Helper()
	w := b.open(Forever)
	n := b.intoLane(w, 0)
	w.timeout = timeout
	return w, n
}

func (b *bed) write(w *Writer, goroutine, n int) {
	b.t.Helper()
	if _, err := fmt.Fprintf(w, "%d %d", goroutine, n); err != nil {
		b.t.Errorf("%d %d: %v", goroutine, n, err)
	}
}

// expect stops the daemon.  Each goroutine's messages 0 to counts[goroutine]
// are in the files once, and no other.
func (b *bed) expect(counts ...int) {
	b.t.Helper()
	b.stop()
	found := make(map[string]int)
	files, _ := filepath.Glob(b.path("files/*.log"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, line := range strings.Split(
			strings.TrimSuffix(string(text), "\n"), "\n") {
			found[line]++
		}
	}
	lost, other := 0, 0
	for goroutine, count := range counts {
		for n := 0; n < count; n++ {
			key := fmt.Sprintf("%d %d", goroutine, n)
			if found[key] == 0 {
				lost++
			} else if found[key]--; found[key] == 0 {
				delete(found, key)
			}
		}
	}
	for line, more := range found {
		if other++; other < 4 {
			b.t.Logf("too often, or foreign: %q %d", line, more)
		}
	}
	if lost+other > 0 {
		b.t.Fatalf("%d lost, %d too often or foreign", lost, other)
	}
}

// While goroutines write, `disturb` is called again and again.
func (b *bed) disturbed(times int, disturb func()) {
	const goroutines = 4
	var stop atomic.Bool
	var all sync.WaitGroup
	var began, laned atomic.Int64

	w := b.open(Forever)
	counts := make([]int, goroutines)
	for g := range counts {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			for n := 0; !stop.Load(); n++ {
				b.write(w, g, n)
				counts[g]++
				began.Add(1)
				if w.lanes.open.Load() != nil {
					laned.Add(1)
				}
			}
		}(g)
	}
	for i := 0; i < times; i++ {
		from := laned.Load()
		b.until("messages in lanes", func() bool {
			return laned.Load() > from+20000
		})
		disturb()
	}
	from := began.Load()
	b.until("messages at the end", func() bool {
		return began.Load() > from+5000
	})
	stop.Store(true)
	all.Wait()
	if err := w.Close(); err != nil {
		b.t.Error(err)
	}
	b.expect(counts...)
}

func TestKillsOfTheDaemonLoseAndDoubleNothing(t *testing.T) {
	b := newBed(t)
	b.disturbed(15, func() {
		b.kill()
		b.start()
	})
}

func TestRestartsOfTheDaemonLoseAndDoubleNothing(t *testing.T) {
	b := newBed(t)
	b.disturbed(15, func() {
		b.stop()
		b.start()
	})
}

func TestAFullLaneTimesOutAndThenGoesOn(t *testing.T) {
	b := newBed(t)
	w, n := b.openInLane(50 * time.Millisecond)
	b.halt()
	var err error
	for ; err == nil; n++ {
		_, err = fmt.Fprintf(w, "0 %d", n)
	}
	if n--; !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	_ = b.daemon.Process.Signal(syscall.SIGCONT)
	w.timeout = Forever
	b.write(w, 0, n)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	b.expect(n + 1)
}

func TestACloseWithoutADaemonSaysWhatIsLeft(t *testing.T) {
	b := newBed(t)
	w, n := b.openInLane(50 * time.Millisecond)
	b.halt()
	l := w.lanes.open.Load()
	for i := 0; i < 100; i++ {
		b.write(w, 0, n+i)
	}
	b.kill()
	left := l.count(atomic.LoadUint64(l.read))
	err := w.Close()
	if left < 100 || !errors.Is(err, ErrNoDaemon) ||
		!strings.HasPrefix(err.Error(), strconv.Itoa(left)+" messages") {
		t.Fatalf("%d are left: %v", left, err)
	}
	if _, err = w.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err = w.Close(); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	b.start()
}

func TestALaneThatWasReadNeedsNoDaemon(t *testing.T) {
	b := newBed(t)
	w := b.open(Forever)
	n := b.intoLane(w, 0)
	l := w.lanes.open.Load()
	for i := 0; i < 100; i++ {
		b.write(w, 0, n)
		n++
	}
	b.until("all to be taken", l.isRead)
	b.kill()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.expect(n)
}

func TestADaemonThatComesBackLateGetsTheRest(t *testing.T) {
	b := newBed(t)
	w, n := b.openInLane(50 * time.Millisecond)
	b.halt()
	for i := 0; i < 100; i++ {
		b.write(w, 0, n)
		n++
	}
	b.kill()
	b.until("the end of the lane", func() bool {
		return w.lanes.open.Load() == nil
	})
	b.start()
	k := w.lanes.keeper
	<-k.done
	if k.left != 0 {
		t.Fatal(k.left)
	}
	w.timeout = Forever
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.expect(n)
}

func TestWithoutLanesDatagramsAreSent(t *testing.T) {
	b := newBed(t, "lanes.count=0")
	w := b.open(Forever)
	for n := 0; n < 10000; n++ {
		b.write(w, 0, n)
	}
	if w.lanes.open.Load() != nil {
		t.Fatal("a lane")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.expect(10000)
}

func TestSizesAtTheEdgeOfTheLane(t *testing.T) {
	b := newBed(t, "files.framing=none")
	w := b.open(Forever)
	b.intoLane(w, 0)
	sum := 0
	for length := 0; length < 20000; length += 7 {
		if _, err := w.Write(make([]byte, length)); err != nil {
			t.Fatal(length, err)
		}
		sum += length
	}
	if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.stop()
	files, _ := filepath.Glob(b.path("files/*.log"))
	for _, name := range files {
		text, _ := os.ReadFile(name)
		sum -= strings.Count(string(text), "\x00")
	}
	if sum != 0 {
		t.Fatal("zero bytes that are missing: ", sum)
	}
}

// What was in the lane of a killed daemon, and no datagram can hold.
func TestCloseTellsOfMessagesThatBecameTooLong(t *testing.T) {
	b := newBed(t)
	w := b.open(Forever)
	b.intoLane(w, 0)
	if !w.resend(w.lanes.keeper, make([]byte, 1<<20)) {
		t.Fatal("it would be sent again")
	}
	err := w.Close()
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "1 ") {
		t.Fatal(err)
	}
	b.stop()
}

// The child of the next test.
func TestMain(m *testing.M) {
	socket := os.Getenv("BW_GO_CHILD")
	if socket == "" {
		os.Exit(m.Run())
	}
	w, err := Open(Options{Socket: socket, Timeout: Forever})
	for n := 0; err == nil && n < 100000; n++ {
		_, err = fmt.Fprintf(w, "0 %d", n)
	}
	if err != nil || w.lanes.open.Load() == nil {
		os.Exit(1)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func TestWhatAKilledProcessHasWrittenIsTheDaemons(t *testing.T) {
	b := newBed(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BW_GO_CHILD="+b.path("sock"))
	_ = child.Run()
	status := child.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		t.Fatal("the child did not write into a lane: ", status)
	}
	b.expect(100000)
}
