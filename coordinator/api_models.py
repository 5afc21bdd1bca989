"""What the HTTP API takes: shapes, bounds, and the way from them to the engine's own types."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from coordinator.contract import DynamicExecutionConfig
from vox.digest import Digest
from vox.errors import InputError, Span, UsageError
from vox.operators.values import Geometry, SourceInfo
from vox.plan import Plan
from vox.submitted import Submitted

NAME_MAX = 4096
PROGRAM_MAX = 8 * 2**20
ITEMS_MAX = 10_000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class GeometryModel(_Model):
    """Where voxels are: x first, lengths in millimetres, direction row-major."""

    size: list[int] = Field(min_length=2, max_length=3)
    spacing: list[float] = Field(min_length=2, max_length=3)
    origin: list[float] = Field(min_length=2, max_length=3)
    direction: list[float] = Field(min_length=4, max_length=9)

    def value(self) -> Geometry:
        """Return the geometry, or a UsageError when its parts do not fit together."""
        n = len(self.size)
        if (len(self.spacing), len(self.origin), len(self.direction)) != (n, n, n * n) or min(self.size) < 1:
            raise UsageError("the geometry of a source does not fit together", hint="see /docs")
        return Geometry(tuple(self.size), tuple(self.spacing), tuple(self.origin), tuple(self.direction))


class SourceModel(_Model):
    """An input whose blob was put before: what the checker needs to know of it."""

    digest: str = Field(max_length=80)
    geometry: GeometryModel
    components: int = Field(ge=1, le=4)
    dtype: str = Field(max_length=16)

    def value(self) -> SourceInfo:
        """Return the source."""
        return SourceInfo(parse_digest(self.digest), self.geometry.value(), self.components, self.dtype)


class ConfigModel(_Model):
    """How one execution runs; `coordinator.contract.DynamicExecutionConfig`."""

    execution_engine: Literal["dynamic", "sequential"] = "dynamic"
    storage_backend: str | None = Field(default=None, max_length=32)
    max_concurrent_nodes: int = Field(default=0, ge=0, le=1_000_000)
    cache_size: int | str | None = None
    retries: int = Field(default=2, ge=0, le=100)
    keep_going: bool = True
    reads: bool = True
    writes: bool = True
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    timeout_s: float = Field(default=0.0, ge=0.0, le=1e9)

    def value(self) -> DynamicExecutionConfig:
        """Return the engine's configuration; store and cache are the daemon's own."""
        return DynamicExecutionConfig(**self.model_dump(exclude={"storage_backend", "cache_size"}))


class Submission(_Model):
    """A program with everything it needs, as `POST /executions` takes it.

    `imports` maps the names in the program's imports to their texts, `sources` the paths in its loads to
    blobs that are here already, `parameters` free names to their values.
    """

    program: str = Field(max_length=PROGRAM_MAX)
    filename: str = Field(default="program.imgql", max_length=NAME_MAX)
    imports: dict[str, str] = Field(default_factory=dict, max_length=ITEMS_MAX)
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=ITEMS_MAX)
    sources: dict[str, SourceModel] = Field(default_factory=dict, max_length=ITEMS_MAX)
    config: ConfigModel = Field(default_factory=ConfigModel)
    dialect: Literal["auto", "v1", "v2"] = "auto"
    listings: dict[str, list[str]] = Field(default_factory=dict, max_length=ITEMS_MAX)
    texts: dict[str, list[str]] = Field(default_factory=dict, max_length=ITEMS_MAX)
    system: dict[str, str] = Field(default_factory=dict, max_length=16)
    cases: dict[str, dict[str, bool | int | float | str]] = Field(default_factory=dict, max_length=ITEMS_MAX)
    dry_run: bool = False

    def submitted(self) -> Submitted:
        """Return what is kept of the submission beside the execution."""
        inputs = {path: parse_digest(source.digest) for path, source in self.sources.items()}
        return Submitted(
            self.filename, {**self.imports, self.filename: self.program}, self.parameters, inputs
        )

    def plan(self) -> Plan:
        """Parse, check and reduce the program.

        Raises
        ------
        ProgramError
            With every finding.
        InputError
            If a load names no source.
        """
        from vox.imgql import SourceText, collect
        from vox.imgql.compile_cases import compile_cases
        from vox.imgql.inputs import recorded

        def read(_: str, asked: str) -> SourceText | None:
            text = self.imports.get(asked)
            return None if text is None else SourceText(asked, text)

        def resolve(path: str, span: Span) -> SourceInfo:
            found = self.sources.get(path)
            if found is None:
                raise InputError(
                    f"the program loads {path!r}, which was not sent with it",
                    hint="name its blob under `sources`",
                    span=span,
                )
            return found.value()

        main = SourceText(self.filename, self.program)
        bundle = collect(main, read, parameters=self.parameters, dialect=self.dialect)
        inputs = recorded(resolve, self.listings, self.texts, self.system)
        return compile_cases(bundle, resolve, cases=self.cases, parameters=self.parameters, inputs=inputs)


class DynamicSubmission(_Model):
    """The same call in VoxLogicA-2's words: `POST /execute-dynamic`."""

    program: str = Field(max_length=PROGRAM_MAX)
    filename: str = Field(default="program.imgql", max_length=NAME_MAX)
    execution_engine: Literal["dynamic", "sequential"] = "dynamic"
    storage_backend: str | None = Field(default=None, max_length=32)
    imports: dict[str, str] = Field(default_factory=dict, max_length=ITEMS_MAX)
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=ITEMS_MAX)
    sources: dict[str, SourceModel] = Field(default_factory=dict, max_length=ITEMS_MAX)
    config: ConfigModel = Field(default_factory=ConfigModel)

    def submission(self) -> Submission:
        """Return it in our words."""
        config = self.config.model_copy(update={"execution_engine": self.execution_engine})
        return Submission(
            program=self.program,
            filename=self.filename,
            imports=self.imports,
            parameters=self.parameters,
            sources=self.sources,
            config=config,
        )


class Digests(_Model):
    """Names of blobs, as many as one call may ask about."""

    digests: list[str] = Field(max_length=ITEMS_MAX)


class JoinRequest(_Model):
    """A machine that wants to be a member: token, certificate request, proof of its own key."""

    token: str = Field(max_length=512)
    request: str = Field(max_length=16384)
    public_key: str = Field(default="", max_length=256)
    proof: str = Field(default="", max_length=512)
    name: str = Field(default="", max_length=128)


def parse_digest(text: str) -> Digest:
    """Read `blob:<hex>`, or the bare digits; UsageError if it is neither."""
    try:
        return Digest.parse(text if ":" in text else f"blob:{text}")
    except ValueError as error:
        raise UsageError(
            f"{text[:80]!r} is not the name of a blob", hint="64 hexadecimal digits are expected"
        ) from error
