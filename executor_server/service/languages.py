"""The answer of ListLanguages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_executor.v1 import executor_pb2 as pb

from executor_server.service.request import LEAST_CPUS, LEAST_SECONDS

if TYPE_CHECKING:
    from executor_server.images import ImageStore
    from executor_server.languages import Language, Languages, LanguageVersion
    from executor_server.settings import Settings


def list_languages(
    settings: Settings, languages: Languages, images: ImageStore
) -> pb.ListLanguagesResponse:
    """Every language with the state of its images, and the limits that hold for all."""
    ordered = sorted(languages, key=lambda language: language.name)
    return pb.ListLanguagesResponse(
        languages=[_language(language, images) for language in ordered],
        default_limits=pb.Limits(
            timeout_seconds=settings.timeout_seconds_default,
            memory_limit_mb=settings.memory_limit_mb_default,
            cpu_limit=settings.cpu_limit_default,
            output_limit_bytes=settings.output_limit_bytes_default,
        ),
        maximum_limits=pb.Limits(
            timeout_seconds=settings.timeout_seconds_max,
            cpu_time_limit_seconds=settings.timeout_seconds_max,
            memory_limit_mb=settings.memory_limit_mb_max,
            cpu_limit=settings.cpu_limit_max,
            output_limit_bytes=settings.output_limit_bytes_max,
        ),
        minimum_limits=pb.Limits(
            timeout_seconds=LEAST_SECONDS,
            cpu_time_limit_seconds=LEAST_SECONDS,
            memory_limit_mb=settings.memory_limit_mb_min,
            cpu_limit=LEAST_CPUS,
            output_limit_bytes=1,
        ),
    )


def _language(language: Language, images: ImageStore) -> pb.Language:
    return pb.Language(
        name=language.name,
        aliases=language.aliases,
        versions=[_version(language, version, images) for version in language.versions],
        file_name=language.file_name,
        example=language.example,
        compiled=language.compile is not None,
    )


def _version(
    language: Language, version: LanguageVersion, images: ImageStore
) -> pb.LanguageVersion:
    state = images.state(language, version)
    return pb.LanguageVersion(
        version=state.version or version.version,
        image=state.run.ref if state.run else "",
        state=pb.LanguageVersion.State.Value(state.state.name),
        reason=state.explain(),
    )
