"""The Python face: `vox.submit(...)`, `vox.connect(url).submit(...)`.

One code path for the engine in this process and for a coordinator elsewhere: both are an `Engine`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from client.problems import ToldError
from client.programs import PLAIN, Asked
from client.request import Parameter, Request, prepare
from coordinator.contract import DynamicExecutionConfig, ExecutionResult, GoalResult
from vox.digest import Digest
from vox.errors import Cancelled, UsageError, VoxError
from vox.events import Event

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vox.operators.values import Image, Mask
    from vox.plan import Plan
    from vox.settings import Settings
    from vox.store.contract import Store
    from vox.submitted import Submitted

Buffer = bytes | memoryview


class Engine(Protocol):
    """What a session needs of an engine: `client.local.LocalEngine`, `client.remote.RemoteEngine`."""

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not there."""

    def put(self, digest: Digest, parts: Sequence[Buffer]) -> None:
        """Bring a blob there."""

    def read(self, digest: Digest) -> Buffer:
        """Return a blob, verified."""

    def submit(self, request: Request, config: DynamicExecutionConfig) -> str:
        """Submit; return the execution's name."""

    def plan(self, request: Request, config: DynamicExecutionConfig) -> dict[str, Any]:
        """Return what a submission would do."""

    def rerun(self, execution: str, config: DynamicExecutionConfig) -> str:
        """Run an execution's plan again; return the new one's name."""

    def plan_of(self, execution: str) -> Plan:
        """Return an execution's plan."""

    def submitted(self, execution: str) -> Submitted | None:
        """Return what an execution was submitted with; None when that is not kept."""

    def provenance(self, execution: str, goal: GoalResult) -> dict[str, Any]:
        """Return the signed chain of steps that led to a goal."""

    def events(self, execution: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield numbered events up to the end."""

    def wait(self, execution: str) -> ExecutionResult:
        """Return the end."""

    def show(self, execution: str) -> dict[str, Any]:
        """Return an execution as JSON."""

    def timeline(self, execution: str) -> dict[str, Any]:
        """Return what ran where and when, in the form of Chrome's trace viewer."""

    def executions(self) -> list[dict[str, Any]]:
        """Return every execution, newest first."""

    def cancel(self, execution: str) -> bool:
        """Ask for the end."""

    def node(self, name: str) -> dict[str, Any]:
        """Return what is known of a node's result."""

    def close(self) -> None:
        """Let go."""


class Session:
    """Submits programs to one engine.

    Parameters
    ----------
    engine
        Where they run. The session closes it.
    facts
        Where decoded inputs are remembered, and what else this machine keeps.
    """

    def __init__(self, engine: Engine, facts: Store | None) -> None:
        self.engine = engine
        self.facts = facts

    def prepare(
        self,
        program: str | Path,
        parameters: Mapping[str, Parameter] | None = None,
        data: Sequence[str | Path] = (),
        asked: Asked = PLAIN,
    ) -> Request:
        """Read and check a program, and resolve its inputs. Nothing is computed."""
        folders = [Path(each) for each in data]
        return prepare(Path(program), dict(parameters or {}), folders, self.facts, asked)

    def submit(
        self,
        program: str | Path | Request,
        parameters: Mapping[str, Parameter] | None = None,
        *,
        data: Sequence[str | Path] = (),
        config: DynamicExecutionConfig | None = None,
    ) -> Execution:
        """Submit a program's file; return at once.

        Raises
        ------
        ProgramError, InputError
            If the program or one of its inputs is wrong; then nothing was submitted.
        """
        request = program if isinstance(program, Request) else self.prepare(program, parameters, data)
        self._bring(request)
        settings = config or DynamicExecutionConfig()
        try:
            name = self.engine.submit(request, settings)
        except ToldError as error:
            if error.code != "E0104":
                raise
            # Collected between the question and the submission: bring them again, once.
            self._bring(request)
            name = self.engine.submit(request, settings)
        request.sources.forget_parts()
        return Execution(self, name, request)

    def _bring(self, request: Request) -> None:
        digests = {found.info.digest for found in request.inputs.values()}
        if not digests:
            return
        for digest in sorted(self.engine.missing(digests)):
            self.engine.put(digest, request.sources.parts(digest))

    def close(self) -> None:
        """Let go of the engine, and of what is remembered."""
        self.engine.close()
        # An engine in this process remembers in its own store, which it has closed.
        if self.facts is not None and self.facts is not getattr(self.engine, "store", None):
            self.facts.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Execution:
    """A submitted program: iterate it for its events, ask it for its goals."""

    def __init__(self, session: Session, name: str, request: Request | None) -> None:
        self.session = session
        self.name = name
        self.request = request
        self._result: ExecutionResult | None = None

    def __iter__(self) -> Iterator[Event]:
        for _, event in self.session.engine.events(self.name):
            yield event

    def result(self) -> ExecutionResult:
        """Wait for the end."""
        if self._result is None:
            for _ in self:
                pass
            self._result = self.session.engine.wait(self.name)
        return self._result

    def cancel(self) -> bool:
        """Ask for the end; False when it has come already."""
        return self.session.engine.cancel(self.name)

    def goal(self, label: str) -> Goal:
        """Return a goal by its label, whole or without folder and ending; waits for the end.

        Raises
        ------
        UsageError
            If there is no such goal, or more than one.
        VoxError
            If it failed.
        """
        result = self.result()
        found = [goal for goal in result.goals if goal.label == label]
        found = found or [goal for goal in result.goals if _stem(goal.label) == label]
        if len({goal.node for goal in found}) != 1:
            known = ", ".join(goal.label for goal in result.goals)
            raise UsageError(f"no one goal is called {label!r}", hint=f"the goals are {known}")
        goal = found[0]
        if goal.state == "cancelled":
            raise Cancelled(f"{label} was cancelled")
        if goal.state != "succeeded" or goal.digest is None:
            raise ToldError(result.errors[0]) if result.errors else VoxError(f"{label}: {goal.state}")
        return Goal(self, goal)

    def __repr__(self) -> str:
        state = "submitted" if self._result is None else str(self._result.state)
        return f"<Execution {self.name} {state}>"


class Goal:
    """The value of a goal, in the form you need."""

    def __init__(self, execution: Execution, result: GoalResult) -> None:
        self.result = result
        self._engine = execution.session.engine

    @property
    def value(self) -> Any:
        """A number, boolean or string as Python's own; else `Image` or `Mask` of vox.operators.values."""
        from vox.operators.codec import decode_value

        assert self.result.digest is not None
        return decode_value(self._engine.read(self.result.digest))

    def to_numpy(self) -> NDArray[Any]:
        """Return voxels as `[z, y, x]` or `[z, y, x, component]`; a mask as booleans."""
        from vox.operators.values import Image, Mask

        value = self.value
        if isinstance(value, Mask):
            return _unpacked(value)
        if isinstance(value, Image):
            return value.voxels
        raise UsageError(f"{self.result.label} is a {self.result.type}, not an image", hint="use .value")

    def to_sitk(self) -> Any:
        """Return a SimpleITK image in its place; a mask as 0 and 1."""
        from vox.operators.sitk import to_sitk

        return to_sitk(self._image())

    def to_nibabel(self) -> Any:
        """Return a nibabel image in its place: `[x, y, z]`, millimetres, right-anterior-superior."""
        import nibabel
        import numpy as np

        make: Any = nibabel.Nifti1Image

        image = self._image()
        geometry = image.geometry
        if geometry.dimension != 3:
            raise UsageError(f"{self.result.label} is flat; nibabel images have three dimensions")
        affine = np.eye(4)
        affine[:3, :3] = np.array(geometry.direction).reshape(3, 3) * np.array(geometry.spacing)
        affine[:3, 3] = geometry.origin
        # Files of ITK count to the left and to the back, those of NIfTI to the right and to the front.
        affine[:2] *= -1
        axes = (2, 1, 0, 3)[: image.voxels.ndim]
        return make(np.transpose(image.voxels, axes), affine)

    def _image(self) -> Image:
        from vox.operators.values import Image, Mask

        value = self.value
        if isinstance(value, Mask | Image):
            return as_image(value)
        raise UsageError(f"{self.result.label} is a {self.result.type}, not an image", hint="use .value")


def connect(url: str | None = None, *, token: str | None = None, settings: Settings | None = None) -> Session:
    """Return a session with a coordinator: the one at `url`, or the configured or local one.

    Raises
    ------
    CoordinatorUnreachable
        If nobody answers.
    """
    from client.engines import open_remote

    return open_remote(url, token=token, settings=settings)


def submit(
    program: str | Path,
    parameters: Mapping[str, Parameter] | None = None,
    *,
    data: Sequence[str | Path] = (),
    config: DynamicExecutionConfig | None = None,
) -> Execution:
    """Run a program's file in this process; return at once. See `Session.submit`."""
    from client.engines import shared_session

    return shared_session().submit(program, parameters, data=data, config=config)


def as_image(value: Mask | Image) -> Image:
    """Return an image as it is, and a mask as an image of 0 and 1."""
    import numpy as np

    from vox.operators.values import Image, Mask

    if isinstance(value, Mask):
        return Image(value.geometry, _unpacked(value).astype(np.uint8))
    return value


def _stem(label: str) -> str:
    name = label.rpartition("/")[2]
    return name.removesuffix(".gz").rpartition(".")[0] or name


def _unpacked(mask: Any) -> NDArray[np.bool_]:
    """Return one boolean per voxel."""
    import numpy as np

    words = np.ascontiguousarray(mask.words, "<u8")
    bits = np.unpackbits(words.view(np.uint8), axis=2, bitorder="little")
    return bits[:, :, : mask.geometry.size[0]].astype(np.bool_)
