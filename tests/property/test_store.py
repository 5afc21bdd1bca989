"""Any history of calls gives the same answers from a disk as from memory, across reopening and crashes."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.stores import OTHER_SIGNER, SIGNER, blob_of, claim, noise, stripes
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobMissing
from vox.store.chunks import encode_blob, pieces, unpack
from vox.store.contract import CHUNK_BYTES, Blob
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.memory import MemoryStore
from vox.store.sqlite import SqliteStore

SIZES = (0, 1, 300, 512, 65_536, 65_537, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 5)
VALUES = [make(size) for size in SIZES for make in (noise, stripes)]
value = st.integers(0, len(VALUES) - 1)  # numbers, so that a history can be read when it fails
name = st.sampled_from(["a", "b", "c"])
SIGNERS = [SIGNER, OTHER_SIGNER]
signer = st.integers(0, 1)
ALL = {Digest.of(data) for data in VALUES}


class Histories(RuleBasedStateMachine):
    """A store on the disk and one in memory side by side."""

    kind: Any = SqliteStore

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk = self.kind(self.folder)
        self.memory = MemoryStore()

    def teardown(self) -> None:
        self.disk.close()
        shutil.rmtree(self.folder)

    def both(self, call: Any) -> None:
        outcomes = []
        for store in (self.disk, self.memory):
            try:
                outcomes.append(call(store))
            except BlobMissing as error:
                outcomes.append(error.digest)
        assert outcomes[0] == outcomes[1]

    @rule(number=value, cut=st.integers(0, 3 * CHUNK_BYTES))
    def write(self, number: int, cut: int) -> None:
        data = VALUES[number]
        self.both(lambda store: store.write([data[:cut], data[cut:]]))

    @rule(items=st.lists(st.tuples(value, name, name, signer), max_size=4))
    def put(self, items: Any) -> None:
        blobs = [blob_of(VALUES[number]) for number, *_ in items]
        claims = [claim(action, VALUES[n], SIGNERS[who], node=node) for n, action, node, who in items]
        self.both(lambda store: store.put(blobs, claims))

    @rule(number=value, action=name, who=signer)
    def record(self, number: int, action: str, who: int) -> None:
        told = [claim(action, VALUES[number], SIGNERS[who])]
        self.both(lambda store: store.record(told))

    @rule(numbers=st.lists(value, max_size=6))
    def delete(self, numbers: list[int]) -> None:
        self.both(lambda store: store.delete([Digest.of(VALUES[number]) for number in numbers]))

    @rule(number=value, offset=st.integers(0, 3 * CHUNK_BYTES))
    def read(self, number: int, offset: int) -> None:
        digest = Digest.of(VALUES[number])
        self.both(lambda store: store.size(digest))
        self.both(lambda store: bytes(store.read(digest)))
        self.both(lambda store: b"".join(store.open(digest, offset)))

    @rule(key=name, fact=st.none() | st.binary(max_size=8))
    def remember(self, key: str, fact: bytes | None) -> None:
        self.both(lambda store: store.remember(key, fact))

    @rule(number=value)
    def scrub(self, number: int) -> None:
        # Memory keeps what nothing names; so this only asks whether all is sound.
        assert self.disk.check() == []

    @rule()
    def reopen(self) -> None:
        self.disk.close()
        self.disk = self.kind(self.folder)

    @rule()
    def crash(self) -> None:
        # What a killed process leaves behind is a copy of its files.
        copy = Path(tempfile.mkdtemp()) / "store"
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("*-shm"))
        self.disk.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.disk = self.kind(copy)

    @invariant()
    def the_same_is_known(self) -> None:
        self.both(lambda store: store.missing(ALL))
        nodes = [NodeId.of(text.encode()) for text in "abc"]
        actions = [ActionId.of(text.encode()) for text in "abc"]
        self.both(lambda store: store.results(nodes))
        self.both(lambda store: store.attestations(actions))
        self.both(lambda store: store.recall(["a", "b", "c"]))
        self.both(lambda store: (store.stats().blobs, store.stats().results, store.stats().blob_bytes))


class HybridHistories(Histories):
    """Large blobs in files."""

    kind = HybridStore


class FilesystemHistories(Histories):
    """Plain files."""

    kind = FilesystemStore


TestHistories, TestHybrid, TestFilesystem = (
    machine.TestCase for machine in (Histories, HybridHistories, FilesystemHistories)
)
TestHistories.settings = TestHybrid.settings = TestFilesystem.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


@given(st.lists(st.integers(0, 2 * CHUNK_BYTES + 3), max_size=5))
@settings(max_examples=30, deadline=None)
def test_however_a_blob_is_cut_into_parts_its_chunks_are_the_same(sizes: list[int]) -> None:
    data = noise(sum(sizes) // 2) + stripes(sum(sizes) - sum(sizes) // 2)
    parts, at = [], 0
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    cut = [bytes(piece) for piece in pieces(parts)]
    assert cut == [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    encoded = encode_blob(Blob(Digest.of(data), parts))
    kept = [(codec, bytes(chunk)) for codec, chunk in encoded.chunks]
    assert [unpack(codec, chunk, len(piece)) for (codec, chunk), piece in zip(kept, cut, strict=True)] == cut
