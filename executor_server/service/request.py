"""An ExecuteRequest becomes a Program, or an error that names every field that cannot be taken.

Value checks are here and nowhere else, since limits are settings. A limit above its maximum is an error,
never clamped in silence.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from code_executor.v1 import executor_pb2 as pb

from executor_server.errors import FieldViolation, InvalidRequestError
from executor_server.model import Encoding, InputFile, Overflow, Program, RunLimits
from executor_server.service.paths import PathRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor_server.images import ImageStore
    from executor_server.languages import Language, Languages, LanguageVersion
    from executor_server.settings import Settings

_Choice = TypeVar("_Choice", Overflow, Encoding)
_SHOWN = 80


class RequestReader:
    """Checks requests against the settings and the languages that this server has."""

    def __init__(self, settings: Settings, languages: Languages, images: ImageStore) -> None:
        """Keep what requests are checked against."""
        self._settings = settings
        self._languages = languages
        self._images = images

    def read(self, message: pb.ExecuteRequest) -> Program:
        """Raises InvalidRequestError with everything that is wrong."""
        return _Reading(self._settings, self._languages, self._images, message).program()


class _Reading:
    """One request being checked."""

    def __init__(
        self,
        settings: Settings,
        languages: Languages,
        images: ImageStore,
        message: pb.ExecuteRequest,
    ) -> None:
        self._settings = settings
        self._languages = languages
        self._images = images
        self._message = message
        self._violations: list[FieldViolation] = []

    def program(self) -> Program:
        message = self._message
        language, version = self._language()
        files = self._files(language)
        code = self._code(language, files)
        stdin = self._stdin()
        args, env = self._args_and_env()
        limits = self._limits()
        overflow = self._choice("output_overflow", Overflow, message.OutputOverflow.Name)
        encoding = self._choice("output_encoding", Encoding, message.OutputEncoding.Name)
        if self._violations or language is None or version is None:
            raise InvalidRequestError(*self._violations)
        return Program(language, version, code, files, stdin, args, env, limits, overflow, encoding)

    def _refuse(self, field: str, reason: str, description: str) -> None:
        self._violations.append(FieldViolation(field, reason, description))

    def _language(self) -> tuple[Language | None, LanguageVersion | None]:
        wanted = self._message.language
        language = self._languages.find(wanted)
        if language is None:
            known = ", ".join(sorted(known.name for known in self._languages))
            said = f"unknown language {_shown(wanted)}" if wanted else "no language is named"
            self._refuse("language", "UNKNOWN_LANGUAGE", f"{said}; known are {known}")
            return None, None
        return language, self._version(language)

    def _version(self, language: Language) -> LanguageVersion | None:
        wanted = self._message.version
        version = self._images.select(language, wanted)
        if version is None:
            real = self._images.real_versions(language)
            known = ", ".join(real.get(v.version, v.version) for v in language.versions)
            self._refuse(
                "version",
                "UNKNOWN_VERSION",
                f"{language.name} has no version {_shown(wanted)}; installed are {known}",
            )
        return version

    def _code(self, language: Language | None, files: Sequence[InputFile]) -> bytes:
        code = self._message.code.encode()
        self._at_most("code", len(code), self._settings.code_bytes_max, "bytes")
        if "\0" in self._message.code:
            self._refuse("code", "NUL_BYTE", "has a NUL byte, which no source may have")
        if not code and language and language.file_name not in {file.path for file in files}:
            self._refuse(
                "code",
                "EMPTY",
                f"is empty; expected a program here or in files as {language.file_name}",
            )
        return code

    def _stdin(self) -> bytes:
        message = self._message
        if message.input and message.input_bytes:
            self._refuse(
                "input_bytes", "CONFLICT", "input and input_bytes are both set; expected one"
            )
        name = "input_bytes" if message.input_bytes else "input"
        data = message.input_bytes or message.input.encode()
        self._at_most(name, len(data), self._settings.input_bytes_max, "bytes")
        return data

    def _files(self, language: Language | None) -> tuple[InputFile, ...]:
        most = self._settings.files_max
        self._at_most("files", len(self._message.files), most, "files")
        # what is past a count is not looked at: millions of empty files fit into one request
        entries = self._message.files[:most]
        files = tuple(InputFile(entry.path, _content(entry)) for entry in entries)
        total = sum(len(file.content) for file in files)
        self._at_most("files", total, self._settings.files_bytes_max, "bytes in all")
        for index, entry in enumerate(entries):
            if entry.WhichOneof("data") is None:
                self._refuse(
                    f"files[{index}]", "EMPTY", "has neither content nor text; expected one"
                )
        rules = PathRules(self._settings, self._taken_names(language))
        self._violations += rules.check([file.path for file in files])
        return files

    def _taken_names(self, language: Language | None) -> dict[str, str]:
        """Names in the working directory that files must leave free, and whose they are."""
        if language is None:
            return {}
        artifact = language.compile.artifact if language.compile else ()
        names = dict.fromkeys(artifact, "what the compiler makes")
        if self._message.code:
            names[language.file_name] = "code"
        return names

    def _args_and_env(self) -> tuple[tuple[str, ...], dict[str, str]]:
        message, settings = self._message, self._settings
        self._at_most("args", len(message.args), settings.args_max, "arguments")
        self._at_most("env", len(message.env), settings.env_max, "variables")
        args = tuple(message.args[: settings.args_max])
        env = dict(islice(message.env.items(), settings.env_max))
        for index, value in enumerate(args):
            self._no_nul(f"args[{index}]", value)
        for name, value in env.items():
            self._variable(name, value)
        size = sum(len(text.encode()) + 1 for text in (*args, *env.keys(), *env.values()))
        self._at_most("args", size, self._settings.args_env_bytes_max, "bytes together with env")
        return args, env

    def _variable(self, name: str, value: str) -> None:
        field = f"env[{_shown(name)}]"
        if not name or "=" in name:
            self._refuse(field, "BAD_NAME", "a variable's name is not empty and has no '='")
        self._no_nul(field, name + value)

    def _no_nul(self, field: str, value: str) -> None:
        if "\0" in value:
            self._refuse(field, "NUL_BYTE", "has a NUL byte, which the system cannot pass on")

    def _limits(self) -> RunLimits:
        message, settings = self._message, self._settings
        return RunLimits(
            timeout_seconds=self._limit(
                "timeout_seconds",
                message.timeout_seconds,
                settings.timeout_seconds_default,
                LEAST_SECONDS,
                settings.timeout_seconds_max,
            ),
            cpu_time_limit_seconds=self._limit(
                "cpu_time_limit_seconds",
                message.cpu_time_limit_seconds,
                0.0,
                LEAST_SECONDS,
                settings.timeout_seconds_max,
            ),
            memory_limit_mb=int(
                self._limit(
                    "memory_limit_mb",
                    message.memory_limit_mb,
                    settings.memory_limit_mb_default,
                    settings.memory_limit_mb_min,
                    settings.memory_limit_mb_max,
                )
            ),
            cpu_limit=self._limit(
                "cpu_limit",
                message.cpu_limit,
                settings.cpu_limit_default,
                LEAST_CPUS,
                settings.cpu_limit_max,
            ),
            output_limit_bytes=int(
                self._limit(
                    "output_limit_bytes",
                    message.output_limit_bytes,
                    settings.output_limit_bytes_default,
                    1,
                    settings.output_limit_bytes_max,
                )
            ),
        )

    def _limit(self, field: str, value: float, default: float, least: float, most: float) -> float:
        if value == 0:
            return default
        if not math.isfinite(value) or not least <= value <= most:
            allowed = f"0 for the default ({default:g}), or {least:g} to {most:g}"
            self._refuse(field, "OUT_OF_RANGE", f"is {value:g}; allowed is {allowed}")
        return value

    def _choice(self, field: str, kind: type[_Choice], name_of: Callable[[Any], str]) -> _Choice:
        number = getattr(self._message, field)
        choices = list(kind)
        try:
            return choices[0] if number == 0 else kind[name_of(number)]
        except ValueError:
            allowed = ", ".join(choice.name for choice in choices)
            self._refuse(field, "UNKNOWN_VALUE", f"is {number}; allowed are {allowed}")
            return choices[0]

    def _at_most(self, field: str, size: int, most: int, unit: str) -> None:
        if size > most:
            self._refuse(field, "TOO_LARGE", f"has {size} {unit}; at most {most} are allowed")


LEAST_SECONDS = 0.01
LEAST_CPUS = 0.05


def _content(entry: pb.File) -> bytes:
    return entry.text.encode() if entry.WhichOneof("data") == "text" else entry.content


def _shown(text: str) -> str:
    """A value of the caller's, fit for a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
