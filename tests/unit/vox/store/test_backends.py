"""Stores by name, of this package and of others, as the settings ask for them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stores import noise
from vox.digest import Digest
from vox.errors import SettingsError, UsageError
from vox.settings import StoreSettings
from vox.store import open_store
from vox.store.backends import backends, options_of
from vox.store.options import StoreOptions

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("backend", ["sqlite", "hybrid", "filesystem", "tiered", "memory"])
def test_every_backend_is_opened_by_its_name(tmp_path: Path, backend: str) -> None:
    store = open_store(backend, tmp_path)
    digest = store.write([noise(100_000)])
    assert bytes(store.read(digest)) == noise(100_000)
    assert store.stats().backend == {"tiered": "hybrid"}.get(backend, backend)
    store.close()
    assert backend in backends()


def test_an_unknown_backend_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        open_store("cloud", tmp_path)
    assert "hybrid" in raised.value.hint
    with pytest.raises(UsageError, match="folder"):
        open_store("sqlite", None)


def test_another_package_adds_a_backend_by_an_entry_point(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "from vox.store.memory import MemoryStore\ndef make(path, options): return MemoryStore()\n"
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vox.stores]\nglass = theirs:make\n")
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "from pathlib import Path; from vox.store import open_store\n"
        "from vox.store.backends import backends\n"
        "print(type(open_store('glass', Path('.'))).__name__, 'glass' in backends())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("MemoryStore True", "")


def test_tiered_reads_a_shared_store_and_writes_its_own(tmp_path: Path) -> None:
    shared = open_store("filesystem", tmp_path / "shared")
    digest = shared.write([noise(100_000)])
    store = open_store("tiered", tmp_path / "own", StoreOptions(shared=tmp_path / "shared"))
    assert store.missing([digest]) == set()
    assert bytes(store.read(digest)) == noise(100_000)
    own = store.write([b"own"])
    assert shared.missing([own]) == {own}
    shared.delete([digest])
    assert bytes(store.read(digest)) == noise(100_000), "what was read there is kept here"
    store.close()
    shared.close()
    with pytest.raises(UsageError, match="no store"):
        open_store("tiered", tmp_path / "own", StoreOptions(shared=tmp_path / "nowhere"))


def test_settings_become_options_or_a_clear_error() -> None:
    options = options_of(StoreSettings(quota_bytes=5, compression="off", audit=True))
    assert (options.quota_bytes, options.level, options.audit, options.secret) == (5, 0, True, None)
    assert options_of(StoreSettings(compression="9")).level == 9
    assert options_of(StoreSettings()).level is None
    for wrong in ("fast", "0", "20", "-1"):
        with pytest.raises(SettingsError):
            options_of(StoreSettings(compression=wrong))
    with pytest.raises(SettingsError):
        options_of(StoreSettings(quota_bytes=-1))


@pytest.mark.parametrize("backend", ["sqlite", "hybrid", "filesystem"])
@pytest.mark.parametrize("compression", ["off", "auto", "1", "9"])
def test_whatever_the_compression_the_bytes_are_the_same(
    tmp_path: Path, backend: str, compression: str
) -> None:
    data = b"compressible " * 30_000
    store = open_store(backend, tmp_path, options_of(StoreSettings(compression=compression)))
    digest = store.write([data])
    assert bytes(store.read(digest)) == data
    assert digest == Digest.of(data)
    store.close()
