"""The ledger: executions and their events, on disk before anybody is told. The coordinator's sqlite3 door."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coordinator.contract import DynamicExecutionConfig, ExecutionResult
from coordinator.journal import (
    config_from_json,
    config_to_json,
    plan_from_bytes,
    plan_to_bytes,
    result_from_json,
    result_to_json,
)
from coordinator.pages import Page, count_of, events_of, from_document, to_document
from vox.errors import ExecutionUnknown, StoreFull, StoreUnusable
from vox.events import Event
from vox.plan import Plan

# Version 2 has pages (coordinator.pages) among its events; what version 1 wrote, it reads.
VERSION = 2
BUSY_S = 30.0
# Events are written as they come, many to a row: one row for each thing that happened, not for each node.
_SCHEMA = """
CREATE TABLE executions (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    plan     BLOB NOT NULL,
    config   TEXT NOT NULL,
    began    REAL NOT NULL,
    ended    REAL,
    result   TEXT
) STRICT;
CREATE INDEX executions_open ON executions (id) WHERE ended IS NULL;
CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (execution, first)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An execution in the ledger; `result` is None while it has not ended."""

    execution: str
    config: DynamicExecutionConfig
    began: float
    ended: float | None
    result: ExecutionResult | None


class Ledger:
    """Executions and events in one SQLite file. Safe to call from any thread.

    Raises
    ------
    StoreUnusable, StoreFull
        If the file cannot be opened or written, or is not a ledger of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._prepare()

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self._transaction():
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
                    version = VERSION
        if version == 1:
            connection.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise StoreUnusable(
                f"{self._path} is a ledger of version {version}; this program writes version {VERSION}",
                hint="use the version of vox that wrote it, or another folder",
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            said = str(error)
            if "full" in said:
                raise StoreFull(f"no space for the ledger {self._path}", hint="free some space") from error
            raise StoreUnusable(f"the ledger {self._path} cannot be used: {said}") from error
        except OSError as error:
            raise StoreUnusable(f"the ledger {self._path} cannot be used: {error.strerror}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def begin(self, execution: str, plan: Plan, config: DynamicExecutionConfig, now: float) -> None:
        """Write down that an execution was accepted."""
        body, settings = plan_to_bytes(plan), config_to_json(config)
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO executions (name, plan, config, began) VALUES (?, ?, ?, ?)",
                (execution, body, settings, now),
            )

    def append(
        self,
        events: Sequence[tuple[str, int, Sequence[Event | Page]]],
        finished: Sequence[tuple[ExecutionResult, float]] = (),
    ) -> None:
        """Write down what happened, in one durable step.

        Parameters
        ----------
        events
            Execution, number of the first event, and the events, some of them as pages.
        finished
            Executions that have ended, and when.
        """
        rows = [
            (
                name,
                first,
                first + sum(map(count_of, batch)) - 1,
                json.dumps([to_document(item) for item in batch]),
            )
            for name, first, batch in events
        ]
        ends = [(now, result_to_json(result), result.execution) for result, now in finished]
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO events SELECT id, ?2, ?3, ?4 FROM executions WHERE name = ?1", rows
            )
            connection.executemany("UPDATE executions SET ended = ?, result = ? WHERE name = ?", ends)

    def events(self, execution: str, after: int = 0, limit: int = 0) -> list[tuple[int, Event]]:
        """Return numbered events, those after `after`; not many more than `limit`, if that is given."""
        query = (
            "SELECT first, last, body FROM events WHERE last > ? AND execution ="
            " (SELECT id FROM executions WHERE name = ?) ORDER BY first"
        )
        rows, found = [], 0
        with self._lock, self._translated():
            for first, last, body in self._connection.execute(query, (after, execution)):
                rows.append((first, body))
                found += last - max(first, after + 1) + 1
                if limit and found >= limit:
                    break
        return [
            (number, event)
            for first, body in rows
            for number, event in enumerate(events_of(map(from_document, json.loads(body))), first)
            if number > after
        ]

    def items(self, execution: str, last: int = 0) -> list[Event | Page]:
        """Return what happened as it was written, up to event number `last`; 0 for all."""
        query = (
            "SELECT body FROM events WHERE execution = (SELECT id FROM executions WHERE name = ?)"
            " AND (last <= ? OR ? = 0) ORDER BY first"
        )
        with self._lock, self._translated():
            rows = self._connection.execute(query, (execution, last, last)).fetchall()
        return [from_document(document) for (body,) in rows for document in json.loads(body)]

    def last_number(self, execution: str) -> int:
        """Return the number of the last event; 0 when there is none."""
        query = (
            "SELECT coalesce(max(last), 0) FROM events"
            " WHERE execution = (SELECT id FROM executions WHERE name = ?)"
        )
        with self._lock, self._translated():
            (number,) = self._connection.execute(query, (execution,)).fetchone()
        return int(number)

    def plan(self, execution: str) -> Plan:
        """Return the plan of an execution.

        Raises
        ------
        ExecutionUnknown
            If there is no such execution.
        """
        with self._lock, self._translated():
            row = self._connection.execute(
                "SELECT plan FROM executions WHERE name = ?", (execution,)
            ).fetchone()
        if row is None:
            raise ExecutionUnknown(f"there is no execution {execution}")
        return plan_from_bytes(row[0])

    def entry(self, execution: str) -> Entry | None:
        """Return an execution, or None."""
        return next(iter(self._entries("WHERE name = ?", (execution,))), None)

    def entries(self, limit: int = 1000) -> list[Entry]:
        """Return executions, newest first."""
        return self._entries("ORDER BY id DESC LIMIT ?", (limit,))

    def unfinished(self) -> list[Entry]:
        """Return executions that have not ended, oldest first."""
        return self._entries("WHERE ended IS NULL ORDER BY id", ())

    def _entries(self, rest: str, values: tuple[str | int, ...]) -> list[Entry]:
        query = f"SELECT name, config, began, ended, result FROM executions {rest}"
        with self._lock, self._translated():
            rows = self._connection.execute(query, values).fetchall()
        return [
            Entry(name, config_from_json(config), began, ended, result and result_from_json(result))
            for name, config, began, ended, result in rows
        ]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, self._translated():
            self._connection.close()
