"""A process that writes to a store until it is done or killed, telling what was acknowledged.

`python -m tests.support.store_process FOLDER WRITER GROUPS [BACKEND]`: prints the number of each group
after `put` returned for it. A group is a handful of blobs of very different sizes and one claim for each;
before every fourth group a stream too long for the memory is written.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.stores import SIGNER, blob_of, noise, statement, stripes
from vox.attest import Attestation, Statement
from vox.store import open_store
from vox.store.contract import Blob

_SIZES = (40, 700, 30_000, 90_000, 1_500_000)
STREAM_EVERY, _STREAM_PARTS = 4, 12


def group(writer: int, number: int) -> tuple[list[bytes], list[Statement]]:
    """The blobs of a group, known to whoever knows its number, and the statements about them."""
    seed = writer * 1_000_003 + number
    data = [noise(size, seed) for size in _SIZES] + [b"%d" % seed + stripes(300_000)]
    names = [f"{writer} {number} {index}" for index in range(len(data))]
    return data, [statement(name, each) for name, each in zip(names, data, strict=True)]


def stream(writer: int, number: int) -> Iterator[bytes]:
    """What is written before a group whose number is a multiple of STREAM_EVERY."""
    return (noise(1 << 20, 7 * part + writer * 1_000_003 + number) for part in range(_STREAM_PARTS))


def signed(writer: int, number: int) -> tuple[list[Blob], list[Attestation]]:
    """The same, as `put` takes it."""
    data, statements = group(writer, number)
    return [blob_of(each) for each in data], SIGNER.attest(statements)


def main(folder: str, writer: str, groups: str, backend: str = "sqlite") -> None:
    """Write."""
    store = open_store(backend, Path(folder))
    for number in range(int(groups)):
        if number % STREAM_EVERY == 0:
            store.write(stream(int(writer), number))
        store.put(*signed(int(writer), number))
        print(number, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
