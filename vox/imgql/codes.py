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
BLOCK_INSIDE = "E0224"
LET_IN = "E0225"
LOOP_DO = "E0226"
LOOP_IN = "E0227"
FOLD_OPERATOR = "E0228"
UNCLOSED = "E0229"
CLOSING = "E0230"
RESERVED = "E0231"
SYSTEM = "E0232"
FORMAL_TWICE = "E0233"
NO_VALUE = "E0234"
ARGUMENT = "E0235"
COMMAND = "E0236"
EQUALS = "E0237"
NOT_A_SEQUENCE = "E0238"
INDEX_TYPE = "E0239"
INDEX_RANGE = "E0240"
SLICE = "E0241"
RANGE_COMPUTED = "E0242"
TOO_MANY = "E0243"
LENGTHS = "E0244"
CONDITION = "E0245"
NO_ELEMENTS = "E0246"
STATISTIC = "E0247"
OPAQUE = "E0248"
NOT_A_FUNCTION = "E0249"
FUNCTION_VALUE = "E0253"
MAP_FUNCTION = "E0254"
MAP_ARITY = "E0255"
AMBIGUOUS = "E0256"
PLACE = "E0257"
NAMESPACE = "E0258"
MEMBER = "E0259"
NO_KERNEL = "E0260"
EXTRA = "E0261"
PATH_COMPUTED = "E0262"
WRITE_COMPUTED = "E0263"
DEPTH = "E0264"
LOAD_KIND = "E0266"
FOLD_EMPTY = "E0267"
BROADCAST = "E0268"
OVERLOAD = "E0269"
CASES_LAYOUT = "E0270"
CASES_NONE = "E0271"
CASE_FILE = "E0272"
CASE_AMBIGUOUS = "E0273"
ARGUMENT_KIND = "E0274"
LISTING = "E0275"
MOVED = "W0250"
SAVED_TWICE = "W0251"
MANY = "W0252"
NO_STEPS = "W0280"

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
    BLOCK_INSIDE: "`let … in`, `for`, `filter` and `fold` stand where a whole expression is expected: they "
    "reach as far right as they can. Elsewhere they need parentheses.",
    LET_IN: "A `let` inside an expression has an `in` and a body: `let name = value in body`.",
    LOOP_DO: "A `for` or a `filter` has a `do` and a body: `for name in sequence do body`.",
    LOOP_IN: "A `for` or a `filter` names its sequence after `in`: `for name in sequence do body`.",
    FOLD_OPERATOR: "A `fold` combines with one of + - * / && || & | max min.",
    UNCLOSED: "A bracket is not closed where the next command begins or the program ends.",
    CLOSING: "A bracket closes that was not opened, or another one than was opened.",
    RESERVED: "System variables, `true` and `false` cannot be declared.",
    SYSTEM: "The system variables are $cwd, $dir, $file, $filename and $stem.",
    FORMAL_TWICE: "Two parameters of a function have the same name.",
    NO_VALUE: "A declaration has nothing after its `=`.",
    ARGUMENT: "An argument or an element is missing beside a comma.",
    COMMAND: "No command begins like this.",
    EQUALS: "`=` declares and stands after a name; values are compared with `==`.",
    NOT_A_SEQUENCE: "A loop, a fold, an index or a slice is applied to something that has no elements.",
    INDEX_TYPE: "An index or a bound is a whole number; booleans, images and fractions are none, and an "
    "index does not count from the end.",
    INDEX_RANGE: "The sequence has fewer elements than the index says. The first one has the number 0.",
    SLICE: "A list whose length is computed cannot be sliced from its end.",
    RANGE_COMPUTED: "The bounds of a `range` follow from the program's text, its parameters and its folders; "
    "what is computed from images comes too late.",
    TOO_MANY: "A sequence has at most a million elements.",
    LENGTHS: "Two sequences are combined element by element and have different lengths.",
    CONDITION: "A condition is a boolean or a number.",
    NO_ELEMENTS: "An empty sequence has no mean, no largest element and no fold without a first value.",
    STATISTIC: "Statistics are of numbers.",
    OPAQUE: "The elements of this sequence are only known when the program has run, so that nothing can"
    " loop over them.",
    NOT_A_FUNCTION: "Something that has no parameters is called with arguments.",
    FUNCTION_VALUE: "A function is no value: it is called with its arguments, or named in `map`.",
    MAP_FUNCTION: "The first argument of `map` is the name of a function.",
    MAP_ARITY: "`map` applies a function of one parameter.",
    AMBIGUOUS: "Coordinates, borders and constants have the size of the image they are combined with; here"
    " there are several images of different size and nothing says which.",
    PLACE: "Two images of the same size are combined that lie at different places in space.",
    NAMESPACE: "The program imports something that is neither a namespace nor a file.",
    MEMBER: "The namespace has no function of that name.",
    NO_KERNEL: "The function is known, but this version of vox cannot compute it.",
    EXTRA: "The namespace needs packages that are not installed.",
    PATH_COMPUTED: "The path of an input is known before the program runs: a string, put together from "
    "strings, parameters and folder listings.",
    WRITE_COMPUTED: "The path of a saved file is known before the program runs.",
    DEPTH: "Sequences are nested at most 64 deep.",
    LOAD_KIND: "`load` reads lists of lines (.csv, .txt) and images.",
    FOLD_EMPTY: "A `fold` with max, min or / has no value to begin with and nothing to go over.",
    BROADCAST: "An operator that works on numbers and images is given a sequence that it cannot go through"
    " element by element.",
    OVERLOAD: "No meaning of an overloaded operator takes arguments of these types.",
    CASES_LAYOUT: "The layouts of case folders are brats, bids, nnunet and glob:PATTERN.",
    CASES_NONE: "No case was found where they were looked for.",
    CASE_FILE: "A case has no file for a name that the program leaves open.",
    CASE_AMBIGUOUS: "A case has several files for one name.",
    ARGUMENT_KIND: "An argument of this function is a constant of a certain kind.",
    LISTING: "A folder cannot be listed.",
    MOVED: "An image lies elsewhere in space than the first loaded image, but has as many voxels; as in "
    "VoxLogicA 1 its voxels are used in the first image's place.",
    SAVED_TWICE: "Two goals write one file; the later one stays.",
    NO_STEPS: "A loop goes over an empty sequence; its body is checked, but nothing is computed.",
    MANY: "There are more findings than are shown.",
}


def explain(code: str) -> str:
    """Return the explanation of a code, or nothing."""
    return CODES.get(code, "")
