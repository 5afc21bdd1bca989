"""Provenance: signed steps from inputs to a file, and what happens when anything of it is changed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.imgql import plan_of
from vox.attest import Signer, Statement
from vox.digest import Digest, NodeId, PeerId
from vox.operators.codec import digest_of, encode_value
from vox.operators.values import FileBytes
from vox.plan import Apply, Constant, Goal, Plan, action_id
from vox.provenance import (
    ProvenanceWrong,
    _seal,
    check,
    plan_digest,
    provenance,
    sidecar,
)
from vox.store.contract import Blob
from vox.store.memory import MemoryStore
from vox.submitted import Submitted

TEXT = """load f = "flair.nii"
let image = intensity(f)
let bright = (image >. 100) & !(image >. 200)
save "bright.nii.gz" bright
print "v" volume(bright)
"""
CONTENT = b"the voxels" * 50


@dataclass
class Case:
    plan: Plan
    store: MemoryStore
    signer: Signer
    submitted: Submitted
    file: bytes
    document: dict[str, Any]

    @property
    def sidecar(self) -> bytes:
        return self.sealed(self.document)

    def sealed(self, document: dict[str, Any]) -> bytes:
        return sidecar(
            document,
            "bright.nii.gz",
            hashlib.sha256(self.file).digest(),
            len(self.file),
            "application/x-nifti",
        )


def computed(plan: Plan, store: MemoryStore, signer: Signer, last: Digest) -> None:
    """Attest every step of a plan: made-up blobs, and for the file of the first goal a real one."""
    outputs: dict[NodeId, Digest] = {}
    statements = []
    for name, node in plan:
        if isinstance(node, Apply):
            inputs = tuple(outputs[below] for below in node.inputs)
            output = last if name == plan.goals[0].wanted else Digest.of(b"made up", name.sha256)
            action = action_id(node.operator, inputs, node.parameters)
            environment = Digest.of(b"environment")
            statements.append(
                Statement(action, name, output, 9, inputs, environment, "exact", 1, signer.peer, 1)
            )
            store.put([Blob(output, [])] if output == Digest.of() else [], [])
        else:
            output = digest_of(encode_value(node.value)) if isinstance(node, Constant) else node.digest
        outputs[name] = output
    store.record(signer.attest(statements))


@pytest.fixture
def case() -> Case:
    plan, store, signer = plan_of(TEXT), MemoryStore(), Signer(bytes(range(32)))
    last = digest_of(encode_value(FileBytes("application/x-nifti", CONTENT)))
    computed(plan, store, signer, last)
    submitted = Submitted(
        "main.imgql", {"main.imgql": TEXT}, {"k": 0.5}, {"flair.nii": Digest.of(b"flair.nii")}
    )
    file = gzip.compress(CONTENT, mtime=0)
    document = provenance(plan, plan.goals[0], last, store, submitted)
    return Case(plan, store, signer, submitted, file, document)


def test_a_file_that_is_what_its_sidecar_says_is_found_to_be(case: Case) -> None:
    found = check(case.sidecar, [case.file])
    assert found.node == case.plan.goals[0].wanted
    assert found.inputs == (("flair.nii", Digest.of(b"flair.nii")),)
    assert found.signers == (case.signer.peer,)
    assert check(case.sidecar, [case.file[:7], case.file[7:]], {case.signer.peer}) == found


def test_a_signer_who_was_not_named_is_told(case: Case) -> None:
    with pytest.raises(ProvenanceWrong, match="not named as a signer"):
        check(case.sidecar, [case.file], {PeerId.of(b"somebody else")})


def test_the_program_the_plan_and_the_names_of_inputs_are_written_down(case: Case) -> None:
    document = json.loads(case.sidecar)
    assert document["plan"] == str(plan_digest(case.plan))
    assert document["program"] == str(case.submitted.digest)
    assert document["parameters"] == {"k": 0.5}
    assert document["operators"] == sorted(
        {n.operator for name, n in case.plan if isinstance(n, Apply) and name in below(case.plan)}
    )


def below(plan: Plan) -> set[NodeId]:
    stack, seen = [plan.goals[0].wanted], set[NodeId]()
    while stack:
        name = stack.pop()
        seen.add(name)
        stack.extend(plan.inputs(name))
    return seen


def test_other_bytes_are_another_file(case: Case) -> None:
    for wrong in (case.file[:-1], case.file + b"\0", b"", gzip.compress(CONTENT, 1, mtime=1)):
        with pytest.raises(ProvenanceWrong, match="not the one that was written"):
            check(case.sidecar, [wrong])


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every leaf of a document."""
    if isinstance(value, dict) and value:
        return [path for key, item in value.items() for path in paths(item, (*here, key))]
    if isinstance(value, list) and value:
        return [path for at, item in enumerate(value) for path in paths(item, (*here, at))]
    return [here]


def changed(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            flipped = "1" if value[-1:] == "0" else "0"
            return value[:-1] + flipped
        case None:
            return "something"
    return ["something"]


def with_change(document: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    copy = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = changed(place[path[-1]])
    return dict(copy)


def test_a_change_of_any_field_is_seen(case: Case) -> None:
    whole = json.loads(case.sidecar)
    every = paths(whole)
    assert len(every) > 40
    for path in every:
        with pytest.raises(ProvenanceWrong):
            check(json.dumps(with_change(whole, path)).encode(), [case.file])


# Fields that nobody signs: a seal tells their accidents, not their forgery.
UNSIGNED = {"vox", "goal", "plan", "program", "parameters"}


def test_a_change_that_is_sealed_again_is_seen_in_whatever_is_signed(case: Case) -> None:
    whole = json.loads(case.sidecar)
    del whole["seal"]
    for path in paths(whole):
        if path[0] in UNSIGNED or path[-1] == "name":
            continue
        forged = with_change(whole, path)
        forged["seal"] = _seal(forged)
        with pytest.raises(ProvenanceWrong):
            check(json.dumps(forged).encode(), [case.file])


def test_a_forged_file_with_a_right_sum_does_not_fit_the_chain(case: Case) -> None:
    other = gzip.compress(CONTENT + b"!", mtime=0)
    forged = replace(case, file=other)
    with pytest.raises(ProvenanceWrong, match="gave another file"):
        check(forged.sidecar, [other])


def test_steps_in_another_order_or_left_out_do_not_hold(case: Case) -> None:
    last = len(case.document["chain"]) - 1
    for edit in (
        lambda chain: chain.pop(0),
        lambda chain: chain.pop(last),
        lambda chain: chain.insert(0, chain.pop(last)),
        lambda chain: chain.clear(),
    ):
        assert_edited_chain_fails(case, edit)


def assert_edited_chain_fails(case: Case, edit: Callable[[list[Any]], Any]) -> None:
    document = json.loads(json.dumps(case.document))
    edit(document["chain"])
    with pytest.raises(ProvenanceWrong):
        check(case.sealed(document), [case.file])


def test_an_attestation_of_another_key_is_refused(case: Case) -> None:
    document = json.loads(json.dumps(case.document))
    step = next(step for step in document["chain"] if step.get("attestation"))
    raw = bytearray(base64.b64decode(step["attestation"]))
    other = Signer(bytes(32))
    at = raw.index(case.signer.public_key)
    raw[at : at + 32] = other.public_key
    step["attestation"] = base64.b64encode(bytes(raw)).decode()
    with pytest.raises(ProvenanceWrong, match="signature"):
        check(case.sealed(document), [case.file])


def test_where_nobody_vouches_the_chain_has_a_gap(case: Case) -> None:
    goal: Goal = case.plan.goals[0]
    document = provenance(case.plan, goal, Digest.parse(case.document["blob"]), MemoryStore(), None)
    assert document["complete"] is False
    with pytest.raises(ProvenanceWrong, match="gap"):
        check(case.sealed(document), [case.file])


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"schema": 2}', b'{"schema": 1, "seal": "x"}', b"\xff"]
)
def test_what_is_no_sidecar_is_told_so(data: bytes) -> None:
    with pytest.raises(ProvenanceWrong):
        check(data, [b""])


def test_a_submission_comes_back_as_it_was_kept(case: Case) -> None:
    kept = case.submitted.to_bytes()
    assert kept is not None
    assert Submitted.from_bytes(kept) == case.submitted
    for damaged in (b"", b"x", kept[:-9]):
        with pytest.raises(ValueError, match=r"not a submission|Expecting|delimiter|Unterminated"):
            Submitted.from_bytes(damaged)


def test_the_digest_of_a_program_is_of_its_texts_not_of_their_places() -> None:
    one = Submitted("a.imgql", {"a.imgql": "x", "lib/l.imgql": "y"})
    assert one.digest == Submitted("b.imgql", {"b.imgql": "x", "l": "y"}).digest
    assert one.digest != Submitted("a.imgql", {"a.imgql": "x", "lib/l.imgql": "z"}).digest
