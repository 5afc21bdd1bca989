import gzip
import os
from pathlib import Path

import pytest

from client.saves import write_file, write_save
from vox.errors import OutputError
from vox.operators.codec import encode_value
from vox.operators.values import FileBytes


def blob(data: bytes) -> bytes:
    return b"".join(encode_value(FileBytes("application/x-nifti", data)))


def test_a_save_writes_exactly_the_bytes_of_the_file(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    path = write_save(blob(data), "deep/er/a.nii", tmp_path).path
    assert path == tmp_path / "deep/er/a.nii"
    assert path.read_bytes() == data


def test_a_gz_save_is_the_same_file_every_time_and_unzips_to_the_bytes(tmp_path: Path) -> None:
    data = os.urandom(1_500_000) + bytes(2_000_000)
    first = write_save(blob(data), "a.nii.gz", tmp_path).path.read_bytes()
    second = write_save(blob(data), "b.nii.gz", tmp_path).path.read_bytes()
    assert first == second
    assert gzip.decompress(first) == data
    assert first[4:8] == bytes(4)


def test_an_absolute_label_is_not_moved(tmp_path: Path) -> None:
    target = tmp_path / "x.nii"
    assert write_save(blob(b"1"), str(target), Path("/nowhere")).path == target


def test_an_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old and long")
    write_file(tmp_path / "a", [b"new"])
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_directory_in_the_way_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="directory") as caught:
        write_file(tmp_path / "a", [b"new"])
    assert caught.value.code == "E0321"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(OutputError):
        write_file(tmp_path / "a" / "b", [b"new"])


def test_a_write_that_breaks_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def parts() -> "object":
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a", parts())  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]
