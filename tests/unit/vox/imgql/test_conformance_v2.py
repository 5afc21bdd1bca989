"""Whole programs of V2: text in, numbers out. The vectors are those of the language reference."""

from __future__ import annotations

import pytest

from tests.support.imgql import plan_of
from tests.support.imgql2 import plan2, run2

SITK = 'import "simpleitk"\nimg = ReadImage("flat.nii")\n'
CASES = 'import "simpleitk"\nfiles = dir("data", "*.nii")\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('print "a" 1 - 2 - 3', "a=-4.0"),
        ('print "a" 1 + 2 * 3', "a=9.0"),
        (f'{SITK}a = ff\nb = ff\nprint "v" volume(!a & b)', "v=0.0"),
        ('print "a" fold + 0 ([1,2,3])', "a=6.0"),
        ('print "a" fold + 0 [1,2,3]', "a=6.0"),
        ('print "a" fold max [1,5,2]', "a=5.0"),
        ('print "a" fold - [1,2]', "a=-3.0"),
        ('print "a" fold / 8 ([2,2])', "a=2.0"),
        ('print "a" fold && [true, 1 > 2]', "a=False"),
        ('print "a" [10,20,30][1]', "a=20.0"),
        ('print "a" [1,2,3,4][1:3]', "a=[2.0, 3.0]"),
        ('print "a" [1,2,3,4][:-1]', "a=[1.0, 2.0, 3.0]"),
        ('print "a" [1,2] + 1', "a=[2.0, 3.0]"),
        ('print "a" [1,2] * [3,4]', "a=[3.0, 8.0]"),
        ('print "a" [] + 1', "a=[]"),
        ('print "a" [1,[2,3]] * 2', "a=[2.0, [4.0, 6.0]]"),
        ('print "a" 1 / 0', "a=E0425"),
        ('print "a" division(1, 0)', "a=E0425"),
        ('print "a" map(volume, [])', "a=[]"),
        ('print "a" for i in range(0,3) do +(i,1)', "a=[1.0, 2.0, 3.0]"),
        (
            'print "a" for i in range(0,3) do for j in range(0,2) do i * j',
            "a=[[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]",
        ),
        ('print "a" range(0,3)', "a=[0, 1, 2]"),
        ('import "strings"\nprint "a" concat("n", 3)', "a=n3.0"),
        ('print "a" concat("n", 3)', "a=n3.0"),
        ('concat = 3\nprint "a" concat + 1', "a=4.0"),
        ('print "a" split("a;b", ";")', "a=['a', 'b']"),
        ('import "strings"\nprint "a" concat("n", range(4)[3])', "a=n3"),
        ('import "strings"\nprint "a" format_string("{:.2%} {:03.0f}", 0.256, 7)', "a=25.60% 007"),
        ('print "a" 3 > 2', "a=True"),
        ('print "a" num_gt(3,2) * 2', "a=2.0"),
        ('print "a" argmax([1,3,3])', "a=1"),
        ('print "a" filter x in [1,2,3] do x > 1', "a=[2.0, 3.0]"),
        ('s = "hello"\nprint "a" s', "a=hello"),
        ('print "a" let y = 1 in y + 2', "a=3.0"),
        ('a = 1\nf(x) = x + a\na = 2\nprint "a" f(1)', "a=2.0"),
        ('hi = 5\nlo = 2\nprint "a" range(lo, hi+1)', "a=[2, 3, 4, 5]"),
        ('hi = 5\nlo = 2\nprint "a" hi-lo+1', "a=4.0"),
        ('a=-1\nb=-a\nprint "a" b', "a=1.0"),
        ('NEG(x) = 0 - x\nprint "a" NEG 11', "a=-11.0"),
        ('SUM(a,b) = a + b\n+?(a,b) = a - b\nprint "a" 4 SUM 9 +? 3', "a=10.0"),
        ('print "a" if(1 > 2, 1 / 0, 3)', "a=3.0"),
        ('print "a" strings.equals("a", "a") && ("b" != "a")', "a=True"),
        ('print "a" parameter_grid([[1,2],["a"]])', "a=[[1.0, 'a'], [2.0, 'a']]"),
        ('print "a" [mean([1,2]), median([3,1,2]), stdev([1]), floor(2.5)]', "a=[1.5, 2.0, 0.0, 2]"),
        ('print "a" tally([0.9, 0.8, 0.9])', "a=[[0.8, 1], [0.9, 2]]"),
        ('print "a" argsort([3,1,2])[0]', "a=1"),
        ('lines = load("t.csv")\nprint "a" for l in lines do strings.split(l)[1]', "a=['1', '2']"),
        ('print "a" subsequence([1,2,3], 2)', "a=[1.0, 2.0]"),
        ('print "a" strings.concat($stem, "!")', "a=main!"),
        ('let _ = 3\nprint "a" length([1,2])', "a=2"),
        ('print "a" gather([true, false, true], [1,2,3])', "a=[1.0, 3.0]"),
        (f'{SITK}print "a" max(x) + 1', "a=7.0"),
        (f'{SITK}print "a" max(x(img))', "a=6.0"),
        (f'{SITK}print "a" for i in range(max(x) - 1, max(x(img)) + 1) do volume(x == i)', "a=[7.0, 7.0]"),
        (f'{SITK}top = max(y) + 1\nprint "a" length(range(0, top))', "a=7"),
        (f'{SITK}print "a" volume(touch(img < 5, border))', "a=5.0"),
        (f'{SITK}print "a" index(MinimumMaximum(img), 1)', "a=48.0"),
        (f'{SITK}print "a" max((img > 10) * 85.0)', "a=85.0"),
        (f'{SITK}print "a" volume((img > 10) >= 0.5)', "a=38.0"),
        (f'{SITK}print "a" volume(img == img)', "a=49.0"),
        (f'{SITK}print "a" max(img +. img) - max(img + 2)', "a=46.0"),
        (f'{SITK}print "a" volume(smoothen(img, 1))', "a=49.0"),
        (f'{SITK}print "a" volume(geq_sv(40, img)) + volume(leq_sv(1, img))', "a=11.0"),
        (f'{SITK}print "a" avg(percentiles(img, tt, 0.5), tt)', "a=0.4999999988025853"),
        (f'{SITK}N(m) = near(m)\nprint "a" volume(N(img == 24))', "a=9.0"),
        (f'{SITK}print "a" if(volume(img > 5) > 3, "many", "few")', "a=many"),
        (f'{SITK}print "a" [10,20][volume(img > 46) - 1]', "a=20.0"),
        (f'{SITK}print "a" [[1,2],[3]][volume(img > 46) - 1]', "a=[3.0]"),
    ],
)
def test_a_program_prints_what_the_language_says(text: str, line: str) -> None:
    assert run2(text, dialect="v2") == [line]


def test_a_folder_of_cases_is_gone_through() -> None:
    text = (
        CASES
        + "f(p) = let img = ReadImage(p) in let m = touch(img > 10, border) in volume(m)\n"
        + 'vs = map(f, files)\nprint "vs" vs\nprint "best" files[argmax(vs)]\nprint "mean" mean(vs)\n'
        + 'big = filter v in vs do v > 39\nprint "big" big\nprint "n" length(big)\nprint "s" fold + big\n'
        + 'print "mx" fold max big\nprint "bb" for v in big do v * 2\nprint "b1" big[1]\n'
        + 'print "sl" big[0:2]\nprint "none" fold max (filter v in big do v > 99)'
    )
    assert run2(text) == [
        *("vs=[38.0, 43.0, 45.0, 46.0]", "best=c3.nii", "mean=43.0", "big=[43.0, 45.0, 46.0]", "n=3"),
        *("s=134.0", "mx=46.0", "bb=[86.0, 90.0, 92.0]", "b1=45.0", "sl=[43.0, 45.0]", "none=E0423"),
    ]


def test_images_without_a_place_take_that_of_the_loop_or_the_function() -> None:
    text = (
        CASES
        + 'sizes = for p in [files[0], "cube.nii"] do let i = ReadImage(p) in [max(x), volume(i >= 0)]\n'
    )
    assert run2(text + 'print "a" sizes') == ["a=[[6.0, 49.0], [4.0, 125.0]]"]
    text = SITK + 'c = ReadImage("cube.nii")\nf(i) = volume(border) + (0 * max(i))\n'
    assert run2(text + 'print "a" f(img)\nprint "b" f(c)') == ["a=24.0", "b=98.0"]


def test_by_hand_in_a_loop_in_a_function_and_in_v1_it_is_the_same_node() -> None:
    hand = plan2(SITK + 'print "a" volume(img > 1)').goals[0].node
    loop = plan2(SITK + 'print "a" (for t in range(3) do volume(img > t))[1]').goals[0].node
    function = plan2(SITK + 'f(t) = volume(img > t)\nprint "a" map(f, [0, 1])[1]').goals[0].node
    fold = plan2(SITK + 'print "a" fold max (filter v in [volume(img > 1)] do true)').goals[0].node
    one = plan2('load img = "flat.nii"\nlet i = intensity(img)\nprint "a" volume(i >. 1)', dialect="v1")
    assert hand == loop == function == fold == one.goals[0].node
    assert len(plan_of('load img = "a.nii"\nprint "a" max(intensity(img))').goals) == 1


def test_files_of_both_dialects_meet() -> None:
    old = 'import "stdlib.imgql"\nlet half(i) = i *. 0.5\nlet chain(a, b) = a .-. b .-. 1'
    text = SITK + 'import "old.imgql"\nprint "a" max(half(img))\nprint "b" chain(3, 2)'
    assert run2(text, {"old.imgql": old}) == ["a=24.0", "b=2.0"]
    new = 'twice(x) = x * 2\nprint "inner" twice(2)'
    text = 'load img = "flat.nii"\nimport "new.imgql"\nlet i = intensity(img)\nprint "a" max(twice(i))'
    assert run2(text, {"new.imgql": new}) == ["inner=4.0", "a=96.0"]


def test_what_is_written_on_the_way_is_a_goal() -> None:
    text = SITK + 'let _ = WriteImage(img > 3, strings.concat($stem, ".nii.gz"))\nsave "all.json" [1, 2]'
    goals = plan2(text).goals
    assert [(goal.kind, goal.label, goal.file is None) for goal in goals] == [
        ("save", "main.nii.gz", False),
        ("save", "all.json", True),
    ]


def test_parameters_replace_literals_and_fill_names() -> None:
    assert run2('k = 3\nprint "a" k + n', k="4", n="2") == ["a=6.0"]
    assert run2('print "a" max(flair_1 + 1)', dialect="v2", flair_1="flat.nii") == ["a=49.0"]
