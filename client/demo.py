"""`vox demo`: a folder with a real brain, synthetic cases, and programs that run on them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from client.saves import write_file
from vox.errors import OutputError

PROGRAMS = ("quickstart.imgql", "tissue.imgql")
IMAGES = ("mni_t1_2mm.nii.gz", "mni_gm_2mm.nii.gz", "mni_wm_2mm.nii.gz")
NOTICE = "NOTICE-MNI.txt"


def program_text(name: str) -> str:
    """Return an example program: the wheel's copy, or in a checkout the one in examples/."""
    shipped = Path(str(files("client"))) / "data" / "programs" / name
    own = Path(__file__).resolve().parents[1] / "examples" / name
    return (shipped if shipped.is_file() else own).read_text(encoding="utf-8")


def write_demo(folder: Path, *, cases: int = 1, seed: int = 2019) -> list[Path]:
    """Write the images, the cases and the programs; return their paths.

    Raises
    ------
    OutputError
        If the folder cannot be written. What was written before stays, whole.
    """
    from client.phantom import make_case, nifti_bytes, read_shipped

    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file", hint="name a folder: vox demo FOLDER", code="E0321")
    data = Path(str(files("client"))) / "data"
    written = []

    def keep(name: str, content: bytes) -> None:
        write_file(folder / name, [content])
        written.append(folder / name)

    for name in (*IMAGES, NOTICE):
        keep(name, (data / name).read_bytes())
    for name in PROGRAMS:
        keep(name, program_text(name).encode())
    grey, white = (read_shipped(data / name) for name in IMAGES[1:])
    for number in range(1, cases + 1):
        case = make_case(grey, white, seed, number)
        keep(f"case{number:03}_flair.nii.gz", nifti_bytes(case.flair))
        keep(f"case{number:03}_seg.nii.gz", nifti_bytes(case.truth))
    return written
