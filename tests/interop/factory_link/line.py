"""Layer 1: streams of bytes to a device, and the frames in them."""

import os
import select
import shlex
import socket
import subprocess
import termios
import time

import frames

NOISE_MAX = 1 << 20


class Silence(Exception):
    """Nothing came in time."""


class Gone(Exception):
    """The other end closed the line."""


class Noise(Exception):
    """Too many bytes without a whole frame."""


class Line:
    """The station's end of a stream. It reads while it writes, so that two full buffers do not wait for each
    other."""

    def __init__(self, reading, writing, owner=None):
        self._reading, self._writing, self._owner = reading, writing, owner
        # A bad line: what becomes of the bytes of one writing or one reading.
        self.spoil = lambda data: data
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._receiver = frames.Receiver()
        self._found = []
        self._since_frame = 0

    def send(self, data, seconds=10.0):
        """Writes bytes as they are."""
        until = time.monotonic() + seconds
        left = memoryview(self.spoil(data))
        while left:
            readable, writable = self._wait(until, [self._writing])
            if readable:
                self._read()
            if writable:
                try:
                    left = left[os.write(self._writing, left[: 1 << 16]) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise Gone("the device closed the line") from error

    def receive(self, seconds):
        """The next frame's payload; None if the frame is damaged."""
        until = time.monotonic() + seconds
        while not self._found:
            self._wait(until, [])
            self._read()
        return self._found.pop(0)

    def drain(self, seconds):
        """Forgets all that comes in this time."""
        until = time.monotonic() + seconds
        try:
            while True:
                self.receive(until - time.monotonic())
        except Silence:
            pass

    def _wait(self, until, writing):
        readable, writable, _ = select.select(
            [self._reading], writing, [], max(0.0, until - time.monotonic())
        )
        if not readable and not writable:
            raise Silence("no answer in time")
        return readable, writable

    def _read(self):
        try:
            data = os.read(self._reading, 1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise Gone("the device closed the line") from error
        if not data:
            raise Gone("the device closed the line")
        found = self._receiver.feed(self.spoil(data))
        self._since_frame = (
            0 if any(payload is not None for payload in found) else self._since_frame + len(data)
        )
        self._found += found
        if self._since_frame > NOISE_MAX:
            raise Noise("1 MiB without a whole frame")

    def close(self):
        """Closes the line; a program at the other end is awaited, and ended if it stays."""
        for descriptor in {self._reading, self._writing}:
            os.close(descriptor)
        if isinstance(self._owner, subprocess.Popen):
            try:
                self._owner.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """Ends the program at the other end as a power cut would."""
        self._owner.kill()
        self._owner.wait()

    def ended(self, seconds):
        """The exit status of the program at the other end."""
        return self._owner.wait(seconds)


def _arguments(command, values):
    """The words of a command. `{name}` in them is replaced."""
    words = shlex.split(command)
    for name, value in values.items():
        words = [word.replace("{" + name + "}", str(value)) for word in words]
    return words


def run_on_terminal(command, values, seconds):
    """A line to a new process on a terminal device, which it must put in raw mode in this time."""
    ours, theirs = os.openpty()
    link = Line(ours, ours, subprocess.Popen(_arguments(command, values), stdin=theirs, stdout=theirs))
    until = time.monotonic() + seconds
    while termios.tcgetattr(theirs)[3] & (termios.ECHO | termios.ICANON | termios.ISIG):
        if time.monotonic() > until:
            os.close(theirs)
            link.kill()
            link.close()
            raise Silence("the terminal is not in raw mode")
        time.sleep(0.02)
    os.close(theirs)
    return link


def run(command, values):
    """A line to a new process, through pipes."""
    process = subprocess.Popen(
        _arguments(command, values), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    reading, writing = os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno())
    process.stdout.close()
    process.stdin.close()
    return Line(reading, writing, process)


def address(text):
    """Host and port of `host:port`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def connect(text):
    """A line to a device that waits on a TCP address."""
    with socket.create_connection(address(text), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor = os.dup(connection.fileno())
    return Line(descriptor, descriptor)
