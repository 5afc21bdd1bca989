"""A store of plain files, opened; and what is done to it beside reading and writing values."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from vox.attest import Attestation
from vox.digest import Digest
from vox.errors import StoreError, StoreFull, StoreUnusable
from vox.store import entries, eviction
from vox.store.chunks import Form
from vox.store.contract import Buffer, StoreStats
from vox.store.entries import Index
from vox.store.files import BlobFiles
from vox.store.journal import Journal
from vox.store.keyring import keys_of
from vox.store.options import StoreOptions
from vox.store.recipes import recipe_of
from vox.store.room import Room
from vox.store.scrub import corrupt_among

_COMPACT_BYTES_MIN = 1 << 20


class FilesystemCare:
    """The folder of a store, and the verbs of whoever looks after it."""

    backend = "filesystem"

    def __init__(self, path: Path, options: StoreOptions) -> None:
        self.options = options
        self.path = Path(path)
        self._closed = False
        with self._errors():
            if self.options.read_only and not (self.path / "journal").exists():
                raise StoreUnusable(f"there is no store at {self.path}", hint="check the path")
            self._keys = keys_of(self.path, self.path / "journal", self.options)
            self._form = Form(self.options.level, self._keys)
            self._files = BlobFiles(self.path, self._errors, self._form)
            self._index = Index()
            self._journal = Journal(
                self.path, self._index.apply, self._index.clear, read_only=self.options.read_only
            )
            self._journal.refresh()
        self._hits: dict[Digest, int] = {}
        self._clock = 0.0
        self._evicted = 0
        self._room = Room(self.options.quota_bytes, self.used_bytes, self._evict)

    # Seeing

    def pins(self) -> dict[Digest, tuple[str, ...]]:
        """Return the pinned blobs and the reasons for it."""
        with self._reading() as index:
            return {digest: tuple(sorted(reasons)) for digest, reasons in index.pins.items()}

    def digests(self) -> Iterator[Digest]:
        """Yield the name of every blob."""
        with self._reading() as index:
            names = list(index.blobs)
        return iter(names)

    def claims(self) -> Iterator[Attestation]:
        """Yield every claim; of one node, the one that is its result first."""
        with self._reading() as index:
            found = [entry[141:] for claims in index.claims.values() for _, entry in claims]
            first = {(r.node, r.digest) for r in index.results.values()}
        claims = [Attestation.from_bytes(body) for body in found]
        claims.sort(key=lambda claim: (claim.statement.node, claim.statement.output) not in first)
        return iter(claims)

    def used_bytes(self) -> int:
        """Return what counts against the quota."""
        with self._reading() as index:
            files = sum(kept.size for kept in index.blobs.values() if kept.data is None)
        return files + self._journal.path.stat().st_size

    def stats(self) -> StoreStats:
        """Count."""
        with self._reading() as index:
            held = sum(kept.size for kept in index.blobs.values())
            blobs, results = len(index.blobs), len(index.results)
        disk, quota = self.used_bytes(), self.options.quota_bytes
        return StoreStats(
            str(self.path), self.backend, blobs, results, held, disk, quota_bytes=quota, evicted=self._evicted
        )

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; BlobMissing or BlobCorrupt otherwise."""
        raise NotImplementedError

    def check(self, sample: float = 1.0, seed: int = 0) -> list[Digest]:
        """Read everything; return the names of blobs that were corrupt and are now set aside."""
        return corrupt_among(self.digests(), self._read_anew, sample, seed)

    def _read_anew(self, digest: Digest) -> Buffer:
        self._files.forget_verified(digest)
        return self.read(digest)

    def collect(self, target_bytes: int | None = None, *, dry: bool = False) -> list[Digest]:
        """Remove blobs that no result names; then what is worth least, until `target_bytes` are taken."""
        with self._reading() as index:
            named = {result.digest for result in index.results.values()} | set(index.pins)
            for claims in index.claims.values():
                for _, entry in claims:
                    named.update(recipe_of(entry[141:]).inputs)
            victims = sorted(set(index.blobs) - named)
        over = 0 if target_bytes is None else self.used_bytes() - target_bytes
        if dry:
            return victims + [item.digest for item in self._choose(over).victims if over > 0]
        self._remove(set(victims), entries.DELETED)
        while target_bytes is not None and (over := self.used_bytes() - target_bytes) > 0:
            went = self._choose(over).victims
            if not went:
                break
            victims += [item.digest for item in went]
            self._remove({item.digest for item in went}, entries.EVICTED)
        with self._errors(), self._journal.lock, self._journal.exclusive():
            self._files.sweep()
            self._files.remove(name for name in list(self._files.names()) if not self._index.here(name))
        if 2 * self._index.stale_bytes > self._journal.path.stat().st_size > _COMPACT_BYTES_MIN:
            with self._errors():
                self._journal.rewrite(self._index.payloads)
        return victims

    def backup(self, path: Path) -> None:
        """Write a copy of this moment to the new folder `path`, whole or not at all."""
        from vox.store.backup import back_up_files

        with self._errors():
            back_up_files(self._journal, self._files, path)

    # Keeping and letting go

    def delete(self, digests: Collection[Digest]) -> None:
        """Forget blobs. The results that named them stay known as claims."""
        self._remove(set(digests), entries.DELETED)

    def pin(self, digests: Collection[Digest], reason: str) -> None:
        """Ask that blobs are not collected, for a reason."""
        self._log(lambda: b"".join(entries.pin_entry(digest, reason) for digest in sorted(digests)))

    def unpin(self, reason: str) -> None:
        """Take back every pin of a reason."""
        self._log(lambda: entries.unpin_entry(reason))

    def close(self) -> None:
        """Let go of the path."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------

    def _log(self, prepare: Callable[[], bytes]) -> None:
        self._check_writable()
        with self._errors():
            self._journal.append(prepare)

    def _remove(self, digests: set[Digest], why: bytes) -> None:
        """Record that blobs go, and let their files go, under the same lock."""

        def prepare() -> bytes:
            return b"".join(entries.gone_entry(d, why) for d in sorted(digests) if d in self._index.blobs)

        def unlink() -> bytes:
            self._files.remove(digest for digest in digests if not self._index.here(digest))
            return b""

        self._log(prepare)
        self._log(unlink)

    def _evict(self, bytes_wanted: int) -> bool:
        choice = self._choose(bytes_wanted)
        self._remove({item.digest for item in choice.victims}, entries.EVICTED)
        self._clock = choice.clock
        self._evicted += len(choice.victims)
        if choice.victims and self._index.stale_bytes > self.options.quota_bytes // 10:
            with self._errors():
                self._journal.rewrite(self._index.payloads)
        return bool(choice.victims)

    def _choose(self, bytes_wanted: int) -> eviction.Choice:
        with self._reading() as index:
            ways: dict[Digest, list[eviction.Recipe]] = {}
            for claims in index.claims.values():
                for _, entry in claims:
                    ways.setdefault(Digest(entry[65:97]), []).append(recipe_of(entry[141:]))
            may_go = eviction.recomputable(index.blobs, set(index.gone) - set(index.blobs), ways)
            held = [
                eviction.Held(
                    digest, (len(kept.data) if kept.data else kept.size) + 50, 1 + self._hits.get(digest, 0)
                )
                for digest, kept in index.blobs.items()
                if digest not in index.pins
            ]
        return eviction.choose(held, ways, may_go, bytes_wanted, self._clock)

    @contextmanager
    def _reading(self) -> Iterator[Index]:
        self._check_usable()
        with self._errors(), self._journal.lock:
            self._journal.refresh()
            yield self._index

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnusable(f"the store at {self.path} is closed")

    def _check_writable(self) -> None:
        self._check_usable()
        if self.options.read_only:
            raise StoreUnusable(f"the store at {self.path} was opened for reading only")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _translated(error, self.path) from error


def _translated(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(
            f"no space is left for the store at {path}",
            hint="free some space, or set `[store] path` to a larger disk; what was stored before is intact",
        )
    reason = (
        "is not a folder" if error.errno in (errno.EEXIST, errno.ENOTDIR) else error.strerror or str(error)
    )
    return StoreUnusable(
        f"the store at {path} cannot be used: {reason}",
        hint="set `[store] path` (VOX_STORE_PATH) to a folder that can be written",
    )
