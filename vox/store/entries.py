"""The entries of a journal, and the index that they add up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.store.chunks import EMPTY
from vox.store.contract import Result

DELETED, EVICTED, QUARANTINED = b"d", b"e", b"q"


def blob_entry(digest: Digest, size: int, codec: int, data: bytes) -> bytes:
    """A blob; `data` is empty if it lies in a file."""
    head = b"B" + digest.sha256 + size.to_bytes(8, "little") + bytes((codec,))
    return head + len(data).to_bytes(4, "little") + data


def gone_entry(digest: Digest, why: bytes) -> bytes:
    """A blob went."""
    return b"D" + digest.sha256 + why


def claim_entry(attestation: Attestation) -> bytes:
    """A claim, with what is looked up of it in front."""
    stated = attestation.statement
    names = (stated.action.sha256, stated.node.sha256, stated.output.sha256, stated.issuer.sha256)
    body = attestation.to_bytes()
    return b"".join((b"C", *names, stated.size.to_bytes(8, "little"), len(body).to_bytes(4, "little"), body))


def fact_entry(key: str, value: bytes | None) -> bytes:
    """A fact, or that it was forgotten."""
    return (
        b"X" + _text(key) if value is None else b"F" + _text(key) + len(value).to_bytes(4, "little") + value
    )


def pin_entry(digest: Digest, reason: str) -> bytes:
    """A pin."""
    return b"P" + digest.sha256 + _text(reason)


def unpin_entry(reason: str) -> bytes:
    """All pins of a reason are taken back."""
    return b"U" + _text(reason)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "little") + data


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob that is here; `data` is None if it lies in a file."""

    size: int
    codec: int
    data: bytes | None


@dataclass
class Index:
    """What the records say, added up."""

    blobs: dict[Digest, Kept] = field(default_factory=dict)
    gone: dict[Digest, bytes] = field(default_factory=dict)
    claims: dict[ActionId, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    results: dict[NodeId, Result] = field(default_factory=dict)
    facts: dict[str, bytes] = field(default_factory=dict)
    pins: dict[Digest, dict[str, None]] = field(default_factory=dict)
    # Bytes of entries that are no longer true.
    stale_bytes: int = 0

    def clear(self) -> None:
        """Forget everything: the journal is read anew."""
        self.__init__()  # type: ignore[misc]

    def apply(self, payload: memoryview) -> None:
        """Take a record's entries, in order."""
        data, at = bytes(payload), 0
        while at < len(data):
            at = _APPLY[data[at]](self, data, at + 1)

    def here(self, digest: Digest) -> bool:
        """Tell whether a blob is here."""
        return digest == EMPTY or digest in self.blobs

    def payloads(self) -> Iterator[bytes]:
        """Yield records that add up to this."""
        for digest, kept in self.blobs.items():
            yield blob_entry(digest, kept.size, kept.codec, kept.data or b"")
        for digest, why in self.gone.items():
            if digest not in self.blobs:
                yield gone_entry(digest, why)
        # Results first as they are: a claim that came later must not become the first.
        for result in self.results.values():
            yield from (c for k, c in self.claims.get(result.action, []) if _states(k, result))  # type: ignore[arg-type]
        for claims in self.claims.values():
            yield b"".join(entry for _, entry in claims)
        for key, value in self.facts.items():
            yield fact_entry(key, value)
        for digest, reasons in self.pins.items():
            yield b"".join(pin_entry(digest, reason) for reason in reasons)

    def _blob(self, data: bytes, at: int) -> int:
        digest = Digest(data[at : at + 32])
        size, codec = int.from_bytes(data[at + 32 : at + 40], "little"), data[at + 40]
        begin = at + 45
        end = begin + int.from_bytes(data[at + 41 : begin], "little")
        if digest in self.blobs:
            self.stale_bytes += end - at
        self.blobs[digest] = Kept(size, codec, data[begin:end] if end > begin else None)
        return end

    def _gone(self, data: bytes, at: int) -> int:
        digest = Digest(data[at : at + 32])
        kept = self.blobs.pop(digest, None)
        self.gone[digest] = data[at + 32 : at + 33]
        self.stale_bytes += 46 + len(kept.data or b"") if kept else 34
        return at + 33

    def _claim(self, data: bytes, at: int) -> int:
        action, node = ActionId(data[at : at + 32]), NodeId(data[at + 32 : at + 64])
        output = Digest(data[at + 64 : at + 96])
        key = data[at + 32 : at + 128]
        begin = at + 140
        end = begin + int.from_bytes(data[at + 136 : begin], "little")
        claims = self.claims.setdefault(action, [])
        if any(key == known for known, _ in claims):
            self.stale_bytes += end - at
        else:
            claims.append((key, data[at - 1 : end]))
        new = Result(node, action, output, int.from_bytes(data[at + 128 : at + 136], "little"))
        old = self.results.setdefault(node, new)
        if old.digest != output and not self.here(old.digest) and self.here(output):
            self.results[node] = new
        return end

    def _fact(self, data: bytes, at: int) -> int:
        key, at = _read(data, at)
        value, at = _read(data, at)
        self.facts[key.decode("utf-8", "surrogatepass")] = value
        return at

    def _no_fact(self, data: bytes, at: int) -> int:
        key, end = _read(data, at)
        value = self.facts.pop(key.decode("utf-8", "surrogatepass"), b"")
        self.stale_bytes += 2 * (end - at) + len(value)
        return end

    def _pin(self, data: bytes, at: int) -> int:
        reason, end = _read(data, at + 32)
        self.pins.setdefault(Digest(data[at : at + 32]), {})[reason.decode()] = None
        return end

    def _unpin(self, data: bytes, at: int) -> int:
        reason, end = _read(data, at)
        for digest in list(self.pins):
            self.pins[digest].pop(reason.decode(), None)
            if not self.pins[digest]:
                del self.pins[digest]
        self.stale_bytes += end - at
        return end


_APPLY = {
    ord(letter): getattr(Index, name)
    for letter, name in {
        "B": "_blob",
        "D": "_gone",
        "C": "_claim",
        "F": "_fact",
        "X": "_no_fact",
        "P": "_pin",
        "U": "_unpin",
    }.items()
}


def _states(key: bytes, result: Result) -> bool:
    return key[:64] == result.node.sha256 + result.digest.sha256


def _read(data: bytes, at: int) -> tuple[bytes, int]:
    begin = at + 4
    end = begin + int.from_bytes(data[at:begin], "little")
    return data[begin:end], end
