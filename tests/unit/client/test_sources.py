import os
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from client.sources import Sources, folders_for
from vox.clock import SystemClock
from vox.errors import InputError, Span
from vox.store.memory import MemoryStore

SPAN = Span("p.imgql", 1, 10, 1, 20)


class Later(SystemClock):
    """A minute from now: files written just before are no longer fresh."""

    def now(self) -> float:
        return time.time() + 60


def image(path: Path, value: int = 1) -> Path:
    made = sitk.GetImageFromArray(np.full((3, 4, 5), value, np.int16))
    made.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(made, str(path))
    return path


def test_an_input_is_named_by_what_it_holds_not_by_its_path(tmp_path: Path) -> None:
    image(tmp_path / "a.nii.gz")
    image(tmp_path / "b.nii")
    sources = Sources([tmp_path], None)
    one, two = sources.resolve("a.nii.gz"), sources.resolve("b.nii")
    assert one.info.digest == two.info.digest
    assert (one.info.geometry.size, one.info.geometry.spacing) == ((5, 4, 3), (1.0, 2.0, 3.0))
    assert (one.info.components, one.info.dtype) == (1, "int16")
    parts = sources.parts(one.info.digest)
    assert type(one.info.digest).of(*map(bytes, parts)) == one.info.digest


def test_a_file_that_did_not_change_is_not_decoded_again(tmp_path: Path) -> None:
    path, facts = image(tmp_path / "a.nii"), MemoryStore()
    first = Sources([tmp_path], facts, Later()).resolve("a.nii")
    again = Sources([tmp_path], facts, Later())
    again._decode = None  # type: ignore[assignment, method-assign]
    assert again.resolve("a.nii").info == first.info
    assert again.resolve(str(path)).info == first.info


def test_a_changed_file_is_decoded_again_even_with_the_same_size_and_modification_time(
    tmp_path: Path,
) -> None:
    path, facts = image(tmp_path / "a.nii"), MemoryStore()
    status = path.stat()
    first = Sources([tmp_path], facts, Later()).resolve("a.nii")
    image(path, 2)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert Sources([tmp_path], facts, Later()).resolve("a.nii").info.digest != first.info.digest


def test_what_was_written_just_now_is_not_remembered(tmp_path: Path) -> None:
    path, facts = image(tmp_path / "a.nii"), MemoryStore()
    Sources([tmp_path], facts).resolve("a.nii")
    assert not facts.recall([f"source:{path.resolve()}"])


def test_a_damaged_memory_costs_a_decoding_and_no_more(tmp_path: Path) -> None:
    path, facts = image(tmp_path / "a.nii"), MemoryStore()
    good = Sources([tmp_path], facts, Later()).resolve("a.nii")
    for damaged in (b"", b"\x00", b"\xff" * 40, b"\x86\x01\x80\x40\x80\x01\x60"):
        facts.remember(f"source:{path.resolve()}", damaged)
        assert Sources([tmp_path], facts, Later()).resolve("a.nii").info == good.info


def test_a_remembered_file_is_read_again_when_its_voxels_are_needed(tmp_path: Path) -> None:
    image(tmp_path / "a.nii")
    facts = MemoryStore()
    digest = Sources([tmp_path], facts, Later()).resolve("a.nii").info.digest
    later = Sources([tmp_path], facts, Later())
    later.resolve("a.nii")
    assert type(digest).of(*map(bytes, later.parts(digest))) == digest


def test_the_folder_of_the_program_comes_first_then_the_working_folder_then_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("program", "here", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folders = folders_for(tmp_path / "program" / "p.imgql", [tmp_path / "data"])
    for name in ("data", "here", "program"):
        image(tmp_path / name / "a.nii")
        assert Sources(folders, None).find("a.nii") == (tmp_path / name / "a.nii").resolve()


def test_links_are_followed_and_a_link_to_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "annex").mkdir()
    image(tmp_path / "annex" / "content.nii.gz")
    (tmp_path / "a.nii.gz").symlink_to("annex/content.nii.gz")
    assert Sources([tmp_path], None).resolve("a.nii.gz").path.name == "content.nii.gz"
    (tmp_path / "b.nii.gz").symlink_to("annex/not-fetched.nii.gz")
    with pytest.raises(InputError, match="link to a file that is not here") as caught:
        Sources([tmp_path], None).resolve("b.nii.gz", SPAN)
    assert "git annex get" in caught.value.hint


@pytest.mark.parametrize(("name", "code"), [("nothing.nii", "E0301"), (".", "E0302"), ("text.nii", "E0303")])
def test_what_is_wrong_with_a_file_is_told_with_the_place_in_the_program(
    tmp_path: Path, name: str, code: str
) -> None:
    (tmp_path / "text.nii").write_text("not an image")
    with pytest.raises(InputError) as caught:
        Sources([tmp_path], None).resolve(name, SPAN)
    assert (caught.value.code, list(caught.value.spans)) == (code, [SPAN])
    assert caught.value.hint


def test_a_file_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vox.operators import files

    path = image(tmp_path / "a.nii")
    read = files.read_image

    def slow(named: Path) -> object:
        value = read(named)
        with path.open("ab") as stream:
            stream.write(b"more")
        return value

    monkeypatch.setattr(files, "read_image", slow)
    with pytest.raises(InputError) as caught:
        Sources([tmp_path], None).resolve("a.nii", SPAN)
    assert caught.value.code == "E0305"
