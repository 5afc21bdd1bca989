"""Whether a store is encrypted, and its keys if it is; cryptography is loaded for nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vox.errors import StoreUnusable
from vox.store.options import StoreOptions

if TYPE_CHECKING:
    from vox.store.encryption import Keys

KEYS_FILE = "keys.json"


def keys_of(folder: Path, store_file: Path, options: StoreOptions) -> Keys | None:
    """Return the keys of the store in `folder`, made now if it is new and a secret is given; None without.

    Raises
    ------
    StoreLocked
        If the secret is missing or wrong.
    StoreUnusable
        If there is one, and the store is not encrypted.
    """
    if (folder / KEYS_FILE).exists():
        from vox.store.encryption import open_keys

        return open_keys(folder, options.secret)
    if options.secret is None:
        return None
    if options.read_only or store_file.exists():
        raise StoreUnusable(
            f"the store at {folder} is not encrypted, and a key was given",
            hint="only a new store can be encrypted: `vox store export` this one into it",
        )
    from vox.store.encryption import create_keys

    folder.mkdir(parents=True, exist_ok=True)
    return create_keys(folder, options.secret)
