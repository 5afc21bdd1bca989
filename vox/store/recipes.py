"""What a stored claim says about computing its blob again, read without decoding the whole of it."""

from __future__ import annotations

from vox.attest import Attestation
from vox.digest import Digest
from vox.encoding import decode_prefix
from vox.store.eviction import Recipe

# In a statement's map: key 1, 2, 3 with 32 bytes each lie between the version and key 4.
_SIZE_AT = 3 + 3 * (1 + 2 + 32) + 1


def recipe_of(body: bytes) -> Recipe:
    """Return inputs and cost from the bytes of an attestation; slowly if they are laid out unusually."""
    lead = {0x58: 3, 0x59: 4}.get(body[1], 0)
    at = lead + _SIZE_AT
    if body[0] == 0x86 and lead and body[lead : lead + 4] == b"\xab\x00\x01\x01" and body[at - 1] == 4:
        at += _width(body[at])
        if body[at] == 5 and body[at + 1] >> 5 == 4 and body[at + 1] & 31 < 24:
            count = body[at + 1] & 31
            at += 2
            inputs = tuple(Digest(body[at + 34 * i + 2 : at + 34 * i + 34]) for i in range(count))
            at += 34 * count + 1 + 34 + 1
            at += 1 + (body[at] & 31) if body[at] & 31 < 24 else 2 + body[at + 1]
            if body[at] == 8:
                cost_ms, _ = decode_prefix(body[at + 1 : at + 10])
                if isinstance(cost_ms, int):
                    return Recipe(inputs, float(cost_ms))
    statement = Attestation.from_bytes(body).statement
    return Recipe(statement.inputs, float(statement.wall_ms))


def _width(head: int) -> int:
    """Return how many bytes an integer takes that begins with `head`."""
    return 1 if head & 31 < 24 else 1 + (1 << (head & 31) - 24)
