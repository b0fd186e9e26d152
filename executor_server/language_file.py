"""Reads ``language.toml`` strictly: whatever does not fit is an error that says where and why."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from executor_server.languages import (
    PLACEHOLDERS,
    CompileStage,
    Language,
    LanguageFileError,
    Languages,
    LanguageVersion,
    RunStage,
    WaitingCommand,
)

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "language.toml"


def load_languages(folder: Path) -> Languages:
    """Read every folder of ``folder`` that has a ``language.toml``. Raises LanguageFileError."""
    if not folder.is_dir():
        raise LanguageFileError(f"{folder}: the folder of the languages does not exist")
    found = sorted(path.parent for path in folder.glob(f"*/{FILE_NAME}"))
    if not found:
        raise LanguageFileError(
            f"{folder}: no language found; expected <language>/{FILE_NAME} in this folder"
        )
    return Languages(tuple(load_language(path) for path in found))


def load_language(folder: Path) -> Language:
    """Read one language's folder. Raises LanguageFileError."""
    path = folder / FILE_NAME
    try:
        parsed = _LanguageModel.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise LanguageFileError(f"{path}: cannot be read as TOML: {failure}") from failure
    except ValidationError as failure:
        raise LanguageFileError("\n".join(_explain(path, failure))) from failure
    _check_files(path, parsed)
    return _language(folder, parsed)


def _explain(path: Path, failure: ValidationError) -> list[str]:
    return [
        f"{path}: {'.'.join(str(part) for part in error['loc']) or 'file'}: "
        + error["msg"].removeprefix("Value error, ")
        + ("" if error["type"] == "missing" else f" (found {error['input']!r})")
        for error in failure.errors(include_url=False)
    ]


def _placeholders(text: str) -> str:
    # ${name} is a shell's own.
    for found in re.findall(r"(?<!\$)\{[a-z_]+\}", text):
        if found not in PLACEHOLDERS:
            raise ValueError(f"unknown placeholder {found}; allowed are {', '.join(PLACEHOLDERS)}")
    return text


def _expression(text: str) -> str:
    try:
        re.compile(text.encode(), re.MULTILINE)
    except re.error as failure:
        raise ValueError(f"expected a regular expression: {failure}") from failure
    return text


def _inside(text: str) -> str:
    if text.startswith("/") or any(part in {"", ".", ".."} for part in text.split("/")):
        raise ValueError("expected a relative path without empty parts, '.' or '..'")
    return text


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
_Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+#._-]*$")]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9a-z]*(\.[0-9a-z]+)*$")]
_Path = Annotated[str, AfterValidator(_inside)]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
_Folder = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
_Argument = Annotated[str, AfterValidator(_placeholders), Field(min_length=1)]
_EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_EnvValue = Annotated[str, AfterValidator(_placeholders)]
_Command = Annotated[list[_Argument], Field(min_length=1)]
_Env = dict[_EnvName, _EnvValue]
_Pids = Annotated[int, Field(ge=1, le=4096)]
_Mebibytes = Annotated[int, Field(ge=1, le=16_384)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _WaitingModel(_Strict):
    command: _Command
    cold_env: list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*?]+$")]] = []
    cold_code: Annotated[str, AfterValidator(_expression)] = ""
    memory_mb: _Mebibytes


class _CompileModel(_Strict):
    command: _Command
    artifact: Annotated[list[_Path], Field(min_length=1)]
    timeout_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]
    memory_limit_mb: _Mebibytes
    cpu_limit: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)]
    box_mb: _Mebibytes
    tmp_mb: _Mebibytes
    pids: _Pids
    env: _Env = {}
    waiting: _WaitingModel | None = None


class _RunModel(_Strict):
    command: _Command
    image: _Folder | None = None
    env: _Env = {}
    pids: _Pids
    waiting: _WaitingModel | None = None


class _VersionModel(_Strict):
    version: _Version
    version_command: Annotated[list[str], Field(min_length=1)]
    recipe: _FileName | None = None
    image: Annotated[str, Field(min_length=1)] | None = None
    compile_command: _Command | None = None
    run_command: _Command | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.recipe is None) == (self.image is None):
            raise ValueError("expected exactly one of recipe and image")
        return self


class _LanguageModel(_Strict):
    name: _Name
    aliases: list[_Alias] = []
    order: Annotated[int, Field(ge=0)] = 100
    file_name: _FileName
    example: _FileName
    example_output: str
    support: list[_FileName] = []
    compile: _CompileModel | None = None
    run: _RunModel
    versions: Annotated[list[_VersionModel], Field(min_length=1)]

    @model_validator(mode="after")
    def _compile_exists(self) -> Self:
        for entry in self.versions:
            if entry.compile_command and self.compile is None:
                raise ValueError(
                    f"version {entry.version} has a compile_command; expected [compile] beside it"
                )
        return self

    @model_validator(mode="after")
    def _versions_differ(self) -> Self:
        promised = [version.version for version in self.versions]
        if len(set(promised)) != len(promised):
            raise ValueError(f"expected every version once, found {promised}")
        return self


def _check_files(path: Path, parsed: _LanguageModel) -> None:
    named = {"example": [parsed.example], "support": parsed.support}
    named["versions.recipe"] = [entry.recipe for entry in parsed.versions if entry.recipe]
    for key, names in named.items():
        for name in names:
            _must_exist(path, key, path.parent / name)
    if parsed.run.image is not None:
        _must_exist(path, "run.image", path.parent.parent / parsed.run.image / "Dockerfile")


def _must_exist(path: Path, key: str, wanted: Path) -> None:
    if not wanted.is_file():
        raise LanguageFileError(f"{path}: {key}: the file {wanted} does not exist")


def _language(folder: Path, parsed: _LanguageModel) -> Language:
    compile_stage = None if parsed.compile is None else CompileStage(**_stage(parsed.compile))
    run_stage = RunStage(**_stage(parsed.run))
    return Language(
        name=parsed.name,
        aliases=tuple(parsed.aliases),
        order=parsed.order,
        file_name=parsed.file_name,
        example_file=parsed.example,
        example=(folder / parsed.example).read_text("utf-8"),
        example_output=parsed.example_output,
        support=tuple(parsed.support),
        compile=compile_stage,
        run=run_stage,
        versions=tuple(_version(entry, compile_stage, run_stage) for entry in parsed.versions),
        folder=folder,
    )


def _stage(model: _CompileModel | _RunModel) -> dict[str, Any]:
    values = {key: getattr(model, key) for key in type(model).model_fields}
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    waiting = _waiting(model.waiting) if model.waiting else None
    return {**values, **lists, "env": MappingProxyType(model.env), "waiting": waiting}


def _waiting(model: _WaitingModel) -> WaitingCommand:
    return WaitingCommand(
        tuple(model.command), tuple(model.cold_env), model.memory_mb, model.cold_code
    )


def _version(
    entry: _VersionModel, compile_stage: CompileStage | None, run_stage: RunStage
) -> LanguageVersion:
    if compile_stage is not None and entry.compile_command:
        compile_stage = replace(compile_stage, command=tuple(entry.compile_command), waiting=None)
    if entry.run_command:
        run_stage = replace(run_stage, command=tuple(entry.run_command), waiting=None)
    if entry.image:
        # What makes a runtime wait is proven for our own images only, and with the language's own command.
        run_stage = replace(run_stage, waiting=None)
        compile_stage = compile_stage and replace(compile_stage, waiting=None)
    return LanguageVersion(
        version=entry.version,
        recipe=entry.recipe,
        image=entry.image,
        version_command=tuple(entry.version_command),
        compile=compile_stage,
        run=run_stage,
        run_image=None if entry.image else run_stage.image,
    )
