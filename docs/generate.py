"""Writes the tables of the documentation that the code decides: limits, settings, languages, metrics.

    docs/generate.py            writes them between the marks in the pages below
    docs/generate.py --check    changes nothing; exits with 1 and names the pages that would change

A table stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``; what is around the
marks is written by hand.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.metrics import MetricWrapperBase

from executor_server import settings
from executor_server.language_file import load_languages
from executor_server.metrics import MetricsObserver
from executor_server.service.request import LEAST_CPUS, LEAST_SECONDS
from executor_server.settings import Settings
from gateway.metrics import HttpMetrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from executor_server.languages import CompileStage, Language, StageCommand

ROOT = Path(__file__).resolve().parents[1]
_MIB = 1024 * 1024
_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def limits() -> str:
    """What a request may ask for, from the defaults of the settings."""
    of = {name: field.default for name, field in Settings.model_fields.items()}
    seconds_max = of["timeout_seconds_max"]
    ranges = [
        ("timeout_seconds", of["timeout_seconds_default"], LEAST_SECONDS, seconds_max),
        ("cpu_time_limit_seconds", "none", LEAST_SECONDS, seconds_max),
        (
            "memory_limit_mb",
            of["memory_limit_mb_default"],
            of["memory_limit_mb_min"],
            of["memory_limit_mb_max"],
        ),
        ("cpu_limit", of["cpu_limit_default"], LEAST_CPUS, of["cpu_limit_max"]),
        ("output_limit_bytes", of["output_limit_bytes_default"], 1, of["output_limit_bytes_max"]),
    ]
    rows = [(f"`{name}`", *map(_value, figures)) for name, *figures in ranges]
    return _table(("field", "default", "least", "most"), rows)


def bounds() -> str:
    """How large a request may be, from the defaults of the settings."""
    names = (
        "code_bytes_max",
        "input_bytes_max",
        "files_max",
        "files_bytes_max",
        "path_bytes_max",
        "path_depth_max",
        "args_max",
        "env_max",
        "args_env_bytes_max",
        "request_bytes_max",
        "http_body_bytes_max",
    )
    fields = Settings.model_fields
    rows = [(fields[name].description, _value(fields[name].default)) for name in names]
    return _table(("bound", "default"), rows)


def all_settings() -> str:
    """Every setting: flag, variable, default, meaning."""
    rows = [
        (
            f"`-{name.replace('_', '-')}`",
            f"`{settings.variable(name)}`",
            _value(field.default),
            str(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]
    return _table(("flag", "variable", "default", "meaning"), rows)


def languages() -> str:
    """Every language: names, promised versions, file name, limits of its compiler."""
    head = ("language", "also", "versions", "file", "compiler: seconds", "MiB", "cores")
    return _table(head, (_language_row(language) for language in _languages()))


def commands() -> str:
    """The commands of every language, as its file has them."""
    return "\n".join(_commands_of(language) for language in _languages())


def metrics() -> str:
    """Every metric of the service's own: name, kind, labels, meaning."""
    observer = MetricsObserver()
    owners = (observer, HttpMetrics(observer.registry))
    rows = [
        _metric_row(metric)
        for owner in owners
        for metric in vars(owner).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return _table(("metric", "kind", "labels", "meaning"), rows)


TABLES = {
    "limits": limits,
    "bounds": bounds,
    "settings": all_settings,
    "languages": languages,
    "commands": commands,
    "metrics": metrics,
}
PAGES = ("README.md", "docs/configuration.md", "docs/languages.md", "docs/operations.md")


def fill(page: str) -> str:
    """The text of a page with every table in it made anew. Raises KeyError for an unknown one."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


def _languages() -> Iterator[Language]:
    return iter(sorted(load_languages(ROOT / "languages"), key=lambda language: language.name))


def _language_row(language: Language) -> tuple[str, ...]:
    stage = language.compile
    compiler = ("-",) * 3 if stage is None else _compiler_limits(stage)
    return (
        f"`{language.name}`",
        ", ".join(f"`{alias}`" for alias in language.aliases),
        ", ".join(version.version for version in language.versions),
        f"`{language.file_name}`",
        *compiler,
    )


def _compiler_limits(stage: CompileStage) -> tuple[str, str, str]:
    return f"{stage.timeout_seconds:g}", f"{stage.memory_limit_mb}", f"{stage.cpu_limit:g}"


def _commands_of(language: Language) -> str:
    parts = [f"### {language.name}\n"]
    if language.compile is not None:
        parts.append(_command_text("Compile", language.compile))
        made = ", ".join(f"`{name}`" for name in language.compile.artifact)
        parts.append(f"What goes on to the run: {made}.\n")
    parts.append(_command_text("Run", language.run))
    return "\n".join(parts)


def _command_text(title: str, stage: StageCommand) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in stage.env.items()]
    match stage.command:
        case ("sh", "-c", script, *_):
            lines.append(script.strip())
        case command:
            lines.append(shlex.join(command))
    return "\n".join((f"{title}:\n", "```sh", *lines, "```\n"))


def _metric_row(metric: MetricWrapperBase) -> tuple[str, ...]:
    # The library has no public way to ask for the labels of a metric that has no samples yet.
    labels = ", ".join(f"`{name}`" for name in metric._labelnames)
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"`{name}`", family.type, labels or "-", family.documentation


def _value(value: object) -> str:
    """A default for people."""
    if value == "":
        return "empty"
    if isinstance(value, Path):
        inside = value.is_relative_to(ROOT)
        return f"`{value.relative_to(ROOT)}` beside the code" if inside else f"`{value}`"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value >= _MIB and value % _MIB == 0:
        return f"{value} ({value // _MIB} MiB)"
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def main() -> int:
    """Write or check every page."""
    stale = 0
    for name in PAGES:
        page = ROOT / name
        text = page.read_text("utf-8")
        made = fill(text)
        if made == text:
            continue
        if "--check" not in sys.argv[1:]:
            page.write_text(made, "utf-8")
            continue
        stale = 1
        sys.stderr.write(f"{name} is not what the code says; run: docs/generate.py\n")
    return stale


if __name__ == "__main__":
    sys.exit(main())
