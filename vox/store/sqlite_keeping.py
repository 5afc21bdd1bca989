"""What a quota, scopes, marks and the audit log ask of the tables: plain functions over a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence

from vox.attest import Attestation
from vox.digest import Digest, NodeId
from vox.store import audit, eviction
from vox.store import sqlite_rows as rows
from vox.store.recipes import recipe_of

# What a blob's rows and their index take beside its bytes, and a claim's with its index and result.
BLOB_ROW_BYTES, CLAIM_ROW_BYTES = 300, 1400


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return what the store takes: the pages in use, and the files beside them."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size + rows.file_bytes(connection))


def counters(connection: sqlite3.Connection) -> dict[str, float]:
    """Return every counter: `clock`, `evicted`, `computed_ms`, `recomputed_ms`."""
    return dict(connection.execute("SELECT name, value FROM counters"))


def count(connection: sqlite3.Connection, changes: Mapping[str, float]) -> None:
    """Add to counters."""
    connection.executemany(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, value) for name, value in changes.items() if value],
    )


def note_hits(connection: sqlite3.Connection, hits: Mapping[Digest, int]) -> None:
    """Write down how often blobs were asked for since this was last done."""
    clock = counters(connection).get("clock", 0.0)
    connection.executemany(
        "INSERT INTO usage VALUES (?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET hits = usage.hits + ?4, clock = excluded.clock",
        [(digest.sha256, 1 + number, clock, number) for digest, number in sorted(hits.items())],
    )


def note_written(connection: sqlite3.Connection, costs_ms: Mapping[Digest, float]) -> None:
    """Give new blobs their place in time, and count what is computed again after it was evicted.

    What comes back keeps the hits that it had: it is worth more than before, so the two do not take turns.
    """
    clock = counters(connection).get("clock", 0.0)
    names = [digest.sha256 for digest in sorted(costs_ms)]
    query = "SELECT digest, hits FROM gone WHERE why = 'evicted' AND digest IN "
    ghosts = {Digest(name): hits for name, hits in rows.batches(connection, query, names)}
    connection.executemany(
        "INSERT INTO usage VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(name, 1 + ghosts.get(Digest(name), 0), clock) for name in names],
    )
    connection.executemany("DELETE FROM gone WHERE digest = ?", [(digest.sha256,) for digest in ghosts])
    again = sum(costs_ms[digest] for digest in ghosts)
    count(connection, {"computed_ms": sum(costs_ms.values()), "recomputed_ms": again})


def held(connection: sqlite3.Connection) -> list[eviction.Held]:
    """Return every blob that is not pinned, with what it takes."""
    query = """
        SELECT b.digest,
               CASE WHEN b.data IS NOT NULL THEN length(b.data) WHEN b.codec IN (2, 18) THEN b.size
               ELSE (SELECT sum(length(c.data)) FROM chunks AS c WHERE c.blob = b.id) END,
               coalesce(u.hits, 1), coalesce(u.clock, 0)
        FROM blobs AS b LEFT JOIN usage AS u ON u.digest = b.digest
        WHERE NOT EXISTS (SELECT 1 FROM pins AS p WHERE p.digest = b.digest)
    """
    return [
        eviction.Held(Digest(name), (stored or 0) + BLOB_ROW_BYTES, hits, clock)
        for name, stored, hits, clock in connection.execute(query)
    ]


def recipes(connection: sqlite3.Connection) -> dict[Digest, list[eviction.Recipe]]:
    """Return every way to compute a blob again that a claim tells."""
    found: dict[Digest, list[eviction.Recipe]] = {}
    for output, body in connection.execute("SELECT output, body FROM attestations"):
        found.setdefault(Digest(output), []).append(recipe_of(body))
    return found


def choose(connection: sqlite3.Connection, bytes_wanted: int) -> tuple[eviction.Choice, eviction.Recipes]:
    """Return what would go to free some bytes."""
    every, ways = held(connection), recipes(connection)
    here = {Digest(name) for (name,) in connection.execute("SELECT digest FROM blobs")}
    gone = {Digest(name) for (name,) in connection.execute("SELECT digest FROM gone")} - here
    may_go = eviction.recomputable(here, gone, ways)
    clock = counters(connection).get("clock", 0.0)
    return eviction.choose(every, ways, may_go, bytes_wanted, clock), ways


def evict(connection: sqlite3.Connection, bytes_wanted: int) -> list[Digest]:
    """Remove what is worth least and can be computed again; return the names."""
    choice, _ = choose(connection, bytes_wanted)
    before = counters(connection).get("clock", 0.0)
    names = [item.digest for item in choice.victims]
    rows.delete(connection, set(names), "evicted")
    count(
        connection,
        {"clock": choice.clock - before, "evicted": len(names), "evicted_bytes": choice.freed_bytes},
    )
    return names


def unclaimed(connection: sqlite3.Connection) -> set[Digest]:
    """Return blobs that no result names, neither as its output nor as an input, and that are not pinned."""
    named: set[Digest] = set()
    for output, body in connection.execute(
        "SELECT r.output, a.body FROM results AS r JOIN attestations AS a ON a.id = r.claim"
    ):
        named.add(Digest(output))
        named.update(recipe_of(body).inputs)
    query = "SELECT digest FROM blobs WHERE digest NOT IN (SELECT digest FROM pins)"
    return {Digest(name) for (name,) in connection.execute(query)} - named


# Scopes ----------------------------------------------------------------------------------------------


def labels(connection: sqlite3.Connection, digests: Collection[Digest]) -> dict[Digest, dict[str, str]]:
    """Return the scopes of blobs, and who set each."""
    found: dict[Digest, dict[str, str]] = {}
    query = "SELECT digest, scope, owner FROM labels WHERE digest IN "
    for name, scope, owner in rows.batches(connection, query, sorted(d.sha256 for d in digests)):
        found.setdefault(Digest(name), {})[scope] = owner
    return found


def label(connection: sqlite3.Connection, digests: Collection[Digest], scope: str, owner: str) -> None:
    """Give blobs a scope, and everything that was computed from them."""
    reached = set(digests)
    users: dict[Digest, set[Digest]] = {}
    for output, ways in recipes(connection).items():
        for recipe in ways:
            for name in recipe.inputs:
                users.setdefault(name, set()).add(output)
    todo = list(reached)
    while todo:
        new = users.get(todo.pop(), set()) - reached
        reached |= new
        todo += new
    connection.executemany(
        "INSERT INTO labels VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(digest.sha256, scope, owner) for digest in sorted(reached)],
    )


def inherit(connection: sqlite3.Connection, made: Sequence[tuple[Digest, Sequence[Digest]]]) -> None:
    """Give new results every scope of their inputs; `made` has inputs before what uses them."""
    if connection.execute("SELECT 1 FROM labels LIMIT 1").fetchone() is None:
        return
    for output, inputs in made:
        for scopes in labels(connection, inputs).values():
            connection.executemany(
                "INSERT INTO labels VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(output.sha256, scope, owner) for scope, owner in scopes.items()],
            )


# Marks -----------------------------------------------------------------------------------------------


def mark(connection: sqlite3.Connection, name: str, at_s: int, last: int | None = None) -> None:
    """Write down the last claim known, or one before; a mark that exists stays where it is."""
    connection.execute(
        "INSERT INTO marks SELECT ?1, coalesce(?3, max(id), 0), ?2 FROM attestations WHERE true"
        " ON CONFLICT DO NOTHING",
        (name, at_s, last),
    )


def position(connection: sqlite3.Connection) -> int:
    """Return the last claim known."""
    last: int = connection.execute("SELECT coalesce(max(id), 0) FROM attestations").fetchone()[0]
    return last


def roll_back(
    connection: sqlite3.Connection,
    name: str,
    span: tuple[int, int | None],
    nodes: Collection[NodeId] | None,
    at_s: int,
) -> int:
    """Take back the claims after one and up to another, or those of them about some nodes; return how many.

    Each node then has the result that the first of its other claims says. Blobs stay: whoever collects sweeps
    those that nothing names any more.
    """
    after, last = span[0], position(connection) if span[1] is None else span[1]
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS taken (id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM taken")
    within = connection.execute(
        "SELECT id, node FROM attestations WHERE id > ? AND id <= ?", (after, last)
    ).fetchall()
    names = None if nodes is None else {node.sha256 for node in nodes}
    connection.executemany(
        "INSERT INTO taken VALUES (?)", [(n,) for n, node in within if names is None or node in names]
    )
    about = "(SELECT node FROM attestations WHERE id IN taken)"
    left = connection.execute(
        "SELECT node, action, output, min(id), body FROM attestations"
        f" WHERE id NOT IN taken AND node IN {about} GROUP BY node"
    ).fetchall()
    connection.execute(f"DELETE FROM results WHERE node IN {about}")
    connection.execute(
        "INSERT INTO withdrawn SELECT id, action, node, output, issuer, body, ?, ? FROM attestations"
        " WHERE id IN taken",
        (name, at_s),
    )
    taken = connection.execute("DELETE FROM attestations WHERE id IN taken").rowcount
    connection.executemany(
        "INSERT INTO results (node, action, output, size, claim) VALUES (?, ?, ?, ?, ?)",
        [
            (node, action, output, Attestation.from_bytes(body).statement.size, number)
            for node, action, output, number, body in left
        ],
    )
    # Ids are given anew from the highest that is left: no mark may lie beyond it.
    connection.execute("UPDATE marks SET claim = min(claim, ?)", (position(connection),))
    return taken


# The audit log ---------------------------------------------------------------------------------------


def write_audit(connection: sqlite3.Connection, entries: Sequence[audit.Entry]) -> None:
    """Append to the chain."""
    row = connection.execute("SELECT hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    before = audit.START if row is None else row[0]
    for item in entries:
        data = item.encode()
        before = audit.chained(before, data)
        connection.execute("INSERT INTO audit (entry, hash) VALUES (?, ?)", (data, before))


def read_audit(connection: sqlite3.Connection) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, entry and hash, oldest first."""
    return iter(connection.execute("SELECT id, entry, hash FROM audit ORDER BY id"))
