"""Write the table of SimpleITK's functions again: `python -m tests.golden.regenerate_sitk`.

The checker knows their names and signatures from that table, so that checking a program does not load the
library. Signatures are read from what SWIG documents.
"""

import inspect
import re
from pathlib import Path

import SimpleITK

TABLE = Path(__file__).parents[2] / "vox" / "operators" / "sitk_table.py"
# How SWIG's types are written in the table; `T` is a type that no value of ours becomes.
KINDS = {
    "Image": "I",
    **dict.fromkeys(("double", "float"), "n"),
    **dict.fromkeys(("uint8_t", "uint32_t", "uint64_t", "unsigned int", "int"), "i"),
    "bool": "b",
    "std::string": "s",
    **dict.fromkeys(("VectorUInt32", "VectorInt32", "VectorUInt8"), "U"),
    "VectorDouble": "D",
    "VectorBool": "B",
    "VectorUIntList": "L",
    "VectorOfImage": "V",
    "DoubleDoubleMap": "P",
}
RESULTS = {"Image": "M", "std::string": "S", "std::string const": "S", "itk::simple::PixelIDValueType": "N"}
# Written in Python, without a signature that says enough.
BY_HAND = {
    "DiscreteGaussian": "=M I?Dinb",
    "SmoothingRecursiveGaussian": "=M I?Db",
    "Resample": "~M I;II",
    "GetArrayFromImage": "=M I",
    "GetArrayViewFromImage": "=M I",
    "GetImageFromArray": "=M I?b",
    "Statistics": "=Q I",
}
# Names of functions whose result need not lie where their first image does.
ELSEWHERE = re.compile(
    "Extract|Crop|Pad|Resample|Shrink|Expand|Flip|Permute|Slice|Tile|Join|Paste|RegionOfInterest|Projection"
    "|ChangeInformation|Warp|Transform|Source|FFT|Orient|Accumulate|Convolution|Hermitian|Pyramid|AutoCrop"
)
# Random numbers seeded by the clock unless a seed is given: here it must be.
SEEDED = ("AdditiveGaussianNoise", "SaltAndPepperNoise", "ShotNoise", "SpeckleNoise")
# They touch files, windows or the process, or use a generator that nobody can seed. Of the first three, V2
# has forms of its own.
LEFT_OUT = re.compile(
    "(ReadImage|WriteImage|MinimumMaximum|Show|namedtuple|PatchBasedDenoising|ReadTransform|WriteTransform)$"
    "|Image(Series)?Reader|ImageViewer_|LoggerBase_|ProcessObject_|Version_|FFTPadImageFilter_"
)
HEAD = """The functions of SimpleITK: name, place, result, signatures.

Made by `python -m tests.golden.regenerate_sitk`. `=`: the result lies where the first image does; `~`: it may
lie elsewhere. M image, N number, S text, Q sequence. Of arguments: I image, n number, i integer,
e enumeration, b boolean, s text, U integers, D numbers, B booleans, L lists of integers, V images, P pairs of
numbers; `?` before those that may be left out, `;` between overloads.
"""
OWN_FORMS = {"ReadImage", "WriteImage", "MinimumMaximum"}


def functions():
    """Every public function of the library."""
    for name in dir(SimpleITK):
        each = getattr(SimpleITK, name)
        if not name.startswith("_") and name != "namedtuple" and callable(each) and not inspect.isclass(each):
            yield name, each.__doc__ or ""


def arguments(text):
    """Split at commas that stand in no bracket."""
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    if text[start:].strip():
        yield text[start:].strip()


def kind_of(argument):
    """Return the letter of an argument's type."""
    kind = " ".join(argument.partition("=")[0].split()[:-1]).removesuffix(" &").removesuffix(" const")
    if kind.startswith("itk::simple::") and not kind.endswith("PathType"):
        return "e"
    return KINDS.get(kind, "T")


def overload(text, seeded):
    """Return the letters of a signature, `?` before those that may be left out."""
    letters, optional = "", False
    for each in arguments(text):
        if "=" in each and not optional and not seeded:
            letters, optional = letters + "?", True
        letters += kind_of(each)
    return letters


def row(name, doc):
    """Return the row of a function, or nothing if no value of ours goes in or out."""
    if name in BY_HAND:
        return f"{name} {BY_HAND[name]}"
    found = re.findall(rf"^\s*{name}\((.*)\) -> (.*?)\s*$", doc, re.MULTILINE)
    kept = [overload(text, name in SEEDED) for text, _ in found]
    kept = [each for each in dict.fromkeys(kept) if "T" not in each.partition("?")[0]]
    # What comes after an optional argument that cannot be given cannot be given either.
    kept = list(dict.fromkeys(each.partition("T")[0] for each in kept))
    result = RESULTS.get(found[0][1]) if found else None
    if not kept or result is None or LEFT_OUT.search(name):
        return None
    place = "=" if kept[0].lstrip("?").startswith("I") and not ELSEWHERE.search(name) else "~"
    return f"{name} {place}{result} {';'.join(kept)}"


def table():
    """Return the text of the module."""
    rows, refused = [], []
    for name, doc in functions():
        found = row(name, doc)
        if found is not None:
            rows.append(found)
        elif name not in OWN_FORMS:
            refused.append(name)
    rows += [f"Statistics {BY_HAND['Statistics']}"] if not hasattr(SimpleITK, "Statistics") else []
    wrapped, line = [], ""
    for name in refused:
        if len(line) + len(name) > 100:
            wrapped.append(line.strip())
            line = ""
        line += f" {name}"
    wrapped.append(line.strip())
    return (
        f'"""{HEAD}"""\n\nVERSION = "{SimpleITK.Version.VersionString()}"\n\n'
        + 'ROWS = """\\\n'
        + "\n".join(sorted(rows))
        + '\n"""\n\n'
        + "# They touch files, windows or the process, work on transforms, or draw unseeded numbers.\n"
        + 'REFUSED = """\\\n'
        + "\n".join(wrapped)
        + '\n"""\n'
    )


if __name__ == "__main__":
    TABLE.write_text(table())
