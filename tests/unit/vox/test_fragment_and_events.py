"""What travels reads back as what was sent."""

import json

import pytest

from vox import events
from vox.attest import Signer, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.events import State
from vox.fragment import Done, Failed, Fragment, How, Lost, Report
from vox.plan import Apply, Constant, Source

N, M = NodeId.of(b"n"), NodeId.of(b"m")
D = Digest.of(b"d")


def test_a_fragment_reads_back() -> None:
    nodes = (
        (N, Apply("file_mask@1", (M,), (("format", ".nii"),))),
        (M, Constant(0.5)),
        (NodeId.of(b"s"), Source(D)),
    )
    fragment = Fragment("f-1", nodes, {M: D}, ("127.0.0.1:7000",), reads=False, writes=True)
    assert Fragment.from_bytes(fragment.to_bytes()) == fragment


def test_a_report_reads_back_with_its_attestations() -> None:
    signer = Signer(Signer.generate())
    statement = Statement(ActionId.of(b"a"), N, D, 3, (D,), D, "exact", 12, signer.peer, 1)
    (attestation,) = signer.attest([statement])
    outcomes = (
        Done(N, D, 3, How.COMPUTED, 12, attestation),
        Done(M, D, 3, How.REUSED, 0, None),
        Failed(N, "E0400", "why", "do", retryable=False),
        Lost(N, M),
    )
    report = Report("f-1", outcomes)
    assert Report.from_bytes(report.to_bytes()) == report


@pytest.mark.parametrize(
    "event",
    [
        events.ExecutionStarted("e", 10, 3),
        events.NodeStarted("e", N, "near", "w"),
        events.NodeDone("e", N, "near", D, 3, How.FETCHED, "w", 12),
        events.NodeFailed("e", N, "near", "E0400", "why", "do", "w", True),
        events.NodeSkipped("e", N, M),
        events.NodeLost("e", N, "w"),
        events.WorkerJoined("e", "w"),
        events.WorkerLeft("e", "w"),
        events.ExecutionFinished("e", State.PARTIAL),
    ],
)
def test_every_event_reads_back_through_json(event: events.Event) -> None:
    assert events.from_json(json.loads(json.dumps(events.to_json(event)))) == event
