"""Where a file comes from: the sidecar beside every save, and the offline check of both.

A sidecar holds the chain of steps from the inputs to the file. Each step that an operator made carries the
attestation of the machine that ran it. The check believes nothing but signatures: it names every node and
action again from operator, inputs and parameters, so that an attested output of one step can only be fed to
the step that asked for it, and the last output must be the file.

What nobody signs (names of inputs, the program's digest, the version) is covered by a seal, a digest of the
whole sidecar. A seal tells accidents; whoever forges a name can also seal it again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vox import __version__
from vox.attest import Attestation, verify
from vox.digest import ActionId, Digest, NodeId, PeerId
from vox.encoding import EncodingError, Term, encode
from vox.errors import TrustError, VoxError
from vox.operators.codec import digest_of, encode_value
from vox.operators.values import FileBytes
from vox.plan import Apply, Constant, Goal, Node, Plan, Source, action_id, node_id
from vox.submitted import Submitted

SCHEMA = 1
SUFFIX = ".vox.json"
# A chain longer than this is a file of its own; the sidecar then says that it is not whole.
STEPS_MAX = 20_000
_FILE_BYTES_MAX = 1 << 36


class ProvenanceWrong(TrustError):
    """A file and its provenance do not hold together; the message is the first thing that does not."""

    code = "E0630"
    exit_status = 1


class Claims(Protocol):
    """The part of a shelf that knows who attests what."""

    def results(self, nodes: Collection[NodeId]) -> Mapping[NodeId, Any]:
        """Return the results known for `nodes`."""

    def attestations(self, actions: Collection[ActionId]) -> Mapping[ActionId, Sequence[Attestation]]:
        """Return every claim about `actions`."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What an offline check found to hold."""

    node: NodeId
    digest: Digest
    steps: int
    inputs: tuple[tuple[str, Digest], ...]
    signers: tuple[PeerId, ...]


def plan_digest(plan: Plan) -> Digest:
    """Return the name of a plan: of its goals, whose nodes name everything below them."""
    goals: list[Term] = [
        [goal.kind, goal.label, goal.node.sha256, None if goal.file is None else goal.file.sha256]
        for goal in plan.goals
    ]
    return Digest.of(encode(["vox.plan-goals.v1", goals]))


def provenance(
    plan: Plan, goal: Goal, digest: Digest, claims: Claims, submitted: Submitted | None
) -> dict[str, Any]:
    """Return the provenance of a goal's result, without the part about a file (see `sidecar`).

    Parameters
    ----------
    digest
        The blob of the result: of the file's bytes for a save.
    claims
        Who attests what; where nobody does, the chain has a gap, and `complete` is false.
    """
    chain, complete = _chain(plan, goal.wanted, digest, claims)
    names = {} if submitted is None else {name.sha256: path for path, name in submitted.inputs.items()}
    for step in chain:
        if "source" in step:
            step["name"] = names.get(Digest.parse(step["source"]).sha256, "")
    return {
        "schema": SCHEMA,
        "vox": __version__,
        "goal": {"kind": goal.kind, "label": goal.label, "type": str(goal.type)},
        "node": str(goal.wanted),
        "blob": str(digest),
        "plan": str(plan_digest(plan)),
        "program": None if submitted is None else str(submitted.digest),
        "parameters": {} if submitted is None else {k: _plain(v) for k, v in submitted.parameters.items()},
        "operators": sorted({step["operator"] for step in chain if "operator" in step}),
        "complete": complete,
        "chain": chain,
    }


def signers_of(document: Mapping[str, Any]) -> tuple[PeerId, ...]:
    """Return who signed the steps of a provenance. Nothing is verified."""
    found: dict[PeerId, None] = {}
    for step in document["chain"]:
        if step.get("attestation"):
            claim = Attestation.from_bytes(base64.b64decode(step["attestation"]))
            found[claim.statement.issuer] = None
    return tuple(found)


def sidecar(document: Mapping[str, Any], name: str, file_sha256: bytes, size: int, media_type: str) -> bytes:
    """Return the bytes of the sidecar of a file that was written under `name`."""
    file = {"name": name, "bytes": size, "sha256": file_sha256.hex(), "media_type": media_type}
    whole = {**document, "file": file}
    return (json.dumps({**whole, "seal": _seal(whole)}, indent=1, ensure_ascii=False) + "\n").encode()


def check(data: bytes, file: Iterable[bytes | memoryview], signers: Collection[PeerId] = ()) -> Verified:
    """Check a file against its sidecar; nothing is asked of any store or machine.

    Parameters
    ----------
    data, file
        The bytes of the sidecar and, in parts, of the file.
    signers
        When given, every step must be signed by one of these.

    Raises
    ------
    ProvenanceWrong
        With the first thing that does not hold.
    """
    document = _read(data)
    try:
        if document.get("seal") != _seal({key: document[key] for key in document if key != "seal"}):
            raise ProvenanceWrong("the sidecar was changed after it was written", hint="its seal is broken")
        blob = _check_file(document, b"".join(bytes(part) for part in file))
        found = _check_chain(document)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise _unreadable(error) from error
    if found.digest != blob or document["blob"] != str(blob):
        raise ProvenanceWrong("the last step of the chain gave another file")
    if str(found.node) != document["node"]:
        raise ProvenanceWrong("the chain leads to another node than the sidecar names")
    strangers = [peer for peer in found.signers if peer not in signers] if signers else []
    if strangers:
        raise ProvenanceWrong(f"a step is signed by {strangers[0]}, who was not named as a signer")
    return found


# Building


def _chain(plan: Plan, goal: NodeId, digest: Digest, claims: Claims) -> tuple[list[dict[str, Any]], bool]:
    needed = _ancestors(plan, goal)
    if len(needed) > STEPS_MAX:
        return [], False
    known = claims.results([name for name in needed if isinstance(plan.nodes[name], Apply)])
    outputs: dict[NodeId, Digest] = {name: result.digest for name, result in known.items()}
    outputs[goal] = digest
    attested: dict[NodeId, Attestation] = {}
    for level in _levels(plan, needed):
        actions: dict[NodeId, ActionId] = {}
        for name in level:
            node = plan.nodes[name]
            if isinstance(node, Source):
                outputs[name] = node.digest
            elif isinstance(node, Constant):
                outputs[name] = digest_of(encode_value(node.value))
            elif all(below in outputs for below in node.inputs):
                inputs = tuple(outputs[below] for below in node.inputs)
                actions[name] = action_id(node.operator, inputs, node.parameters)
        offered = claims.attestations(set(actions.values())) if actions else {}
        for name, action in actions.items():
            claim = _chosen(offered.get(action, ()), outputs.get(name))
            if claim is not None:
                attested[name] = claim
                outputs[name] = claim.statement.output
    at = {name: number for number, name in enumerate(needed)}
    steps = [_step(plan.nodes[name], at, outputs.get(name), attested.get(name)) for name in needed]
    complete = all(name in attested for name in needed if isinstance(plan.nodes[name], Apply))
    return steps, complete and outputs[goal] == digest


def _chosen(offered: Sequence[Attestation], wanted: Digest | None) -> Attestation | None:
    """Return a claim of what was used; when that is not known, the last of claims that agree."""
    if wanted is not None:
        return next((claim for claim in offered if claim.statement.output == wanted), None)
    return offered[-1] if len({claim.statement.output for claim in offered}) == 1 else None


def _ancestors(plan: Plan, goal: NodeId) -> list[NodeId]:
    """Return a node and everything below it, inputs first."""
    seen, stack = {goal}, [goal]
    while stack:
        for below in plan.inputs(stack.pop()):
            if below not in seen:
                seen.add(below)
                stack.append(below)
    return [name for name in plan.nodes if name in seen]


def _levels(plan: Plan, names: Sequence[NodeId]) -> list[list[NodeId]]:
    depth: dict[NodeId, int] = {}
    levels: list[list[NodeId]] = []
    for name in names:
        mine = depth[name] = 1 + max((depth[below] for below in plan.inputs(name)), default=-1)
        if mine == len(levels):
            levels.append([])
        levels[mine].append(name)
    return levels


def _step(
    node: Node, at: Mapping[NodeId, int], output: Digest | None, claim: Attestation | None
) -> dict[str, Any]:
    if isinstance(node, Source):
        return {"source": str(node.digest)}
    if isinstance(node, Constant):
        return {"constant": _plain(node.value)}
    return {
        "operator": node.operator,
        "inputs": [at[name] for name in node.inputs],
        "parameters": {key: _plain(value) for key, value in node.parameters},
        "output": None if output is None else str(output),
        "attestation": None if claim is None else base64.b64encode(claim.to_bytes()).decode(),
    }


# Checking


def _read(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise _unreadable(error) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ProvenanceWrong(
            "the sidecar is not one of this version", hint="another vox may have written it"
        )
    return document


def _unreadable(error: Exception) -> ProvenanceWrong:
    return ProvenanceWrong(f"the sidecar cannot be read: {error}", hint="it is damaged, or no sidecar")


def _check_file(document: Mapping[str, Any], data: bytes) -> Digest:
    """Return the digest of the blob that the file holds."""
    told = document["file"]
    if hashlib.sha256(data).hexdigest() != told["sha256"] or len(data) != told["bytes"]:
        raise ProvenanceWrong(
            f"the file is not the one that was written as {told['name']}: its bytes have another digest"
        )
    if data[:2] == b"\x1f\x8b" and told["name"].endswith(".gz"):
        try:
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            data = unpacker.decompress(data, _FILE_BYTES_MAX)
        except zlib.error as error:
            raise ProvenanceWrong(f"the file is not a gzip file: {error}") from error
    return digest_of(encode_value(FileBytes(told["media_type"], data)))


def _check_chain(document: Mapping[str, Any]) -> Verified:
    names: list[NodeId] = []
    outputs: list[Digest] = []
    inputs: list[tuple[str, Digest]] = []
    signers: dict[PeerId, None] = {}
    chain = document["chain"]
    if not chain or document["complete"] is not True:
        raise ProvenanceWrong(
            "the chain of attestations has a gap: nobody vouches for every step",
            hint="run with the dynamic engine and the write cache on",
        )
    for number, step in enumerate(chain):
        if "source" in step:
            digest = Digest.parse(step["source"])
            node: Node = Source(digest)
            inputs.append((str(step["name"]), digest))
        elif "constant" in step:
            node = Constant(_term(step["constant"]))  # type: ignore[arg-type]
            digest = digest_of(encode_value(node.value))
        else:
            node = Apply(
                str(step["operator"]),
                tuple(names[_index(below, number)] for below in step["inputs"]),
                tuple((key, _term(value)) for key, value in step["parameters"].items()),
            )
            digest = _check_step(number, step, node, [outputs[below] for below in step["inputs"]], signers)
        names.append(node_id(node))
        outputs.append(digest)
    operators = sorted({step["operator"] for step in chain if "operator" in step})
    if operators != document["operators"]:
        raise ProvenanceWrong("the operators of the chain are not those that the sidecar lists")
    return Verified(names[-1], outputs[-1], len(names), tuple(inputs), tuple(signers))


def _index(below: object, number: int) -> int:
    if type(below) is not int or not 0 <= below < number:
        raise ProvenanceWrong(f"step {number} is fed by a step that does not stand before it")
    return below


def _check_step(
    number: int, step: Mapping[str, Any], node: Apply, inputs: list[Digest], signers: dict[PeerId, None]
) -> Digest:
    """Check one operator's step; return what it gave."""
    where = f"step {number} ({node.operator})"
    if step["attestation"] is None:
        raise ProvenanceWrong(f"nobody vouches for {where}")
    try:
        claim = Attestation.from_bytes(base64.b64decode(step["attestation"], validate=True))
    except (VoxError, EncodingError) as error:
        raise ProvenanceWrong(f"the attestation of {where} cannot be read") from error
    statement = claim.statement
    if statement.action != action_id(node.operator, tuple(inputs), node.parameters):
        raise ProvenanceWrong(f"the attestation of {where} is about another operator, inputs or parameters")
    if statement.inputs != tuple(inputs):
        raise ProvenanceWrong(f"the attestation of {where} names other inputs")
    if str(statement.output) != step["output"]:
        raise ProvenanceWrong(f"the attestation of {where} is about another output")
    try:
        verify(claim)
    except VoxError as error:
        raise ProvenanceWrong(f"the signature under {where} does not hold: {error.message}") from error
    signers[statement.issuer] = None
    return statement.output


# Terms as JSON has them: bytes and the numbers it lacks are objects with one key.


def _plain(value: Term) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": repr(value)}
    if isinstance(value, Mapping):
        return {"map": [[key, _plain(item)] for key, item in value.items()]}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _term(value: Any) -> Term:
    match value:
        case {"bytes": str(digits)}:
            return bytes.fromhex(digits)
        case {"number": str(word)}:
            return float(word)
        case {"map": list(items)}:
            return {key: _term(item) for key, item in items}
        case list():
            return [_term(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    raise ValueError(f"not a term: {value!r:.80}")


def _seal(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
