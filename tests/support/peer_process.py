"""A member machine as a process: `python -m tests.support.peer_process FOLDER HOST PATIENCE_S [WANTED …]`.

It serves the store in FOLDER, finds others by multicast only, prints a line when it serves, fetches what is
WANTED, prints a line for each blob that came, says when all came or its patience ended, and serves on until
its input ends.
"""

import sys
import time
from pathlib import Path

from p2p.identity import Membership
from p2p.presence import Presence
from vox.digest import Digest
from vox.store.sqlite import SqliteStore


def main(folder: Path, host: str, patience_s: float, wanted: list[Digest]) -> None:
    membership = Membership.load(folder)
    assert membership is not None
    store = SqliteStore(folder / "store")
    presence = Presence(store, membership, host=host, timeout_s=5.0)
    print("serves", presence.start(), flush=True)
    end = time.monotonic() + patience_s
    while (left := store.missing(wanted)) and time.monotonic() < end:
        for digest in presence.neighbours.fetch(left):
            print("fetched", digest, Digest.of(store.read(digest)) == digest, flush=True)
        time.sleep(0.1)
    print("has" if not left else "gave up", flush=True)
    sys.stdin.read()
    presence.close()
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), [Digest.parse(text) for text in sys.argv[4:]])
