"""Plans for tests of engines: generated, without the language; and operators that fail on purpose."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from vox.errors import OperatorError, Span
from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Operator, Registry
from vox.plan import Apply, Constant, Goal, Node, Plan, Scalar, Type, node_id

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
