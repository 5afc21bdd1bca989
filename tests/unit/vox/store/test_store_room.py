"""Room under a quota when several write at once."""

from __future__ import annotations

import threading
import time

import pytest

from vox.errors import StoreFull
from vox.store.room import Room

WAIT_S = 20.0


def test_who_does_not_fit_beside_another_writer_waits_for_him() -> None:
    room = Room(100, lambda: 0, lambda _: False)
    inside, leave, entered = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with room.reserve(80):
            inside.set()
            assert leave.wait(WAIT_S)

    def second() -> None:
        with room.reserve(80):
            entered.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(WAIT_S)
    threads[1].start()
    assert not entered.wait(0.1)
    leave.set()
    assert entered.wait(WAIT_S)
    for thread in threads:
        thread.join(WAIT_S)


def test_who_is_alone_or_too_large_is_told_at_once() -> None:
    room = Room(100, lambda: 50, lambda _: False)
    began = time.monotonic()
    with pytest.raises(StoreFull):
        room.reserve(80).__enter__()
    with room.reserve(30), pytest.raises(StoreFull):
        room.reserve(101).__enter__()
    # A stream waits for others, not for itself.
    with pytest.raises(StoreFull), room.stream(iter([b"x" * 30] * 5)) as parts:
        list(parts)
    assert time.monotonic() - began < 3.0
    with room.reserve(50):
        pass
