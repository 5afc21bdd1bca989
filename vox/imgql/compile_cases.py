"""One program over many cases: one plan, in which what cases share is one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vox.imgql import codes
from vox.imgql.compile import check_bundle, compile_bundle
from vox.imgql.diagnostics import Diagnostic, program_error
from vox.imgql.graph import NODES_MAX
from vox.imgql.imports import Bundle
from vox.imgql.inputs import Inputs, Resolve
from vox.imgql.parameters import Parameter
from vox.plan import Goal, Plan

Bindings = Mapping[str, Mapping[str, Parameter]]


def compile_cases(
    bundle: Bundle,
    resolve: Resolve,
    *,
    cases: Bindings,
    parameters: Mapping[str, Parameter] = {},
    inputs: Inputs | None = None,
) -> Plan:
    """Return the plan of a program for every case; goals are called `case/label`.

    Raises
    ------
    ProgramError
        With every error of the first case that has any.
    """
    if not cases:
        return compile_bundle(bundle, resolve, parameters=parameters, inputs=inputs)
    plans: list[Plan] = []
    goals: list[Goal] = []
    count = 0
    for name, given in cases.items():
        plan = compile_bundle(bundle, resolve, parameters={**parameters, **given}, inputs=inputs)
        count += len(plan)
        if count > NODES_MAX:
            message = f"the cases up to `{name}` expand to more than a million nodes"
            help = "submit the cases in several parts"
            raise program_error([Diagnostic("error", codes.TOO_LARGE, message, help=help)])
        plans.append(plan)
        goals += [replace(goal, label=f"{name}/{goal.label}") for goal in plan.goals]
    return Plan(
        {name: node for plan in plans for name, node in plan.nodes.items()},
        tuple(goals),
        {name: span for plan in plans for name, span in plan.origins.items()},
        {name: kind for plan in plans for name, kind in plan.types.items()},
        tuple(dict.fromkeys(warning for plan in plans for warning in plan.warnings)),
    )


def open_names(bundle: Bundle) -> Sequence[str]:
    """Return the names that a program uses and nobody declares: what a case has to fill."""
    found: list[str] = []
    for diagnostic in check_bundle(bundle):
        if diagnostic.code == codes.UNKNOWN_NAME and diagnostic.message.startswith("unknown name `"):
            found.append(diagnostic.message.split("`")[1])
    return tuple(dict.fromkeys(found))
