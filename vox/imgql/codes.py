"""The codes of everything that can be wrong with a program, one sentence each.

docs/errors.md and `vox explain` are made from this table. A code never changes its meaning; a code that
falls out of use is not given away again.
"""

from __future__ import annotations

UNKNOWN_NAME = "E0201"
SYNTAX = "E0202"
STRING_OPEN = "E0203"
CHARACTER = "E0204"
NOT_UTF8 = "E0205"
EMPTY = "E0206"
NO_GOALS = "E0207"
ARITY = "E0208"
TYPE = "E0209"
PRINT_TYPE = "E0210"
SAVE_TYPE = "E0211"
SAVE_NAME = "E0212"
SAVE_DIMENSION = "E0213"
IMPORT_MISSING = "E0214"
IMPORT_COMMAND = "E0215"
NO_MODEL = "E0216"
GEOMETRY = "E0217"
DIALECT = "E0218"
FAMILY = "E0219"
PARAMETER_UNKNOWN = "E0220"
PARAMETER_VALUE = "E0221"
TOO_LARGE = "E0222"
UNKNOWN_OPERATOR = "E0223"
MOVED = "W0250"
SAVED_TWICE = "W0251"
MANY = "W0252"

CODES: dict[str, str] = {
    "E0200": "The program has errors; each of them has a code of its own.",
    UNKNOWN_NAME: "A name is used that neither the program, nor what it imports, nor the language defines. "
    "A declaration sees only what stands before it, and never itself.",
    SYNTAX: "The text does not follow the grammar at this place.",
    STRING_OPEN: 'A string has no closing `"`.',
    CHARACTER: "A character that has no meaning in the language.",
    NOT_UTF8: "A program is UTF-8 text; these bytes are not.",
    EMPTY: "The program holds no commands at all.",
    NO_GOALS: "The program asks for nothing: it has no `save` and no `print`.",
    ARITY: "A function or operator is given more or fewer arguments than it takes.",
    TYPE: "An argument has another type than the operator takes; types are never converted silently. "
    "A loaded image is a model: `intensity`, `red`, `green`, `blue` and `alpha` give its numbers.",
    PRINT_TYPE: "Only numbers, booleans and strings are printed; images are saved.",
    SAVE_TYPE: "Only models, images and masks are saved; numbers are printed.",
    SAVE_NAME: "A saved file's name ends in .nii, .nii.gz, .png, .jpg or .bmp, which chooses its format.",
    SAVE_DIMENSION: "PNG, JPEG and BMP files are flat: an image of three dimensions needs .nii or .nii.gz.",
    IMPORT_MISSING: "An imported file is neither beside the program, nor in the working folder, nor in the "
    "library, with or without the ending .imgql.",
    IMPORT_COMMAND: "An imported file may only import and declare (`import`, `let`).",
    NO_MODEL: "The size of the result comes from the first loaded image, and the program loads none.",
    GEOMETRY: "All images of a program have the same size as the first that is loaded.",
    DIALECT: "The construct belongs to the V2 dialect of the language, which this version does not run.",
    FAMILY: "The program is about other models (graphs, polyhedra, posets); this engine knows images.",
    PARAMETER_UNKNOWN: "A parameter is given that the program has no use for.",
    PARAMETER_VALUE: "A parameter can replace a `let` of a literal or the path of a `load`, by a value of "
    "the same type, or fill a name that the program leaves open.",
    TOO_LARGE: "The program expands beyond what one plan may hold.",
    UNKNOWN_OPERATOR: "An operator symbol is used that neither the program nor the language defines. "
    "Neighbouring symbols and capitals are read as one operator: put spaces between them.",
    MOVED: "An image lies elsewhere in space than the first loaded image, but has as many voxels; as in "
    "VoxLogicA 1 its voxels are used in the first image's place.",
    SAVED_TWICE: "Two goals write one file; the later one stays.",
    MANY: "There are more findings than are shown.",
}


def explain(code: str) -> str:
    """Return the explanation of a code, or nothing."""
    return CODES.get(code, "")
