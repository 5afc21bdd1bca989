"""A line that breaks: passes bytes to a server, and hangs up after so many of them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


@contextlib.contextmanager
def cutting_proxy(url: str, answer_bytes: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a proxy of `url` that cuts each connection after `answer_bytes` of its answer.

    The list grows by one for each connection.
    """
    target = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    cuts: list[int] = []

    def carry(source: socket.socket, sink: socket.socket, budget: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if budget is not None:
                    data, budget = data[:budget], budget - len(data)
                sink.sendall(data)
                if budget is not None and budget <= 0:
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((target.hostname or "", target.port or 80), 10)
                cuts.append(answer_bytes)
                threading.Thread(target=carry, args=(near, far, None), daemon=True).start()
                threading.Thread(target=carry, args=(far, near, answer_bytes), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", cuts
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
