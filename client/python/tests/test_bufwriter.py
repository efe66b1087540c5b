# SPDX-License-Identifier: MIT
"""The Python package with the real daemon: logging, structlog, asyncio, fork,
gunicorn.  Every message is counted in the files.

    BW_BUILD=build PYTHONPATH=client/python python3 \
        client/python/tests/test_bufwriter.py
"""

import asyncio
import collections
import contextlib
import importlib.util
import io
import logging
import logging.config
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import threading
import unittest

import bufwriter
from daemon import Daemon, until

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def texts(*strings):
    return collections.Counter(s.encode() for s in strings)


class TestCase(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.remove)
        os.environ["BUFWRITER_SOCKET"] = self.daemon.sock

    def expect(self, counter):
        """Stops the daemon; its files hold exactly these messages."""
        self.daemon.stop()
        self.assertEqual(self.daemon.messages(), counter)

    def run_program(self, text, check=True):
        """Runs a program in an interpreter of its own."""
        return subprocess.run(
            ["/usr/bin/python3", "-B", "-W", "ignore", "-c", text],
            env={**os.environ, "PYTHONPATH": PACKAGE}, text=True,
            capture_output=True, check=check)

    def fill(self):
        """The daemon stands still, and its queue is full; how many messages
        did that?"""
        self.daemon.send_signal(signal.SIGSTOP)
        n = 0
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.setblocking(False)
                s.connect(self.daemon.sock)
                try:
                    s.send(b"fill")
                    n += 1
                except BlockingIOError:
                    return n


class LoggingTest(TestCase):
    def logger(self, **arguments):
        handler = bufwriter.Handler(**arguments)
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        logger = logging.Logger("test")
        logger.addHandler(handler)
        self.addCleanup(handler.close)
        return logger, handler

    def test_records_become_messages_before_and_after_a_restart(self):
        logger, handler = self.logger()
        self.daemon.start()
        logger.info("one %d", 1)
        logger.error("zwei ß\nlines")
        self.daemon.stop()
        self.daemon.start()
        logger.info("three")
        self.daemon.kill()
        self.daemon.start()
        logger.info("four")
        self.assertEqual(handler.dropped, 0)
        self.expect(texts("INFO one 1", "ERROR zwei ß\nlines", "INFO three",
                          "INFO four"))

    def test_what_was_dropped_is_told_and_raises_nothing(self):
        logger, handler = self.logger()
        with contextlib.redirect_stderr(io.StringIO()) as err:
            for i in range(1000):
                logger.info("nobody takes %d", i)
            handler.close()
        self.assertEqual(handler.dropped, 1000)
        told = sum(int(line.split()[1])
                   for line in err.getvalue().splitlines())
        self.assertEqual(told, 1000, err.getvalue())
        self.assertIn("no daemon listens", err.getvalue())
        self.assertIn(self.daemon.sock, err.getvalue())

    def test_a_record_that_cannot_be_formatted_is_told_as_logging_does(self):
        logger, handler = self.logger()
        self.daemon.start()
        with contextlib.redirect_stderr(io.StringIO()) as err:
            logger.info("%d", "no number")
        self.assertIn("Logging error", err.getvalue())
        logger.info("goes on")
        self.expect(texts("INFO goes on"))

    def test_threads_write_at_the_same_time(self):
        self.daemon.start()
        logger, handler = self.logger(timeout=None)
        threads = [threading.Thread(target=lambda t=t: [
            logger.info("%d %d", t, i) for i in range(500)])
            for t in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.expect(texts(*(f"INFO {t} {i}"
                            for t in range(4) for i in range(500))))

    def test_dict_config_as_the_page_shows_it(self):
        self.daemon.start()
        with open(PACKAGE + "/README.md", encoding="utf-8") as page:
            block = page.read().split("```python\n")[2].split("```")[0]
        self.assertIn("dictConfig", block)
        done = self.run_program(block)
        self.assertEqual(done.stderr, "")
        found = self.daemon
        found.stop()
        self.assertEqual(
            [m.decode().split(" ", 2)[2] for m in found.messages()],
            ["INFO shop: order 17 paid"])

    def test_bytes_that_are_no_text_arrive_as_they_were(self):
        self.daemon.start()
        logger, _ = self.logger()
        name = os.fsdecode(b"caf\xe9")
        logger.info("file %s", name)
        self.expect(collections.Counter([b"INFO file caf\xe9"]))


class ExamplesTest(TestCase):
    def test_the_first_example_of_the_page(self):
        self.daemon.start()
        with open(PACKAGE + "/README.md", encoding="utf-8") as page:
            blocks = page.read().split("```python\n")
        done = self.run_program(blocks[1].split("```")[0])
        self.assertEqual(done.stderr, "")
        self.expect(texts("user 17 logged in"))

    @unittest.skipUnless(importlib.util.find_spec("structlog"),
                         "python3-structlog is not installed")
    def test_structlog_as_the_page_shows_it(self):
        self.daemon.start()
        with open(PACKAGE + "/README.md", encoding="utf-8") as page:
            block = page.read().split("```python\n")[3].split("```")[0]
        self.assertIn("structlog", block)
        done = self.run_program(
            block + "\nstructlog.get_logger().info('bye', who='ß')\n")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.expect(texts(
            '{"user": 17, "event": "login", "level": "info"}',
            '{"who": "ß", "event": "bye", "level": "info"}'))


class AsyncioTest(TestCase):
    def test_an_event_loop_is_never_blocked(self):
        """The loop goes on while the daemon takes nothing, and all messages
        arrive when it does."""
        self.daemon.start()
        filled = self.fill()
        writer = bufwriter.Writer(timeout=None)

        async def main():
            for i in range(1000):
                writer.write(f"async {i}")
                if i % 100 == 0:
                    await asyncio.sleep(0)
            # The daemon goes on only after the loop has written everything.
            self.daemon.send_signal(signal.SIGCONT)

        asyncio.run(main())
        self.assertTrue(writer.flush())
        writer.close()
        expected = texts(*(f"async {i}" for i in range(1000)))
        expected[b"fill"] = filled
        self.expect(expected)

    def test_a_full_backlog_is_told_at_once(self):
        self.daemon.start()
        filled = self.fill()
        drops = []
        writer = bufwriter.Writer(
            timeout=None, backlog=10,
            on_drop=lambda n, error: drops.append((n, error)))
        taken, refused = [], 0

        async def main():
            nonlocal refused
            for i in range(100):
                try:
                    writer.write(f"m{i}")
                    taken.append(f"m{i}")
                except bufwriter.Timeout:
                    refused += 1

        asyncio.run(main())
        self.assertEqual((len(taken), refused), (10, 90))
        self.assertEqual(writer.dropped, 90)
        self.daemon.send_signal(signal.SIGCONT)
        writer.close()
        self.assertEqual(drops, [])
        expected = texts(*taken)
        expected[b"fill"] = filled
        self.expect(expected)

    def test_what_the_backlog_drops_is_told(self):
        drops, failures = [], []
        hook = threading.excepthook
        self.addCleanup(setattr, threading, "excepthook", hook)
        threading.excepthook = failures.append
        writer = bufwriter.Writer(
            timeout=0.05, on_drop=lambda n, error: drops.append((n, error)))

        async def main():
            for i in range(100):
                writer.write(f"m{i}")

        asyncio.run(main())
        writer.close()
        self.assertEqual(sum(n for n, _ in drops), 100)
        self.assertEqual(writer.dropped, 100)
        self.assertIsInstance(drops[0][1], bufwriter.Error)
        self.assertEqual(failures, [])

    def test_the_end_of_the_process_flushes_the_backlog(self):
        self.daemon.start()
        filled = self.fill()
        program = subprocess.Popen(
            ["/usr/bin/python3", "-B", "-c", """
import asyncio, bufwriter
writer = bufwriter.Writer(timeout=None)
async def main():
    for i in range(200):
        writer.write(f"m{i}")
asyncio.run(main())
print("written", flush=True)
"""], env={**os.environ, "PYTHONPATH": PACKAGE}, stdout=subprocess.PIPE)
        self.assertEqual(program.stdout.readline(), b"written\n")
        self.daemon.send_signal(signal.SIGCONT)
        self.assertEqual(program.wait(60), 0)
        program.stdout.close()
        expected = texts(*(f"m{i}" for i in range(200)))
        expected[b"fill"] = filled
        self.expect(expected)


def child(logger_name, number):
    for i in range(100):
        logging.getLogger(logger_name).info("child %d %d", number, i)


class ForkTest(TestCase):
    def test_children_of_multiprocessing_write(self):
        self.daemon.start()
        for method in ("fork", "spawn"):
            with self.subTest(method):
                context = multiprocessing.get_context(method)
                logger = logging.getLogger("mp")
                logger.setLevel(logging.INFO)
                logger.propagate = False
                handler = bufwriter.Handler(timeout=None)
                logger.handlers = [handler]
                logger.info("parent")
                children = [context.Process(
                    target=child if method == "fork" else spawned,
                    args=("mp", n)) for n in range(4)]
                for process in children:
                    process.start()
                for process in children:
                    process.join()
                    self.assertEqual(process.exitcode, 0)
                handler.close()
        expected = texts(*(f"child {n} {i}" for n in range(4)
                           for i in range(100)), "parent")
        self.expect(expected + expected)

    def test_a_child_does_not_send_the_backlog_of_its_parent(self):
        self.daemon.start()
        filled = self.fill()
        done = subprocess.Popen(
            ["/usr/bin/python3", "-B", "-c", """
import asyncio, os, sys, bufwriter
writer = bufwriter.Writer(timeout=None)
async def main():
    for i in range(50):
        writer.write(f"parent {i}")
asyncio.run(main())
if os.fork() == 0:
    async def main():
        writer.write("child")
    asyncio.run(main())
    print("written", flush=True)
    sys.exit(0)
os.wait()
"""], env={**os.environ, "PYTHONPATH": PACKAGE}, stdout=subprocess.PIPE)
        self.assertEqual(done.stdout.readline(), b"written\n")
        self.daemon.send_signal(signal.SIGCONT)
        self.assertEqual(done.wait(60), 0)
        done.stdout.close()
        expected = texts("child", *(f"parent {i}" for i in range(50)))
        expected[b"fill"] = filled
        self.expect(expected)


def spawned(name, number):
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.handlers = [bufwriter.Handler(timeout=None)]
    child(name, number)


@unittest.skipUnless(shutil.which("gunicorn"), "gunicorn is not installed")
class GunicornTest(TestCase):
    def test_workers_of_gunicorn_log_across_restarts_of_the_daemon(self):
        self.daemon.start()
        root = self.daemon.root
        with open(PACKAGE + "/README.md", encoding="utf-8") as page:
            settings = page.read().split("```python\n")[4].split("```")[0]
        self.assertIn("logconfig_dict", settings)
        with open(root + "/gunicorn.conf.py", "w", encoding="utf-8") as file:
            file.write(settings)
        with open(root + "/app.py", "w", encoding="utf-8") as file:
            file.write("""
import logging, os
def application(environ, start_response):
    logging.getLogger("app").info("request %s", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
""")
        server = subprocess.Popen(
            ["/usr/bin/python3", "-B", shutil.which("gunicorn"),
             "-c", "gunicorn.conf.py", "--workers", "2", "--bind",
             "unix:" + root + "/http", "app"],
            cwd=root, env={**os.environ, "PYTHONPATH": PACKAGE},
            stderr=subprocess.DEVNULL)
        try:
            until(lambda: os.path.exists(root + "/http"))
            for i in range(60):
                if i == 20:
                    self.daemon.stop()
                    self.daemon.start()
                elif i == 40:
                    self.daemon.kill()
                    self.daemon.start()
                # The handler's timeout of 100 ms is shorter than a daemon
                # may get no processor for.
                self.daemon.drain()
                pid = self.request(root + "/http", f"/{i}")
                if i == 30:
                    # gunicorn forks another worker.
                    os.kill(pid, signal.SIGKILL)
        finally:
            server.terminate()
            server.wait(60)
        self.daemon.stop()
        found = [m.decode() for m in self.daemon.messages().elements()]
        self.assertEqual(
            sorted(m for m in found if m.startswith("app INFO request")),
            sorted(f"app INFO request /{i}" for i in range(60)))
        access = [m for m in found if m.startswith("gunicorn.access INFO")]
        self.assertEqual(len([m for m in access if "GET /" in m]), 60)

    def request(self, path, url):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(path)
            s.sendall(f"GET {url} HTTP/1.0\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(4096):
                data += chunk
        self.assertIn(b"200 OK", data)
        return int(data.rsplit(b"\r\n", 1)[1])


if __name__ == "__main__":
    unittest.main()
