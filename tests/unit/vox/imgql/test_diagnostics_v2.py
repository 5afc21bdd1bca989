"""For every way to go wrong in V2 the shortest program that does, and what its author is told."""

from __future__ import annotations

import pytest

from tests.support.imgql2 import bundle2, error2, findings2
from vox.imgql import Diagnostic, render_all

SITK = 'import "simpleitk"\nimg = ReadImage("flat.nii")\n'

CASES = [
    ("E0224", "a = 1 + let b = 2 in b", "1:9", "cannot stand in the middle", "parentheses"),
    ("E0224", "a = b * for x in s do x", "1:9", "cannot stand in the middle", "parentheses"),
    ("E0225", "a = let x = 3", "1:14", "needs `in` here", "`let x = … in …`"),
    ("E0226", "a = for x in [1] x", "1:18", "needs `do` here", "`for x in … do …`"),
    ("E0227", "a = for x do x", "1:11", "`in` is missing after `for x`", "for x in sequence do"),
    ("E0228", "a = fold < [1]", "1:10", "`fold <` is not supported", "knows"),
    ("E0229", "a = f(1\nb = 2", "2:1", "a command begins before the bracket is closed", ""),
    ("E0229", "a = [1", "1:7", "expected an operator, `,` or `]`", ""),
    ("E0230", "a = 1 ]", "1:7", "`]` closes nothing", ""),
    ("E0230", "a = (1]", "1:7", "`]` closes what `)` should close", ""),
    ("E0231", "$cwd = 3", "1:1", "is a system variable", ""),
    ("E0231", "a = let true = 1 in 2", "1:9", "cannot be declared", ""),
    ("E0232", 'print "a" $cwdd', "1:11", "no system variable `$cwdd`", "did you mean `$cwd`?"),
    ("E0233", "f(a, a) = 3", "1:6", "two parameters are called `a`", "different names"),
    ("E0234", "a =\nb = 2", "2:1", "`a =` has no right side", ""),
    ("E0235", "a = [1,, 2]", "1:8", "found `,`", "an argument is missing"),
    ("E0235", "a = f(1,)", "1:9", "found `)`", "remove the comma"),
    ("E0236", "3 + 4", "1:1", "expected a command, found the number `3`", "a command is"),
    ("E0236", 'primt "x" [1]', "1:1", "expected a command", "did you mean `print`?"),
    ("E0202", "a = +", "1:6", "expected an expression after `+`", ""),
    ("E0203", 'a = "open', "1:5", "never closed", "closing"),
    ("E0204", "a = § + [1]", "1:5", "`§` means nothing here", ""),
    ("E0237", 'print "a" [1] = [1]', "1:15", "`=` only declares", "`==`"),
    ("E0238", 'print "a" for i in 3 do i', "1:11", "`for` needs a sequence, not a number", "range(n)"),
    ("E0239", 'print "a" [1,2][true]', "1:16", "a whole number, not a boolean", ""),
    ("E0239", 'print "a" [1,2][0.5]', "1:16", "not 0.5", "floor"),
    ("E0239", 'print "a" [1,2][-1]', "1:16", "a whole number from 0, not -1.0", ""),
    ("E0240", 'print "a" index([1], 1)', "1:11", "index 1 of a sequence of 1", "number 0"),
    (
        "E0241",
        f'{SITK}xs = filter v in [volume(img > 1)] do v > 2\nprint "a" xs[-1:]',
        "4:13",
        "from its end",
        "",
    ),
    ("E0242", f'{SITK}print "a" range(volume(img > 1))', "3:11", "known before the program runs", "filter"),
    ("E0243", 'print "a" range(1e7)', "1:11", "too long", "million"),
    ("E0244", 'print "a" [1,2] + [1,2,3]', "1:17", "different lengths: 2 and 3", "xs[0:n]"),
    ("E0245", 'print "a" if("x", 1, 2)', "1:11", "is a string, not a boolean", "compare"),
    ("E0246", 'print "a" mean([])', "1:11", "`mean` of an empty sequence", ""),
    ("E0247", 'print "a" mean(["x"])', "1:11", "`mean` needs numbers; here is a string", ""),
    ("E0248", 'print "a" for t in tally([1]) do t', "1:11", "known before the program runs", "indexed"),
    ("E0249", 'k = 3\nprint "a" k(1)', "2:11", "`k` is no function", ""),
    ("E0253", 'f(x) = x\nprint "a" f', "2:11", "a function is no value", "call it: `f(x)`"),
    ("E0254", 'print "a" map(3, [1])', "1:11", "needs the name of a function", "for x in xs"),
    ("E0255", 'f(a, b) = a\nprint "a" map(f, [1])', "2:15", "`f` has 2", ""),
    (
        "E0256",
        f'{SITK}c = ReadImage("cube.nii")\nprint "a" volume(border)\nprint "b" max(c)',
        "4:1",
        "images of 2 sizes",
        "border(img)",
    ),
    ("E0216", 'print "a" volume(border) + [1][0]', "1:1", "no image says", "ReadImage"),
    (
        "E0217",
        f'{SITK}c = ReadImage("cube.nii")\nprint "a" max(img + c)',
        "4:19",
        "7×7 and 5×5×5",
        "resample",
    ),
    (
        "E0257",
        f'{SITK}c = ReadImage("away.nii")\nprint "a" max(img + c)',
        "4:19",
        "different places",
        "register",
    ),
    ("E0258", 'import "simpelitk"\na = [1]', "1:8", "neither a namespace nor a file", "`simpleitk`?"),
    ("E0214", 'import "a.imgql"\na = [1]', "1:8", "not found", ""),
    ("E0259", 'print "a" strings.concatt("a")', "1:11", "no function `concatt`", "`concat`?"),
    ("E0201", f"{SITK}c = Medain(img, 1)", "3:5", "unknown name `Medain`", "`Median`?"),
    ("E0261", "c = make_predictor([1])", "1:5", "torch and nnunetv2", "install"),
    ("E0260", f"{SITK}c = vox1.slic(img, img)", "3:5", "this version of vox cannot compute it", ""),
    ("E0261", 'print "a" nnunet.train([1])', "1:11", "torch and nnunetv2", "install"),
    (
        "E0262",
        f'{SITK}c = ReadImage(if(max(img) > 3, "a.nii", "b.nii"))',
        "3:5",
        "is computed",
        "put it together",
    ),
    (
        "E0263",
        f'{SITK}c = WriteImage(img, strings.concat("a", max(img)))',
        "3:5",
        "is computed",
        "put it together",
    ),
    ("E0264", f'print "a" {"[" * 70}1{"]" * 70} + 1', "1:153", "more than 64 deep", ""),
    ("E0266", 'a = load("model.pkl") + [1]', "1:5", "does not know", ".csv"),
    ("E0267", 'print "a" fold max []', "1:16", "of an empty sequence", ""),
    ("E0268", 'print "a" [true] && true', "1:18", "does not go through sequences", "for x in xs"),
    ("E0269", 'print "a" "x" + [1][0]', "1:15", "does not combine a string and a number", ""),
    ("E0209", 'print "a" volume("x") + [1]', "1:11", "argument 1 of `volume` is a string, not a mask", ""),
    ("E0208", 'print "a" volume() + [1]', "1:11", "requires 1 argument, got 0", ""),
    ("E0208", 'print "a" range(1,2,3)', "1:11", "requires 1 to 2 arguments, got 3", ""),
    ("E0211", 'save "a.nii" [1]', "1:1", "of type sequence", ".json"),
    (
        "E0213",
        'import "simpleitk"\nsave "a.png" ReadImage("cube.nii")',
        "2:6",
        "more than 2 dimensions",
        ".nii.gz",
    ),
    ("E0201", 'print "e" for i in [] do nosuch(i)', "1:26", "unknown name `nosuch`", ""),
    ("E0201", 'f(x) = f(x)\nprint "a" f(1)', "1:8", "unknown name `f`", "no recursion"),
    ("E0207", "a = [1]", "1:1", "no goals", "add a `save`"),
    ("E0274", "a = dir(3) + [1]", "1:5", "is a number, not a string", ""),
    ("E0275", 'a = dir("nowhere")', "1:5", "no folder `nowhere`", ""),
    ("E0301", 'import "simpleitk"\na = ReadImage("none.nii")', "2:5", "no file `none.nii`", ""),
]


@pytest.mark.parametrize(("code", "text", "place", "message", "help"), CASES)
def test_an_error_has_a_code_a_place_words_and_help(
    code: str, text: str, place: str, message: str, help: str
) -> None:
    error = error2(text, dialect="v2")
    first = error.diagnostics[0]
    assert isinstance(first, Diagnostic)
    shown = render_all(error.diagnostics, bundle2(text, dialect="v2").texts())
    assert first.code == code, shown
    assert f"--> main.imgql:{place}\n" in f"{shown}\n"
    assert message in first.message
    assert help in first.help


def test_several_findings_are_told_at_once_each_once() -> None:
    text = SITK + 'a = nosuch\nb = a + 1\nprint "c" for i in range(9) do volum(img > i)\nprint "d" [1][7]'
    assert [found.code for found in findings2(text)] == ["E0201", "E0201", "E0240"]


def test_an_error_in_a_function_tells_how_the_program_came_there() -> None:
    error = error2('f(x) = g(x) + 1\nh(x) = f(x)\nprint "a" h([1][0])')
    first = error.diagnostics[0]
    assert isinstance(first, Diagnostic)
    assert [note.text for note in first.notes] == ["in `f`, used here", "in `h`, used here"]


def test_a_loop_over_nothing_is_worth_a_warning() -> None:
    found = findings2('print "a" for i in [] do i + 1')
    assert [(each.severity, each.code) for each in found] == [("warning", "W0280")]


def test_editors_get_findings_in_the_words_of_the_language_server_protocol() -> None:
    error = error2('f(x) = g(x) + 1\nprint "a" f([1][0])')
    first = error.diagnostics[0]
    assert isinstance(first, Diagnostic)
    assert first.to_lsp() == {
        "range": {"start": {"line": 0, "character": 7}, "end": {"line": 0, "character": 8}},
        "severity": 1,
        "code": "E0201",
        "source": "vox",
        "message": "unknown name `g`",
        "relatedInformation": [
            {
                "location": {
                    "uri": "main.imgql",
                    "range": {"start": {"line": 1, "character": 10}, "end": {"line": 1, "character": 19}},
                },
                "message": "in `f`, used here",
            }
        ],
    }
