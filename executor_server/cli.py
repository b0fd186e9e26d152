"""The command ``code-executor``: flags, and what is started from them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from executor_server import __version__, settings
from executor_server.engine.client import EngineAddressError
from executor_server.image_command import make_images
from executor_server.languages import LanguageFileError
from executor_server.log import configure
from executor_server.service_process import run_service
from executor_server.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = ("serve", "images", "settings")
_USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = _parser().parse_args(argv)
    flags = {n: str(v) for n in Settings.model_fields if (v := getattr(arguments, n)) is not None}
    try:
        values, origins = settings.load(flags, arguments.config)
        configure(values.v, values.log_format)
        return _run(arguments.command, values, origins)
    except (SettingsError, LanguageFileError, EngineAddressError, OSError) as failure:
        sys.stderr.write(f"code-executor: {failure}\n")
        return _USAGE_ERROR


def _run(command: str, values: Settings, origins: dict[str, str]) -> int:
    if command == "settings":
        return _print_settings(values, origins)
    if command == "images":
        return uvloop.run(make_images(values))
    return uvloop.run(run_service(values))


def _print_settings(values: Settings, origins: dict[str, str]) -> int:
    width = max(map(len, origins))
    for name, origin in origins.items():
        value = "***" if name == "gateway_token" and values.gateway_token else getattr(values, name)
        sys.stdout.write(f"{name:<{width}}  {value!s:<30}  {origin}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="code-executor",
        description="Runs untrusted programs, each in a container that nobody used before.",
        epilog="Every setting may also come from the environment, or from the file of -config.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=_COMMANDS,
        default="serve",
        help="serve; make all images and exit; print every setting with its origin",
    )
    parser.add_argument("-version", "--version", action="version", version=__version__)
    parser.add_argument(
        "-config", "--config", type=Path, default=None, help="TOML file of settings"
    )
    for name, field in Settings.model_fields.items():
        flag = name.replace("_", "-")
        parser.add_argument(
            f"-{flag}",
            f"--{flag}",
            dest=name,
            default=None,
            metavar=flag.upper() if len(flag) > 1 else "N",
            help=f"{field.description} [{settings.variable(name)}; {field.default!s}]",
        )
    return parser
