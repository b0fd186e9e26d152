"""Every setting of the service in one class: flags, then environment, then file, then the defaults below.

Nothing else reads the environment. Every field is a flag (``memory_limit_mb_max`` is
``-memory-limit-mb-max``) and a variable (``CODE_EXECUTOR_MEMORY_LIMIT_MB_MAX``).
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "CODE_EXECUTOR_"
_PACKAGE = Path(__file__).resolve().parent

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=1)]


class SettingsError(ValueError):
    """A setting cannot be used; the message names it, its origin and what is allowed."""


def _resource(name: str) -> Path:
    """A folder of data: in an installed package beside the code, in a checkout beside the package."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


class Settings(BaseSettings):
    """The description of a field is its help text; its bounds are checked at the start."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    mode: Literal["grpc", "http", "both"] = Field(
        "both", description="what to serve: gRPC, REST of a server elsewhere, or both"
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    grpc_port: Port = Field(50051, description="port of gRPC; 0 takes a free one")
    http_port: Port = Field(8080, description="port of REST; 0 takes a free one")
    metrics_port: Port = Field(
        9464, description="port of /metrics on loopback with -mode=grpc; 0 turns it off"
    )
    grpc_address: str = Field(
        "localhost:50051", description="server that the gateway calls with -mode=http"
    )
    gateway_token: str = Field(
        "",
        description="secret by which the server believes a gateway elsewhere who its callers are",
    )
    v: Annotated[int, Field(ge=0, le=3)] = Field(
        1, description="0 warnings; 1 executions and state; 2 engine calls; 3 frames"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="auto is text on a terminal, else JSON"
    )
    instance: str = Field(
        "", description="name of this server on its engine; empty: host name and port"
    )
    docker_host: str = Field(
        "unix:///var/run/docker.sock",
        validation_alias="DOCKER_HOST",
        description="where the engine is: unix:///path or tcp://host:port",
    )
    docker_cert_path: str = Field(
        "",
        validation_alias="DOCKER_CERT_PATH",
        description="folder with ca.pem, cert.pem and key.pem for tcp with TLS",
    )
    languages_dir: Path = Field(_resource("languages"), description="folder of the languages")
    agent_dir: Path = Field(_resource("agent"), description="folder of the agent's source")

    places: Annotated[int, Field(ge=0)] = Field(
        0, description="executions at once; 0: as many as CPU and memory allow"
    )
    cpu_budget: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="cores of all executions together; 0: twice what the engine's machine has"
    )
    memory_budget_mb: Annotated[int, Field(ge=0)] = Field(
        0,
        description="memory limits of all executions together in MiB; 0: three quarters of what the "
        "engine's machine has",
    )
    pool_memory_mb: Annotated[int, Field(ge=0)] = Field(
        512, description="memory for sandboxes that wait for a request, in MiB; 0: none wait"
    )
    pool_pace: Annotated[int, Field(ge=0)] = Field(
        0,
        description="sandboxes that are made at once; 0: two for each core of the engine's machine",
    )
    compile_cache_dir: Path = Field(
        Path("~/.cache/code-executor"), description="folder of the artifacts of compilations"
    )
    compile_cache_mb: Annotated[int, Field(ge=0)] = Field(
        256, description="size of the compile cache in MiB; 0: every program is compiled"
    )
    compile_cache_shared: bool = Field(
        False,
        description="let callers have each other's artifacts; the time of an answer then tells "
        "whether somebody has compiled the same source",
    )
    queue_limit: Annotated[int, Field(ge=0)] = Field(
        128, description="executions that may wait for a place"
    )
    queue_seconds: Seconds = Field(60.0, description="longest wait for a place")
    grace_seconds: Annotated[float, Field(ge=0)] = Field(
        30.0, description="how long running executions may go on after SIGTERM"
    )

    timeout_seconds_default: Seconds = Field(30.0, description="wall time of a run")
    timeout_seconds_max: Seconds = Field(120.0, description="most wall time of a run")
    memory_limit_mb_default: Count = Field(128, description="memory of a run in MiB")
    memory_limit_mb_max: Count = Field(1024, description="most memory of a run in MiB")
    memory_limit_mb_min: Annotated[int, Field(ge=16)] = Field(
        16, description="least memory of a run in MiB"
    )
    cpu_limit_default: Seconds = Field(0.5, description="cores of a run")
    cpu_limit_max: Seconds = Field(1.0, description="most cores of a run")
    output_limit_bytes_default: Bytes = Field(
        1024 * 1024, description="bytes returned of each of stdout and stderr"
    )
    output_limit_bytes_max: Bytes = Field(
        16 * 1024 * 1024, description="most bytes returned of each of stdout and stderr"
    )
    code_bytes_max: Bytes = Field(1024 * 1024, description="most bytes of code")
    input_bytes_max: Bytes = Field(8 * 1024 * 1024, description="most bytes of input")
    files_max: Count = Field(64, description="most files of a request")
    files_bytes_max: Bytes = Field(8 * 1024 * 1024, description="most bytes of all files together")
    path_bytes_max: Annotated[int, Field(ge=1, le=255)] = Field(
        255, description="most bytes of a file's path"
    )
    path_depth_max: Annotated[int, Field(ge=1, le=16)] = Field(
        16, description="most components of a file's path"
    )
    # The bounds of these three keep the largest command within one frame of the agent's protocol.
    args_max: Annotated[int, Field(ge=1, le=2048)] = Field(
        256, description="most arguments of a program"
    )
    env_max: Annotated[int, Field(ge=1, le=512)] = Field(
        64, description="most environment variables of a program"
    )
    args_env_bytes_max: Annotated[int, Field(ge=1, le=48 * 1024)] = Field(
        32 * 1024, description="most bytes of all arguments and variables together"
    )
    request_bytes_max: Bytes = Field(16 * 1024 * 1024, description="most bytes of a gRPC request")
    http_body_bytes_max: Bytes = Field(32 * 1024 * 1024, description="most bytes of a JSON body")
    http_connections_max: Count = Field(1000, description="most connections to REST at once")
    http_answer_seconds: Seconds = Field(
        120.0, description="time for a client of REST to take a whole answer"
    )

    @field_validator("docker_host", mode="before")
    @classmethod
    def _empty_means_default(cls, value: str) -> str:
        return value or "unix:///var/run/docker.sock"

    @model_validator(mode="after")
    def _defaults_may_be_asked_for(self) -> Settings:
        """A request that leaves a limit out must not get what no request may ask for."""
        for limit in ("timeout_seconds", "memory_limit_mb", "cpu_limit", "output_limit_bytes"):
            default, most = getattr(self, f"{limit}_default"), getattr(self, f"{limit}_max")
            if default > most:
                raise ValueError(
                    f"{limit}_default is {default}, above {limit}_max, {most}; set both"
                )
        if self.memory_limit_mb_default < self.memory_limit_mb_min:
            raise ValueError(
                f"memory_limit_mb_default is {self.memory_limit_mb_default}, below "
                f"memory_limit_mb_min, {self.memory_limit_mb_min}; set both"
            )
        return self

    def instance_name(self) -> str:
        """Stable over restarts, different for every server on one engine."""
        return self.instance or f"{socket.gethostname()}:{self.grpc_port or os.getpid()}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come as init values and the file below the environment; nothing else is read."""
        del settings_cls, dotenv_settings, file_secret_settings
        return init_settings, env_settings


def load(flags: dict[str, str], file: Path | None) -> tuple[Settings, dict[str, str]]:
    """The settings and the origin of each value (``flag``, ``environment``, ``file``, ``default``).

    Raises SettingsError.
    """
    stored = _read_file(file) if file else {}
    origins = {name: _origin(name, flags, stored) for name in Settings.model_fields}
    values: dict[str, Any] = {
        _key(name): flags.get(name, stored.get(name))
        for name, origin in origins.items()
        if origin in {"flag", "file"}
    }
    try:
        return Settings(**values), origins
    except ValidationError as failure:
        raise SettingsError(_explain(failure, origins)) from failure


def host_environment() -> Mapping[str, str]:
    """The environment as it is, for what the host's own tools go by: its proxies."""
    return os.environ


def variable(name: str) -> str:
    """Environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else ENV_PREFIX + name.upper()


def _key(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else name


def _origin(name: str, flags: dict[str, str], stored: dict[str, Any]) -> str:
    if name in flags:
        return "flag"
    if variable(name) in os.environ:
        return "environment"
    return "file" if name in stored else "default"


def _read_file(file: Path) -> dict[str, Any]:
    try:
        stored = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise SettingsError(f"{file}: cannot be read as TOML: {failure}") from failure
    unknown = sorted(stored.keys() - Settings.model_fields.keys())
    if unknown:
        raise SettingsError(f"{file}: unknown settings: {', '.join(unknown)}")
    return stored


def _explain(failure: ValidationError, origins: dict[str, str]) -> str:
    names = {_key(name): name for name in Settings.model_fields}
    lines = []
    for error in failure.errors(include_url=False):
        if not error["loc"]:
            lines.append(error["msg"].removeprefix("Value error, "))
            continue
        key = str(error["loc"][0])
        name = names.get(key, key)
        origin = origins.get(name, "default")
        lines.append(f"{name} (from {origin}): {error['msg']}, found {error['input']!r}")
    return "\n".join(lines)
