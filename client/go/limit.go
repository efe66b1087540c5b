// SPDX-License-Identifier: MIT

package bufwriter

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A message of up to so many bytes is sent without a look at the limit, unless
// the limit is smaller.
const freeBytes = 4096

const limitAge = time.Second

// limit is the daemon's socket.max_message, which it publishes in a link beside
// its socket, see libbufwriter(3).  0: not read yet or unknown.
type limit struct {
	bytes  atomic.Int64
	readAt atomic.Int64
}

func limitsPath(socket string) string {
	slash := strings.LastIndexByte(socket, '/')
	if slash >= 0 && len(socket)-slash > 6 &&
		strings.HasSuffix(socket, ".sock") {
		return strings.TrimSuffix(socket, ".sock") + "/limits"
	}
	return socket + ".limits"
}

func (l *limit) read(socket string) {
	var bytes int64
	text, err := os.Readlink(limitsPath(socket))
	if err == nil {
		text, _, _ = strings.Cut(text, ",")
		if key, value, found := strings.Cut(text, "="); found &&
			key == "max_message" {
			bytes, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	l.bytes.Store(bytes)
	l.readAt.Store(time.Now().UnixNano())
}

func (l *limit) exceeded(length int) bool {
	bytes := l.bytes.Load()
	return bytes > 0 && int64(length) > bytes
}

// refuses: a refusal rests on a limit that was read just now, because the
// daemon may have been restarted with a larger one behind systemd's socket.
func (l *limit) refuses(socket string, length int) bool {
	if !l.exceeded(length) && (length <= freeBytes ||
		time.Now().UnixNano()-l.readAt.Load() < int64(limitAge)) {
		return false
	}
	l.read(socket)
	return l.exceeded(length)
}
