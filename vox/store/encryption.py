"""Encryption at rest: AES-256-GCM, chunk by chunk, with data keys wrapped by the owner's key.

A store keeps `keys.json`: its data keys, each wrapped (AES-256-GCM) by a key that comes from the owner's key
file or, stretched by scrypt, from a pass phrase. Rotating wraps the data keys anew and adds a fresh one for
what is written from then on; no blob is written again. Who has no key reads names, sizes, claims, no values.

A sealed chunk: 4 bytes number of the data key, 12 bytes of random nonce, the ciphertext, 16 bytes of tag. Its
number in the blob and its codec are authenticated with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vox.errors import StoreUnusable
from vox.store.chunks import SEAL_BYTES
from vox.store.compression import Damaged
from vox.store.files import flush_folder
from vox.store.keyring import KEYS_FILE

KEY_BYTES = 32
_ID_BYTES, _NONCE_BYTES = 4, 12
_CHUNK, _WRAP, _FACT = b"vox.chunk.v1\0", b"vox.key.v1\0", b"vox.fact.v1\0"
# 64 MiB and a quarter of a second for each guess at a pass phrase.
_SCRYPT = {"n": 1 << 16, "r": 8, "p": 1, "maxmem": 128 << 20}


class StoreLocked(StoreUnusable):
    """The store is encrypted, and the key is missing or not its own."""

    code = "E0507"


class Keys:
    """The data keys of an opened store: what seals and unseals its chunks."""

    def __init__(self, keys: Mapping[int, bytes], folder: Path) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self._folder = folder
        self._latest = max(keys)
        # Facts are looked up by name: the first key, which never changes, hides the names.
        self._facts = keys[min(keys)]

    def seal(self, data: bytes | memoryview, seq: int, codec: int) -> bytes:
        """Return `data` encrypted, bound to its place and its codec."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._latest].encrypt(nonce, data, _bound(seq, codec))
        return self._latest.to_bytes(_ID_BYTES, "big") + nonce + sealed

    def unseal(self, data: bytes | memoryview, seq: int, codec: int) -> bytes:
        """Return what `seal` was given; Damaged if it was anything else."""
        from cryptography.exceptions import InvalidTag

        view = memoryview(data)
        number = int.from_bytes(view[:_ID_BYTES], "big")
        cipher = self._ciphers.get(number)
        if cipher is None and str(number) in _document(self._folder)["keys"]:
            # Sound, but newer than what this process knows: it must not be taken for damage.
            raise StoreLocked(
                f"the keys of {self._folder} were changed meanwhile", hint="open the store anew"
            )
        if cipher is None or len(view) < SEAL_BYTES:
            raise Damaged("not a sealed chunk of this store")
        nonce, rest = view[_ID_BYTES : _ID_BYTES + _NONCE_BYTES], view[_ID_BYTES + _NONCE_BYTES :]
        try:
            return cipher.decrypt(bytes(nonce), rest, _bound(seq, codec))
        except InvalidTag:
            raise Damaged("a sealed chunk that was changed") from None

    def fact_key(self, key: str) -> str:
        """Return the name under which a fact is kept: names of facts hold paths."""
        return hmac.digest(self._facts, _FACT + key.encode(), "sha256").hex()


def read_secret(text: str) -> bytes:
    """Return the secret of a setting: what the key file `file:PATH` holds, or what stands after `phrase:`.

    `prompt` asks for a pass phrase on the terminal.

    Raises
    ------
    StoreLocked
        If the file cannot be read or is too short to be a key.
    """
    if text == "prompt":
        from getpass import getpass

        text = "phrase:" + getpass("pass phrase of the store: ")
    way, _, rest = text.partition(":")
    if way == "phrase" and rest:
        return b"phrase:" + rest.encode()
    path = Path(rest if way == "file" else text).expanduser()
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise StoreLocked(
            f"cannot read the key file {path}: {error.strerror}", hint="check its path"
        ) from error
    if len(secret) < KEY_BYTES:
        raise StoreLocked(f"{path} holds {len(secret)} bytes, too few for a key", hint=_HOW)
    return b"file:" + secret


_HOW = "`vox store key FILE` writes a new key file"


def write_key_file(path: Path) -> None:
    """Write a new key into a file that only its owner can read; never over another file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise StoreUnusable(f"{path} is there already", hint="a key that is overwritten is lost") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def create_keys(folder: Path, secret: bytes) -> Keys:
    """Make the first data key of a store that is empty yet; another process may have been faster."""
    _write(folder, {1: os.urandom(KEY_BYTES)}, secret, new=True)
    return open_keys(folder, secret)


def open_keys(folder: Path, secret: bytes | None) -> Keys:
    """Return the data keys of a store.

    Raises
    ------
    StoreLocked
        If `secret` is None or not the one that wrapped them.
    """
    if secret is None:
        raise StoreLocked(
            f"the store at {folder} is encrypted",
            hint='give its key: `[store] key = "file:PATH"` (VOX_STORE_KEY)',
        )
    return Keys(_read(folder, secret), folder)


def rotate(folder: Path, secret: bytes, new: bytes) -> None:
    """Wrap the data keys with another secret, and begin to write with a fresh one."""
    keys = _read(folder, secret)
    keys[max(keys) + 1] = os.urandom(KEY_BYTES)
    _write(folder, keys, new)


def _bound(seq: int, codec: int) -> bytes:
    return _CHUNK + seq.to_bytes(8, "big") + bytes((codec,))


def _wrapping_key(secret: bytes, salt: bytes) -> bytes:
    if secret.startswith(b"phrase:"):
        return hashlib.scrypt(secret, salt=salt, dklen=KEY_BYTES, **_SCRYPT)
    return hmac.digest(salt, secret, "sha256")


def _write(folder: Path, keys: Mapping[int, bytes], secret: bytes, *, new: bool = False) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt = os.urandom(16)
    cipher = AESGCM(_wrapping_key(secret, salt))
    wrapped = {}
    for number, key in keys.items():
        nonce = os.urandom(_NONCE_BYTES)
        wrapped[str(number)] = (nonce + cipher.encrypt(nonce, key, _WRAP + bytes((number,)))).hex()
    document: dict[str, Any] = {"schema": 1, "cipher": "AES-256-GCM", "salt": salt.hex(), "keys": wrapped}
    partial = folder / f".{KEYS_FILE}.{os.getpid()}.part"
    with partial.open("w", encoding="ascii") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    if new:
        with suppress(FileExistsError):
            os.link(partial, folder / KEYS_FILE)
        partial.unlink()
    else:
        partial.replace(folder / KEYS_FILE)
    flush_folder(folder)


def _document(folder: Path) -> Any:
    return json.loads((folder / KEYS_FILE).read_text(encoding="ascii"))


def _read(folder: Path, secret: bytes) -> dict[int, bytes]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        document = _document(folder)
        cipher = AESGCM(_wrapping_key(secret, bytes.fromhex(document["salt"])))
        wrapped = {int(number): bytes.fromhex(text) for number, text in document["keys"].items()}
        return {
            number: cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _WRAP + bytes((number,)))
            for number, data in wrapped.items()
        }
    except InvalidTag:
        raise StoreLocked(
            f"the key is not that of the store at {folder}", hint="nothing was changed; give the right one"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreLocked(f"the keys of the store at {folder} cannot be read: {error}") from error
