"""What can be wrong with what a program means, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vox.errors import Span
from vox.imgql import codes, dialect
from vox.imgql.diagnostics import Diagnostic, Note, did_you_mean
from vox.imgql.dialect import Marker
from vox.imgql.scope import Environment, Scope
from vox.imgql.source import SourceText
from vox.imgql.syntax import Call, Print, Save, is_word
from vox.imgql.vocabulary import Builtin
from vox.operators.values import Geometry, SourceInfo
from vox.plan import Type

# How much of the way from a goal to an error is told.
_TRACE_MAX = 8
_FLAT = (".png", ".jpg", ".bmp")
# Endings of saved files, and the format of their bytes: gzip is put around when the file is written.
_FORMATS = {
    ".nii": ".nii",
    ".nii.gz": ".nii",
    ".png": ".png",
    ".jpg": ".jpg",
    ".jpeg": ".jpg",
    ".bmp": ".bmp",
}


class Findings:
    """Collects diagnostics. Methods that report an error return what the erring expression becomes: -1."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    @property
    def failed(self) -> bool:
        """Whether there are errors."""
        return any(diagnostic.severity == "error" for diagnostic in self.found)

    def add(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take in diagnostics made elsewhere."""
        self.found.extend(diagnostics)

    def error(
        self, code: str, message: str, call: Call, environment: Environment, label: str = "", help: str = ""
    ) -> int:
        """Report an error at a name or operator, or at the program's use of the library that led there."""
        start, end = call.at, call.at + len(call.name)
        span = environment.source.span(start, end)
        notes = _trace(environment)
        if environment.site is not None:
            source, start, end = environment.site
            notes = (Note(f"`{call.name}` in the library", span), *notes)
            span, label = source.span(start, end), "from here"
        self.found.append(Diagnostic("error", code, message, span, label, help, notes))
        return -1

    def types(self, call: Call, builtin: Builtin, given: tuple[Type, ...], environment: Environment) -> int:
        """Report arguments of wrong types, in V1's words."""
        message = f"`{call.name}` requires {_types(builtin.inputs)}, called with {_types(given)}"
        wrong = next(
            n for n, pair in enumerate(zip(builtin.inputs, given, strict=True)) if pair[0] != pair[1]
        )
        wanted, got = builtin.inputs[wrong], given[wrong]
        help = (_dotted(call.name, given) if environment.site is None else "") or _advice(wanted, got)
        which = f"argument {wrong + 1} is {_a(got)}" if len(given) > 1 else f"this is {_a(got)}"
        return self.error(codes.TYPE, message, call, environment, which, help)

    def no_model(self, call: Call, environment: Environment) -> int:
        """Report that a size is needed and no image gives one."""
        help = 'load an image first: `load img = "file.nii.gz"`'
        return self.error(codes.NO_MODEL, "no model loaded", call, environment, "needs an image's size", help)

    def unknown(
        self, call: Call, environment: Environment, scope: Scope, builtins: Mapping[str, Builtin]
    ) -> int:
        """Report a name that nobody defines, with the nearest that somebody does."""
        name = call.name
        late = scope.first_after(name, environment.before)
        if late is not None:
            line, _ = late.source.line_column(late.at)
            own = late is environment.declaration
            help = (
                "a declaration does not see itself: there is no recursion"
                if own
                else (
                    f"`{name}` is declared later, in line {line}: a name is known only after its declaration"
                )
            )
        else:
            known = [*environment.arguments, *scope.names(environment.before), *builtins]
            alike = {other for other in known if is_word(other) == is_word(name)}
            help = _undotted(name) or _split(name, alike, environment, scope, builtins)
            help = help or did_you_mean(name, alike)
        if is_word(name) or any(letter.islower() for letter in name):
            code, message = codes.UNKNOWN_NAME, f"unknown name `{name}`"
        else:
            code, message = codes.UNKNOWN_OPERATOR, f"unknown operator `{name}`"
        return self.error(code, message, call, environment, "not defined here", help)

    def v2(self, construct: str, start: int, end: int, environment: Environment) -> int:
        """Report a construct of V2."""
        self.found.append(dialect.v2_error(environment.source, Marker(construct, start, end)))
        return -1

    def family(self, call: Call, environment: Environment) -> int:
        """Report an operator of a logic about other models."""
        end = call.at + len(call.name)
        self.found.append(dialect.family_error(environment.source, f"`{call.name}`", call.at, end))
        return -1

    def goal(self, command: Save | Print, source: SourceText, kind: Type) -> None:
        """Report a goal whose value cannot be printed or saved."""
        span = source.span(command.value.start, command.value.end)
        if isinstance(command, Print):
            message = f"printing an expression of type {kind.v1} is not supported"
            help = "`save` writes images; `print` a number of it, as `volume(…)` or `max(…)`"
            self.found.append(
                Diagnostic("error", codes.PRINT_TYPE, message, span, f"this is {_a(kind)}", help)
            )
        else:
            name = command.label.value
            message = f'saving an expression of type {kind.v1} to file "{name}" is not supported'
            help = "`print` shows numbers, booleans and strings"
            self.found.append(
                Diagnostic("error", codes.SAVE_TYPE, message, span, f"this is {_a(kind)}", help)
            )


def save_format(label: str, span: Span, geometry: Geometry | None) -> str | Diagnostic:
    """Return the format that the name of a saved file chooses, or what is wrong with the name."""
    name = label.lower()
    ending = next((e for e in sorted(_FORMATS, key=len, reverse=True) if name.endswith(e)), None)
    if ending is None or not name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(ending):
        message = f'the file name "{label}" does not say a known format'
        help = "end it in .nii, .nii.gz, .png, .jpg or .bmp"
        return Diagnostic("error", codes.SAVE_NAME, message, span, "unknown format", help)
    if geometry is not None and geometry.dimension != 2 and _FORMATS[ending] in _FLAT:
        message = f"more than 2 dimensions are not supported with type: {ending}"
        help = "save it as .nii.gz"
        return Diagnostic("error", codes.SAVE_DIMENSION, message, span, "a flat format", help)
    return _FORMATS[ending]


def compare_geometry(
    path: str, info: SourceInfo, base_path: str, base: SourceInfo, span: Span
) -> Diagnostic | None:
    """Return an error if an image does not fit the base image, a warning if it lies elsewhere in space."""
    ours, theirs = base.geometry, info.geometry
    if ours.same_place(theirs):
        return None
    if ours.size != theirs.size:
        message = (
            f'image "{path}" has {_size(theirs.size)} voxels, but "{base_path}", the first that is loaded,'
            f" has {_size(ours.size)}"
        )
        help = "all images of a program have one size: resample one of the two"
        return Diagnostic("error", codes.GEOMETRY, message, span, "another geometry", help)
    parts = ("spacing", "origin", "direction")
    differing = " and ".join(part for part in parts if getattr(ours, part) != getattr(theirs, part))
    message = (
        f'image "{path}" differs in {differing} from "{base_path}", the first that is loaded;'
        " its voxels are used in that image's place"
    )
    return Diagnostic("warning", codes.MOVED, message, span, "physical space corrected")


def _split(
    name: str, known: set[str], environment: Environment, scope: Scope, builtins: Mapping[str, Builtin]
) -> str:
    """Recognise an operator written together with one that stands before an operand."""
    for cut in range(1, len(name)) if len(name) <= 64 else ():
        first, second = name[:cut], name[cut:]
        if first in known and second in known:
            meaning = scope.find(second, environment.before)
            takes = len(meaning.formals) if meaning is not None else len(builtins[second].inputs)
            if takes == 1:
                return f"`{name}` is read as one operator: put a space into `{first} {second}`"
    return ""


def _trace(environment: Environment) -> tuple[Note, ...]:
    """Tell through which declarations the program came here, innermost first."""
    notes: list[Note] = []
    here: Environment | None = environment
    while here is not None and here.parent is not None and here.declaration is not None:
        if len(notes) == _TRACE_MAX:
            return (*notes, Note("… and so on"))
        span = here.parent.source.span(*here.used)
        notes.append(Note(f"in `{here.declaration.name}`, used here", span))
        here = here.parent
    return tuple(notes)


_ARITHMETIC = ("+", "-", "*", "/")
_COMPARISONS = ("=", "<", "<=", ">", ">=")
_SIDES: dict[tuple[Type, ...], str] = {
    (Type.NUMBER, Type.NUMBER): ".{}.",
    (Type.IMAGE, Type.NUMBER): "{}.",
    (Type.NUMBER, Type.IMAGE): ".{}",
    (Type.IMAGE, Type.IMAGE): "{}",
}


def _dotted(name: str, given: tuple[Type, ...]) -> str:
    """Recognise an operator whose dots do not fit what it is given."""
    core = name.strip(".")
    side = _SIDES.get(given)
    if side is None or core not in _ARITHMETIC + (_COMPARISONS if side != "{}" else ()):
        return ""
    return f"for these two write `{side.format(core)}`: a dot stands on each side where a number is"


def _undotted(name: str) -> str:
    """Recognise a comparison without dots, which V1 does not have."""
    if name not in _COMPARISONS:
        return ""
    return f"image with number: `i {name}. n`; number with image: `n .{name} i`; two numbers: `n .{name}. k`"


def _types(types: tuple[Type, ...]) -> str:
    names = [kind.v1 for kind in types]
    return names[0] if len(names) == 1 else f"({','.join(names)})"


def _a(kind: Type) -> str:
    names = {
        Type.MODEL: "a model",
        Type.IMAGE: "an image of numbers",
        Type.MASK: "a mask",
        Type.BOOLEAN: "a boolean",
    }
    return names.get(kind, f"a {kind.value}")


def _advice(wanted: Type, got: Type) -> str:
    match wanted, got:
        case ((Type.IMAGE | Type.MASK), Type.MODEL):
            return "a loaded image is a model: take its numbers with `intensity(…)`, `red(…)`, …"
        case Type.IMAGE, Type.NUMBER:
            return "the dot in an operator's name is on the number's side, as in `i >. n` and `n .< i`"
        case Type.NUMBER, (Type.IMAGE | Type.MASK):
            return "this operator takes a number here; between images there are `+ - * /`"
        case Type.MASK, Type.IMAGE:
            return "compare the image with a number to get a mask, as in `i >. 100`"
        case Type.IMAGE, Type.MASK:
            return "`booleanToNumber(1, m)` makes an image of a mask"
        case Type.MASK, Type.BOOLEAN:
            return "between booleans the operators are `.&.`, `.|.` and `!.`; `bconstant(b)` makes a mask"
    return ""


def _size(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))
