"""Carries connections from a port on the machine's loopback to the API server inside.

A socket stays in the network namespace that it was made in: the listener is opened outside,
inherited, and accepted from in here.
"""

import contextlib
import socket
import threading

from e2e.cluster.layout import API_PORT

__all__ = ["open_doorway"]


def open_doorway(listener: socket.socket) -> None:
    """Serve `listener` on a thread of its own, until the process ends."""
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()


def _accept(listener: socket.socket) -> None:
    while True:
        outer, _ = listener.accept()
        threading.Thread(target=_join, args=(outer,), daemon=True).start()


def _join(outer: socket.socket) -> None:
    with (
        outer,
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", API_PORT)) as inner,
    ):
        for end in (outer, inner):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_carry, args=(inner, outer), daemon=True)
        back.start()
        _carry(outer, inner)
        back.join()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
