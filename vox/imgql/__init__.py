"""The language: text in, plan out. Importing this costs nothing; its names come when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vox.imgql.compile import check_bundle, compile_bundle, parse_program
    from vox.imgql.diagnostics import Diagnostic, render_all
    from vox.imgql.imports import Bundle, collect, decode_source, read_beside, read_source
    from vox.imgql.printer import show_program
    from vox.imgql.show import show_value, v1_number
    from vox.imgql.source import SourceText

__all__ = [
    "Bundle",
    "Diagnostic",
    "SourceText",
    "check_bundle",
    "collect",
    "compile_bundle",
    "decode_source",
    "parse_program",
    "read_beside",
    "read_source",
    "render_all",
    "show_program",
    "show_value",
    "v1_number",
]

_HOMES = {
    "compile": ("check_bundle", "compile_bundle", "parse_program"),
    "diagnostics": ("Diagnostic", "render_all"),
    "imports": ("Bundle", "collect", "decode_source", "read_beside", "read_source"),
    "printer": ("show_program",),
    "show": ("show_value", "v1_number"),
    "source": ("SourceText",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
