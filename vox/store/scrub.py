"""Reading blobs only to see whether they are still what their names say."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vox.digest import Digest
from vox.errors import BlobCorrupt, BlobMissing


def corrupt_among(
    digests: Iterable[Digest], read: Callable[[Digest], object], sample: float = 1.0, seed: int = 0
) -> list[Digest]:
    """Return those of `digests` that `read` finds corrupt.

    Parameters
    ----------
    read
        Reads a blob from where it is kept and verifies it; sets a corrupt one aside and raises BlobCorrupt.
    sample
        The share of blobs that is read, chosen by `seed`: a scrub that takes turns.
    """
    corrupt = []
    for digest in digests:
        if sample < 1.0 and _drawn(digest, seed) >= sample:
            continue
        try:
            read(digest)
        except BlobCorrupt:
            corrupt.append(digest)
        except BlobMissing:
            pass  # deleted meanwhile, or its file is gone: then it is missing from now on
    return corrupt


def _drawn(digest: Digest, seed: int) -> float:
    return int.from_bytes(Digest.of(digest.sha256, seed.to_bytes(8, "big")).sha256[:6], "big") / (1 << 48)
