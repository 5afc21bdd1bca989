"""What is asked of the tables of a SQLite store: plain functions over a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.store.chunks import EMPTY, Encoded
from vox.store.contract import Result

N = TypeVar("N", Digest, NodeId, ActionId)

# action, node, output, issuer, body, size
Claim: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes, int]

# SQLite takes at least 999 variables in a statement; 500 keys already cost as little each as they can.
_KEYS_MAX = 500
_SCAN_ROWS = 1000


# Blobs up to here are written without asking first whether they are there.
SMALL_BYTES_MAX = 4096


class Overfull(Exception):
    """A transaction would have taken more than the quota."""


class Vanished(Exception):
    """Blobs that a transaction relied on are no longer there."""

    def __init__(self, digests: set[Digest]) -> None:
        super().__init__(f"{len(digests)} blobs")
        self.digests = digests


def claim(attestation: Attestation) -> Claim:
    """Return the row of an attestation."""
    statement = attestation.statement
    return (
        statement.action.sha256,
        statement.node.sha256,
        statement.output.sha256,
        statement.issuer.sha256,
        attestation.to_bytes(),
        statement.size,
    )


def absent(connection: sqlite3.Connection, digests: set[Digest]) -> set[Digest]:
    """Return those of `digests` that have no row."""
    query = "SELECT digest FROM blobs WHERE digest IN "
    return digests.difference(Digest(row[0]) for row in _select(connection, query, digests))


def find(connection: sqlite3.Connection, digest: Digest) -> tuple[int, int, int, bytes | None] | None:
    """Return id, size, codec and inline data of a blob."""
    query = "SELECT id, size, codec, data FROM blobs WHERE digest = ?"
    row: tuple[int, int, int, bytes | None] | None = connection.execute(query, (digest.sha256,)).fetchone()
    return row


def chunks(connection: sqlite3.Connection, blob: int) -> sqlite3.Cursor:
    """Return codec and data of every chunk of a blob, in order and of one moment."""
    return connection.execute("SELECT codec, data FROM chunks WHERE blob = ? ORDER BY seq", (blob,))


def chunk(connection: sqlite3.Connection, blob: int, seq: int) -> tuple[int, bytes] | None:
    """Return codec and data of one chunk."""
    query = "SELECT codec, data FROM chunks WHERE blob = ? AND seq = ?"
    row: tuple[int, bytes] | None = connection.execute(query, (blob, seq)).fetchone()
    return row


def blobs_after(connection: sqlite3.Connection, blob: int) -> list[tuple[int, Digest]]:
    """Return the next ids and names, oldest first."""
    query = "SELECT id, digest FROM blobs WHERE id > ? ORDER BY id LIMIT ?"
    return [(number, Digest(name)) for number, name in connection.execute(query, (blob, _SCAN_ROWS))]


def claims_after(connection: sqlite3.Connection, claim: int) -> list[tuple[int, Attestation]]:
    """Return the next ids and claims, oldest first."""
    query = "SELECT id, body FROM attestations WHERE id > ? ORDER BY id LIMIT ?"
    return [
        (number, Attestation.from_bytes(body))
        for number, body in connection.execute(query, (claim, _SCAN_ROWS))
    ]


def results(connection: sqlite3.Connection, nodes: set[NodeId]) -> dict[NodeId, Result]:
    """Return the results of `nodes`."""
    found = {}
    query = "SELECT node, action, output, size FROM results WHERE node IN "
    for node, action, output, size in _select(connection, query, nodes):
        name = NodeId(node)
        found[name] = Result(name, ActionId(action), Digest(output), size)
    return found


def attestations(
    connection: sqlite3.Connection, actions: set[ActionId]
) -> dict[ActionId, tuple[Attestation, ...]]:
    """Return every claim about `actions`."""
    query = "SELECT id, action, body FROM attestations WHERE action IN "
    found: dict[ActionId, list[Attestation]] = {}
    for _, action, body in sorted(_select(connection, query, actions)):
        found.setdefault(ActionId(action), []).append(Attestation.from_bytes(body))
    return {action: tuple(claims) for action, claims in found.items()}


def disputes(connection: sqlite3.Connection) -> dict[ActionId, tuple[Digest, ...]]:
    """Return the actions with several outputs."""
    query = """
        SELECT action, output FROM attestations
        WHERE action IN (SELECT action FROM attestations GROUP BY action HAVING count(DISTINCT output) > 1)
        GROUP BY action, output ORDER BY min(id)
    """
    found: dict[ActionId, tuple[Digest, ...]] = {}
    for action, output in connection.execute(query):
        name = ActionId(action)
        found[name] = (*found.get(name, ()), Digest(output))
    return found


def recall(connection: sqlite3.Connection, keys: Collection[str]) -> dict[str, bytes]:
    """Return the facts under `keys`."""
    query = "SELECT key, value FROM facts WHERE key IN "
    return dict(batches(connection, query, sorted(set(keys))))


def pins(connection: sqlite3.Connection) -> dict[Digest, tuple[str, ...]]:
    """Return every pin."""
    found: dict[Digest, tuple[str, ...]] = {}
    for digest, reason in connection.execute("SELECT digest, reason FROM pins ORDER BY digest, reason"):
        name = Digest(digest)
        found[name] = (*found.get(name, ()), reason)
    return found


def file_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of blobs that lie in files."""
    query = "SELECT coalesce(sum(size), 0) FROM blobs WHERE codec IN (2, 18)"
    total: int = connection.execute(query).fetchone()[0]
    return total


def ghost_hits(connection: sqlite3.Connection, digest: Digest) -> int:
    """Return how often a blob that is gone was asked for."""
    row = connection.execute("SELECT hits FROM gone WHERE digest = ?", (digest.sha256,)).fetchone()
    return 0 if row is None else int(row[0])


def marks(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return every mark: its last claim, and when it was set."""
    query = "SELECT name, claim, at_s FROM marks ORDER BY claim, at_s"
    return {name: (last, at_s) for name, last, at_s in connection.execute(query)}


def unlabel(connection: sqlite3.Connection, digests: set[Digest], scope: str) -> None:
    """Take a scope from blobs."""
    connection.executemany(
        "DELETE FROM labels WHERE digest = ? AND scope = ?", [(d.sha256, scope) for d in sorted(digests)]
    )


def count(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Return the number of blobs, their uncompressed bytes, and the number of results."""
    blobs, blob_bytes = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM blobs").fetchone()
    known = connection.execute("SELECT count(*) FROM results").fetchone()[0]
    return blobs, blob_bytes, known


def insert_blobs(connection: sqlite3.Connection, blobs: Mapping[Digest, Encoded]) -> None:
    """Write blobs that may be there already; those in files are asked to be there."""
    query = "INSERT INTO blobs (digest, size, codec, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    small = []
    # In the order of the index: neighbours share its pages.
    for digest in sorted(blobs):
        blob = blobs[digest]
        if blob.inline is not None:
            small.append((digest.sha256, blob.size, *blob.inline))
            continue
        cursor = connection.execute(query, (digest.sha256, blob.size, blob.codec, None))
        if blob.file is not None:
            blob.file()
            # Who has just written the file knows better than a row that names a damaged one.
            continue
        if cursor.rowcount:
            identity = cursor.lastrowid
            connection.executemany(
                "INSERT INTO chunks (blob, seq, codec, data) VALUES (?, ?, ?, ?)",
                ((identity, seq, codec, data) for seq, (codec, data) in enumerate(blob.chunks)),
            )
    connection.executemany(query, small)


def insert_claims(connection: sqlite3.Connection, claims: Sequence[Claim]) -> None:
    """Record claims, and derive results from them.

    The result of a node is its first claim, until the blob of that is gone and another claim's is here.
    """
    first = 1 + (connection.execute("SELECT max(id) FROM attestations").fetchone()[0] or 0)
    before = connection.total_changes
    connection.executemany(
        "INSERT INTO attestations (id, action, node, output, issuer, body) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(number, *row[:5]) for number, row in enumerate(claims, first)],
    )
    if connection.total_changes - before == len(claims):
        # All are new, as nearly always: their ids need not be looked up.
        source = "VALUES (?2, ?1, ?3, ?5, ?7)"
    else:
        source = (
            "SELECT node, action, output, ?5, id FROM attestations"
            " WHERE action = ?1 AND node = ?2 AND output = ?3 AND issuer = ?4 AND ?7"
        )
    rows = [(*row[:4], row[5], EMPTY.sha256, number) for number, row in enumerate(claims, first)]
    rows.sort(key=lambda row: row[1])
    connection.executemany(
        f"INSERT INTO results (node, action, output, size, claim) {source} {_UPSERT}", rows
    )


_UPSERT = """
    ON CONFLICT (node) DO UPDATE
    SET action = excluded.action, output = excluded.output, size = excluded.size, claim = excluded.claim
    WHERE results.output <> excluded.output
      AND (excluded.output = ?6 OR EXISTS (SELECT 1 FROM blobs WHERE digest = excluded.output))
      AND results.output <> ?6
      AND NOT EXISTS (SELECT 1 FROM blobs WHERE digest = results.output)
"""


def delete(connection: sqlite3.Connection, digests: set[Digest], why: str = "deleted") -> None:
    """Remove blobs and their chunks; that they were here is remembered. Files are left to the caller."""
    names = [(digest.sha256,) for digest in sorted(digests)]
    connection.executemany(
        "INSERT INTO gone SELECT b.digest, coalesce(u.hits, 1), ?2, strftime('%s', 'now')"
        " FROM blobs AS b LEFT JOIN usage AS u ON u.digest = b.digest WHERE b.digest = ?1"
        " ON CONFLICT (digest) DO UPDATE SET hits = excluded.hits, why = excluded.why, at_s = excluded.at_s",
        [(*name, why) for name in names],
    )
    connection.executemany("DELETE FROM usage WHERE digest = ?", names)
    connection.executemany("DELETE FROM chunks WHERE blob = (SELECT id FROM blobs WHERE digest = ?)", names)
    connection.executemany("DELETE FROM blobs WHERE digest = ?", names)


def forget_blob(connection: sqlite3.Connection, blob: int) -> None:
    """Remove the row of a blob whose bytes are gone."""
    connection.execute("DELETE FROM blobs WHERE id = ?", (blob,))


def set_aside(connection: sqlite3.Connection, blob: int, found: Digest) -> bool:
    """Move a blob out of sight, unless somebody has; its chunks keep its id."""
    moved = connection.execute(
        "INSERT INTO quarantine (id, digest, found, size, codec, data, at_s)"
        " SELECT id, digest, ?, size, codec, data, strftime('%s', 'now') FROM blobs WHERE id = ?",
        (found.sha256, blob),
    ).rowcount
    forget_blob(connection, blob)
    return moved > 0


def forget_results(connection: sqlite3.Connection, nodes: set[NodeId]) -> None:
    """Remove the results of nodes."""
    connection.executemany("DELETE FROM results WHERE node = ?", [(node.sha256,) for node in sorted(nodes)])


def remember(connection: sqlite3.Connection, key: str, value: bytes | None) -> None:
    """Keep or forget a fact."""
    if value is None:
        connection.execute("DELETE FROM facts WHERE key = ?", (key,))
    else:
        connection.execute(
            "INSERT INTO facts (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )


def pin(connection: sqlite3.Connection, digests: set[Digest], reason: str) -> None:
    """Pin blobs."""
    query = "INSERT INTO pins (digest, reason) VALUES (?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(query, [(digest.sha256, reason) for digest in sorted(digests)])


def unpin(connection: sqlite3.Connection, reason: str) -> None:
    """Remove the pins of a reason."""
    connection.execute("DELETE FROM pins WHERE reason = ?", (reason,))


def _select(connection: sqlite3.Connection, query: str, names: set[N]) -> Iterator[tuple[Any, ...]]:
    return batches(connection, query, sorted(name.sha256 for name in names))


def batches(
    connection: sqlite3.Connection, query: str, keys: Sequence[bytes] | Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Ask for many keys, some at a time; `query` ends in `IN`."""
    for start in range(0, len(keys), _KEYS_MAX):
        batch = keys[start : start + _KEYS_MAX]
        yield from connection.execute(f"{query}({', '.join('?' * len(batch))})", tuple(batch))
