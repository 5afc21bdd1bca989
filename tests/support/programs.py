"""Plans for tests of engines: generated, without the language; and operators that fail on purpose."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from vox.digest import Digest
from vox.errors import OperatorError, Span
from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Operator, Registry
from vox.operators.values import Geometry, Image
from vox.plan import Apply, Constant, Goal, Node, Plan, Scalar, Source, Type, node_id

SPAN = Span("test.imgql", 1, 1, 1, 2)
_N = Type.NUMBER


class Program:
    """A plan in the making."""

    def __init__(self) -> None:
        self.nodes: dict = {}
        self.goals: list[Goal] = []

    def add(self, node: Node):
        name = node_id(node)
        self.nodes.setdefault(name, node)
        return name

    def constant(self, value: Scalar):
        return self.add(Constant(value))

    def apply(self, operator: str, *inputs, **parameters):
        return self.add(Apply(operator, tuple(inputs), tuple(parameters.items())))

    def print(self, label: str, node, type_: Type = _N) -> None:
        self.goals.append(Goal("print", label, node, SPAN, type_))

    def save(self, label: str, node, type_: Type, file) -> None:
        self.goals.append(Goal("save", label, node, SPAN, type_, file))

    def plan(self) -> Plan:
        return Plan(dict(self.nodes), tuple(self.goals), dict.fromkeys(self.nodes, SPAN))


def scalar_plan(seed: int, nodes: int, goals: int = 5, window: int = 20) -> Plan:
    """A random DAG of arithmetic whose numbers stay small and mostly differ."""
    rng = random.Random(seed)
    program = Program()
    half = program.constant(0.5)
    names = [program.constant(round(rng.uniform(1, 9), 3)) for _ in range(4)]
    while len(program.nodes) < nodes:
        a, b = rng.choice(names[-window:]), rng.choice(names[-window:])
        inner = program.apply(rng.choice(("num_add@1", "num_sub@1")), a, b)
        names.append(program.apply("num_mul@1", inner, half))
    for number, name in enumerate(names[-goals:]):
        program.print(f"goal{number}", name)
    return program.plan()


def chain_plan(length: int, first: float = 1.0) -> Plan:
    """One plus one plus one."""
    program = Program()
    one = program.constant(1.0)
    name = program.constant(first)
    for _ in range(length):
        name = program.apply("num_add@1", name, one)
    program.print("end", name)
    return program.plan()


def image_plan(source: Digest, threshold: float = 0.5) -> Plan:
    """Masks, images, distances, files and numbers from one source."""
    program = Program()
    model = program.add(Source(source))
    image = program.apply("intensity@1", model)
    geometry = program.apply("geometry@1", model)
    bright = program.apply("geq_sv@1", program.constant(threshold), image)
    border = program.apply("border@1", geometry)
    inner = program.apply("and@1", *sorted((bright, program.apply("not@1", border))))
    grown = program.apply("near@1", program.apply("through@1", inner, bright))
    distance = program.apply("dt@1", grown)
    ranks = program.apply("percentiles@1", image, grown, program.constant(0.0))
    blend = program.apply("add@1", ranks, program.apply("mul_vs@1", distance, program.constant(2.0)))
    for label, node in (("volume", grown), ("bright", bright)):
        program.print(label, program.apply("volume@1", node))
    program.print("max", program.apply("max@1", blend))
    for label, node, kind in (("grown.nii", grown, "mask"), ("blend.nii", blend, "image")):
        file = program.apply(f"file_{kind}@1", node, format=".nii")
        program.save(label, node, Type(kind), file)
    return program.plan()


def ball(size: int = 20, seed: int = 0) -> Image:
    """A noisy bright ball."""
    import numpy as np

    z, y, x = np.indices((size, size + 1, size + 2)) - size // 2
    voxels = np.exp(-(x**2 + y**2 + z**2) / size) + np.random.default_rng(seed).normal(0, 0.02, x.shape)
    identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    geometry = Geometry((size + 2, size + 1, size), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), identity)
    return Image(geometry, voxels.astype(np.float32))


# Kernels that do as they are told. They are found by name, as those of the catalogue are.

calls: dict[str, int] = {}
_gates: dict[str, threading.Event] = {}


def gate(name: str) -> threading.Event:
    """What a kernel of `waits` waits for."""
    return _gates.setdefault(name, threading.Event())


def _called(name: str) -> int:
    calls[name] = calls.get(name, 0) + 1
    return calls[name]


def flaky(a: float, *, name: str, failures: int) -> float:
    """Fail so often in a way that may pass, then succeed."""
    if _called(name) <= failures:
        raise Retryable(f"try {calls[name]} of {failures}")
    return a


def refuses(a: float, *, name: str = "refuses") -> float:
    _called(name)
    raise OperatorError("it will not", hint="ask for less", code="E0477")


def breaks(a: float) -> float:
    raise ZeroDivisionError("by zero\nand more")


def hungry(a: float) -> float:
    raise MemoryError


def waits(a: float, *, name: str) -> float:
    _called(name)
    assert gate(name).wait(30.0)
    return a


def counted(a: float, *, name: str) -> float:
    """The identity, counted."""
    _called(name)
    return a


def sign(a: float, *, name: str = "sign") -> float:
    """Many inputs, few results: early cutoff."""
    _called(name)
    return 1.0 if a > 0 else -1.0


class Retryable(OperatorError):
    code = "E0478"
    retryable = True


def _operator(name: str, version: int = 1, cost: str = "scalar") -> Operator:
    return Operator(name, version, (_N,), _N, f"tests.support.programs:{name}", name, cost=cost)  # type: ignore[arg-type]


TROUBLES = ("flaky", "refuses", "breaks", "hungry", "waits", "counted", "sign")
TEST_CATALOGUE = Registry(
    (
        *CATALOGUE,
        *(_operator(name) for name in TROUBLES),
        Operator("gone", 1, (_N,), _N, "no.such:kernel", ""),
    )
)


def ancestors(plan: Plan, roots: Sequence) -> set:
    """`roots` and everything they are made of."""
    seen: set = set()
    stack = list(roots)
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += plan.inputs(name)
    return seen
