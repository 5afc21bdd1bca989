"""Copies of stores: made while work goes on, whole or not there, and put back only after a check."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vox.errors import StoreUnusable
from vox.store.files import BlobFiles, flush_folder
from vox.store.journal import Journal
from vox.store.keyring import KEYS_FILE
from vox.store.sqlite_file import FILE_NAME, StoreFile

_ELSEWHERE = "name a folder that is not there yet"


def back_up_sqlite(store: StoreFile, files: BlobFiles, target: Path) -> None:
    """Write the database of one moment and every file it names to the new folder `target`.

    The database comes first: files are never changed, so those it names are the right ones. One that is
    deleted while they are copied is missing in the copy, as it is in the store.
    """
    with _whole_or_not(target) as partial:
        store.backup(partial / FILE_NAME)
        _copy_files(store.folder, files, partial)


def back_up_files(journal: Journal, files: BlobFiles, target: Path) -> None:
    """The same for a store of plain files: the journal first, then every file."""
    with _whole_or_not(target) as partial:
        with journal.lock, journal.exclusive():
            _copy(journal.path, partial / "journal")
        _copy_files(journal.path.parent, files, partial)


@contextmanager
def _whole_or_not(target: Path) -> Iterator[Path]:
    if target.exists():
        raise StoreUnusable(f"{target} is there already", hint=_ELSEWHERE)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        flush_folder(partial)
        partial.replace(target)
        flush_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_files(folder: Path, files: BlobFiles, partial: Path) -> None:
    if (folder / KEYS_FILE).exists():
        _copy(folder / KEYS_FILE, partial / KEYS_FILE)
    copied: set[Path] = set()
    for digest in files.names():
        source = files.path(digest)
        goal = partial / source.relative_to(folder)
        goal.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            _copy(source, goal)
            copied.add(goal.parent)
    for each in copied:
        flush_folder(each)


def restore(backup: Path, folder: Path) -> Path | None:
    """Put a backup in the place of a store; return where what was there is now, None if nothing was.

    `backup` is a folder that `backup` wrote, or a database alone (`store.format-1.sqlite3`, for example).

    Raises
    ------
    StoreUnusable
        If the backup is not a whole store, or the folder is not a store's. Nothing is changed then.
    """
    if not backup.exists():
        raise StoreUnusable(f"there is no backup at {backup}", hint="check the path")
    if folder.exists() and any(folder.iterdir()) and not _is_store(folder):
        raise StoreUnusable(f"{folder} holds something that is not a store", hint=_ELSEWHERE)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if backup.is_dir():
            shutil.copytree(backup, partial)
        else:
            partial.mkdir()
            shutil.copy2(backup, partial / FILE_NAME)
        _check(partial)
        for path in (p for p in partial.rglob("*") if p.is_file()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        aside = _move_aside(folder)
        partial.replace(folder)
        flush_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return aside


def _is_store(folder: Path) -> bool:
    return (folder / FILE_NAME).exists() or (folder / "journal").exists()


def _check(folder: Path) -> None:
    """Refuse what is not a sound store, before anything is moved."""
    if not (folder / FILE_NAME).exists():
        if (folder / "journal").exists():
            return  # every record carries its own checksum
        raise StoreUnusable("the backup holds no store", hint="name the folder that `vox store backup` wrote")
    file = StoreFile(folder)
    with file.errors():
        connection = file.open()
        try:
            report = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    if report != "ok":
        raise file.damaged(report)


def _move_aside(folder: Path) -> Path | None:
    if not folder.exists():
        return None
    number = 1
    while (aside := folder.with_name(f"{folder.name}.before-restore-{number}")).exists():
        number += 1
    folder.replace(aside)
    return aside


def _copy(source: Path, goal: Path) -> None:
    shutil.copyfile(source, goal)
    with goal.open("rb+") as file:
        os.fsync(file.fileno())
