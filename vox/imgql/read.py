"""From text to tree, in whichever dialect."""

from __future__ import annotations

from vox.imgql import dialect
from vox.imgql.diagnostics import Diagnostic
from vox.imgql.dialect import Dialect
from vox.imgql.source import SourceText
from vox.imgql.syntax import Program


def read(
    source: SourceText, wanted: str = "auto", otherwise: Dialect = "v1", imported: bool = False
) -> tuple[Program, list[Diagnostic]]:
    """Read a file.

    Parameters
    ----------
    wanted
        `v1`, `v2`, or `auto`: what the text looks like.
    otherwise
        The dialect of a text that fits both: the importing file's.
    imported
        In V1 an imported file may only import and declare.
    """
    chosen = wanted if wanted in ("v1", "v2") else dialect.choose(source.text, otherwise)
    if chosen == "v2":
        from vox.imgql.parser2 import parse2

        return parse2(source)
    from vox.imgql.parser import parse

    return parse(source, imported)
