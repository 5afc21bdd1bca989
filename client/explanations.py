"""What error codes mean: the words of `vox explain`, which are those of docs/errors.md."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path


def explanation(code: str) -> str:
    """Return the section of a code: title, cause, cure; nothing for a code that no error has."""
    if not re.fullmatch(r"[EW]\d{4}", code):
        return ""
    page = _page()
    found = re.search(rf"^## {code} — (.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return "" if found is None else found.group(1).replace("**", "").strip()


def _page() -> str:
    """Return the page: the wheel's copy, or in a checkout the one in docs/."""
    shipped = Path(str(files("client"))) / "data" / "errors.md"
    own = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
    return (shipped if shipped.is_file() else own).read_text(encoding="utf-8")
