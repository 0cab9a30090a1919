"""The limit: what plain sockets reach, with neither signatures nor a client around them.

`sendall` of a mapped file over some connections, one thread each; create, appends and flush as
any client must send them. (A mapped file is the fastest source there is, and one that a real
client must not use: a source that shrinks would end the process by a signal.)
"""

from __future__ import annotations

import mmap
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from measure import FILESYSTEM, MIB, Task, main

Buffer = bytes | memoryview


class Connection:
    """One keep-alive connection; opened by the first request."""

    def __init__(self, endpoint: str) -> None:
        url = urlsplit(endpoint)
        self._address = (url.hostname or "", url.port or 0)
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._base = f"{url.path}/{FILESYSTEM}"
        self._socket: socket.socket | None = None

    def send(self, method: str, path: str, query: str, body: Buffer = b"") -> None:
        """One request and its answer; raises OSError when the answer is not a success."""
        connected = self._socket or self._connect()
        head = (
            f"{method} {self._base}/{quote(path)}?{query} HTTP/1.1\r\nHost: sink\r\n"
            f"x-ms-version: 2023-11-03\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        if len(body) <= 64 * 1024:
            connected.sendall(head + body)
        else:
            connected.sendall(head)
            connected.sendall(body)
        answer = connected.recv(65536)  # short, and sent in one piece
        if not answer.startswith(b"HTTP/1.1 20"):
            raise OSError(answer.decode())

    def _connect(self) -> socket.socket:
        plain = socket.create_connection(self._address)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wrapped = (
            self._tls.wrap_socket(plain, server_hostname=self._address[0]) if self._tls else plain
        )
        self._socket = wrapped
        return wrapped

    def close(self) -> None:
        if self._socket:
            self._socket.close()


def in_parallel(endpoint: str, workers: int, jobs: Iterable[Callable[[Connection], None]]) -> None:
    """Work off the jobs with one connection a worker; the first failure is raised."""
    waiting: queue.SimpleQueue[Callable[[Connection], None]] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    failures: list[Exception] = []

    def work() -> None:
        connection = Connection(endpoint)
        try:
            while not failures:
                waiting.get_nowait()(connection)
        except queue.Empty:
            pass
        except OSError as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def send_file(task: Task, workers: int, chunk_size: int) -> None:
    """One big file: create, appends in parallel, flush."""
    name = task.name(task.file)
    first = Connection(task.endpoint)
    with task.file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as map_:
        view = memoryview(map_)
        first.send("PUT", name, "resource=file")

        def append(position: int) -> Callable[[Connection], None]:
            piece = view[position : position + chunk_size]
            query = f"action=append&position={position}"
            return lambda connection: connection.send("PATCH", name, query, piece)

        jobs = [append(position) for position in range(0, len(view), chunk_size)]
        in_parallel(task.endpoint, min(workers, len(jobs)), jobs)
        first.send("PATCH", name, f"action=flush&position={len(view)}&close=true")
        del jobs
        view.release()
    first.close()


def send_small(task: Task, workers: int) -> None:
    """Many small files: two requests each."""

    def one(file: Path) -> Callable[[Connection], None]:
        def job(connection: Connection) -> None:
            name = task.name(file)
            connection.send("PUT", name, "resource=file")
            connection.send(
                "PATCH", name, "action=append&position=0&flush=true&close=true", file.read_bytes()
            )

        return job

    in_parallel(task.endpoint, workers, map(one, task.files))


def raw(task: Task) -> Callable[[], None]:
    """The upload by plain sockets, at 4 connections × 16 MiB unless the task says otherwise."""
    workers, chunk_size = task.workers or 4, task.chunk_size or 16 * MIB
    if task.is_directory:
        return lambda: send_small(task, workers)
    return lambda: send_file(task, workers, chunk_size)


if __name__ == "__main__":
    main({"raw": raw})
