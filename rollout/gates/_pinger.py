"""Asks addresses again and again, and writes down whether they answered: `python -I -S _pinger.py FOLDER ...`.

A process of its own that outlives the controller. It is run by its path, so that it loads nothing of this package: a few megabytes,
for there may be one for every host in flight. It holds the lock on FOLDER/lock, which it is given, for its life, and ends when FOLDER/stop names a time
that has come, when the folder is gone, or after `longest` seconds.

FOLDER/log, appended to: `start EPOCH BOOT INTERVAL`, then a line for what was sent in about a second: `BOOT NUMBER BITS`, where BOOT is
milliseconds of the clock that goes on while a machine sleeps, at the first of the BITS (1: answered), INTERVAL milliseconds apart, of
the address with that number. Where nothing was sent there is no bit.
"""

import os
import select
import signal
import socket
import struct
import sys
import time

TOKEN = struct.Struct("!8sQ")
"""What an echo carries back: whose it is, and its number."""

ECHO: dict[int, tuple[int, int]] = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
PROTOCOL: dict[int, int] = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}

Sent = list[float]


def now() -> float:
    """Seconds of the clock that nobody sets and no sleep stops."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def checksum(data: bytes) -> int:
    """Of RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Echo:
    """ICMP echo to one address: by a datagram socket that needs no privilege, else by a raw one. Raises OSError for neither."""

    def __init__(self, family: int, address: str) -> None:
        self.family, self.address, self.raw = family, address, False
        try:
            self.socket = socket.socket(family, socket.SOCK_DGRAM, PROTOCOL[family])
        except PermissionError:
            self.socket, self.raw = socket.socket(family, socket.SOCK_RAW, PROTOCOL[family]), True
        self.socket.setblocking(False)
        self.token = os.urandom(8)

    def send(self, number: int) -> None:
        """What cannot be sent is not answered."""
        head = struct.pack("!BBHHH", ECHO[self.family][0], 0, 0, os.getpid() & 0xFFFF, number & 0xFFFF)
        body = TOKEN.pack(self.token, number)
        if self.family == socket.AF_INET:
            head = head[:2] + struct.pack("!H", checksum(head + body)) + head[4:]
        try:
            self.socket.sendto(head + body, (self.address, 0))
        except OSError:
            return

    def waiting(self) -> list[int]:
        """Descriptors on which answers come, with nothing on those for writing."""
        return [self.socket.fileno()]

    def answered(self) -> list[int]:
        """The numbers that have come back."""
        found: list[int] = []
        while True:
            try:
                data = self.socket.recv(2048)
            except (
                OSError
            ):  # nothing more; or an error that a router has sent, and that is not there the next time
                return found
            if self.raw and self.family == socket.AF_INET:
                data = data[(data[0] & 15) * 4 :]
            if len(data) >= 8 + TOKEN.size and data[0] == ECHO[self.family][1]:
                token, number = TOKEN.unpack_from(data, 8)
                if token == self.token:
                    found.append(number)

    def give_up(self, number: int) -> None:
        """Nothing is kept of one."""


class Knock:
    """TCP connections to one port, each closed as soon as it stands."""

    def __init__(self, family: int, address: str, port: int) -> None:
        self.family, self.where = family, (address, port)
        self.open: dict[int, socket.socket] = {}

    def send(self, number: int) -> None:
        """Begin to connect."""
        try:
            one = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            return
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            one.connect(self.where)
        except BlockingIOError:
            pass
        except OSError:
            one.close()
            return
        self.open[number] = one

    def waiting(self) -> list[int]:
        """Those that are being connected."""
        return [one.fileno() for one in self.open.values()]

    def answered(self) -> list[int]:
        """Those that stand."""
        if not self.open:
            return []
        ready = select.poll()
        for one in self.open.values():
            ready.register(one, select.POLLOUT)
        done = {handle for handle, _ in ready.poll(0)}
        ended = [number for number, one in self.open.items() if one.fileno() in done]
        return [number for number in ended if self._stands(number)]

    def _stands(self, number: int) -> bool:
        with self.open.pop(number) as one:
            return one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    def give_up(self, number: int) -> None:
        """Let go of one that nobody accepts."""
        if number in self.open:
            self.open.pop(number).close()


class Watch:
    """One address: what was sent, what has come back, and what is not written yet."""

    def __init__(self, number: int, way: "Echo | Knock", interval: float, wait: float) -> None:
        self.number, self.way, self.interval, self.wait = number, way, interval, wait
        self.count = 0
        self.sent: dict[int, Sent] = {}

    def send(self, at: float) -> None:
        """One more."""
        self.count += 1
        self.sent[self.count] = [at, 0.0]
        self.way.send(self.count)

    def receive(self) -> None:
        """Take what has come."""
        for number in self.way.answered():
            if number in self.sent:
                self.sent[number][1] = 1.0

    def lines(self, at: float) -> list[str]:
        """What is known for certain: answered, or too old to be. A line ends where the sending paused."""
        lines: list[str] = []
        last = 0.0
        for number in list(self.sent):
            sent, answered = self.sent[number]
            if not answered and at - sent < self.wait:
                break
            del self.sent[number]
            if not answered:
                self.way.give_up(number)
            if not lines or sent - last > 1.5 * self.interval:
                lines.append(f"{int(sent * 1000)} {self.number} ")
            lines[-1] += "1" if answered else "0"
            last = sent
        return lines


def ended(folder: str) -> bool:
    """Whether it was told to stop, or nobody wants to know any more."""
    try:
        with open(f"{folder}/stop", encoding="ascii") as file:  # noqa: PTH123  nobody else here loads pathlib
            return time.time() >= float(file.read())
    except (FileNotFoundError, ValueError):
        return not os.access(f"{folder}/lock", os.F_OK)


def watch(
    folder: str, log: int, ways: "list[Echo | Knock]", interval: float, wait: float, longest: float
) -> None:
    """Until it is told to stop. After a pause nothing is made up for: what was not sent has no line."""
    begun = next_at = flush_at = now()
    os.write(log, f"start {time.time():.3f} {int(begun * 1000)} {round(interval * 1000)}\n".encode())
    watches = [Watch(number, way, interval, wait) for number, way in enumerate(ways)]
    while True:
        at = now()
        for one in watches:
            one.receive()
        if at >= flush_at:
            text = "".join(f"{line}\n" for one in watches for line in one.lines(at))
            os.write(log, text.encode())
            flush_at = at + 1.0
            if at - begun > longest or ended(folder):
                return
        if at >= next_at:
            for one in watches:
                one.send(at)
            next_at = max(next_at + interval, at + interval / 2)
        ready = select.poll()
        for one in watches:
            for handle in one.way.waiting():
                ready.register(handle, select.POLLIN if isinstance(one.way, Echo) else select.POLLOUT)
        ready.poll(max(0.0, min(next_at, flush_at) - now()) * 1000 + 1)


def main() -> None:
    """FOLDER INTERVAL WAIT LONGEST PORT ADDRESS...: seconds; port 0 is ICMP. Ends with 0 once it watches, by another process."""
    folder, interval, wait, longest, port = sys.argv[1], *map(float, sys.argv[2:5]), int(sys.argv[5])
    families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in sys.argv[6:]]
    ways: list[Echo | Knock] = []
    try:
        for family, address in zip(families, sys.argv[6:], strict=True):
            ways.append(Knock(family, address, port) if port else Echo(family, address))
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        sys.exit(str(error.strerror))
    if os.fork():
        os._exit(0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(nothing, handle)
    os.chdir("/")
    watch(folder, log, ways, interval, wait, longest)


if __name__ == "__main__":
    main()
