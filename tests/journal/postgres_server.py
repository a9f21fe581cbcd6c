"""A PostgreSQL server of the tests' own: Debian's binaries, a cluster in memory, a socket and a loopback port that nobody else knows."""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import psycopg

from rollout.journal.statements import SCHEMA

USER = "postgres"
"""The server refuses to run as root; this user comes with the package."""

PASSWORD = "s3cret/@:word"
QUOTED = "s3cret%2F%40%3Aword"
"""Of the user `asks`, who comes over the loopback."""

_SETTINGS = {
    "fsync": "off",  # what survives here is a killed server, not a lost disk
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "log_min_messages": "panic",
}


_ALONE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"

_NEWER = f"DELETE FROM rollout.journal WHERE version > {SCHEMA}"


class Server:
    """Started when made. `kill` is kill -9; `start` again finds what had been committed."""

    def __init__(self) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="rollout-pg-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._binaries = _binaries()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        if os.geteuid() == 0:
            entry = pwd.getpwnam(USER)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-U", USER)
        with (self.folder / "data" / "pg_hba.conf").open("w", encoding="ascii") as rules:
            rules.write("local all all trust\nhost all asks 127.0.0.1/32 scram-sha-256\n")
        self.start()
        self.admin(
            f"CREATE ROLE asks LOGIN PASSWORD '{PASSWORD}'", "GRANT CREATE ON DATABASE postgres TO asks"
        )

    @property
    def socket(self) -> Path:
        return self.folder / f".s.PGSQL.{self.port}"

    def url(self, folder: Path | None = None, port: int | None = None) -> str:
        """Of the server, or of something in between that listens in `folder`."""
        return f"postgresql://{USER}@:{port or self.port}/postgres?host={folder or self.folder}"

    def fresh(self) -> str:
        """The server's URL, with no journal there and nobody connected."""
        self.admin(
            _ALONE,
            "SET client_min_messages TO warning",
            "DROP SCHEMA IF EXISTS rollout CASCADE",
        )
        return self.url()

    def emptied(self) -> str:
        """The same, quicker: the tables stay."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute("SELECT to_regclass('rollout.journal') IS NOT NULL").fetchone()
        if found != (True,):
            return self.fresh()
        tables = ("approval", "slot", "gate", "event", "host", "state", "graph", "run")
        self.admin(";".join([_ALONE, *(f"DELETE FROM rollout.{table}" for table in tables), _NEWER]))
        return self.url()

    def admin(self, *statements: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def start(self) -> None:
        """Until it answers. The processes of a killed one may take a moment to go."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    self._command("postgres", *self._options()),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=self.folder,
                )
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"PostgreSQL does not start: {self._command('postgres', *self._options())}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: the sessions are ended first; SIGQUIT: immediately, as after a power cut."""
        self._end(number)

    def remove(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _options(self) -> list[str]:
        settings = {
            **_SETTINGS,
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
        }
        return [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]

    def _command(self, name: str, *arguments: str) -> list[str]:
        command = [str(self._binaries / name), "-D", str(self.folder / "data"), *arguments]
        if os.geteuid() != 0:
            return command
        as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--pdeathsig", "QUIT"]
        return [*as_user, *command]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(self._command(name, *arguments), check=True, capture_output=True, cwd=self.folder)


@cache
def shared() -> Server:
    """One for the whole test session."""
    server = Server()
    atexit.register(server.remove)
    return server


def _binaries() -> Path:
    """Debian keeps them apart by version; the newest will do."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    if on_path is None:
        raise FileNotFoundError("no PostgreSQL server is installed: .ci/setup installs one")
    return Path(on_path).parent
