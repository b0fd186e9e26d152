"""Results of a run that measured everything and met the whole bar."""

from dataclasses import replace
from pathlib import Path

from bench import memory, stats
from bench.fronts import DEFAULT_LIMITS, ONE_CORE
from bench.programs import INCLUDE_EVERYTHING
from bench.results import (
    AGAIN,
    BARE,
    DOCKER,
    GRPC,
    REST,
    CpuSplit,
    IdleSandbox,
    Latency,
    LoadPoint,
    Machine,
    Resident,
    Results,
    Start,
    Throughput,
)
from bench.stats import Estimate
from executor_server.language_file import load_languages

LANGUAGES = load_languages(Path(__file__).parents[3] / "languages")


def exactly(value: float) -> Estimate:
    return Estimate(value, value, value)


def whole() -> Results:
    """Results of a run that measured everything."""
    subject = stats.summary([0.010, 0.011, 0.012])
    ratios = {GRPC: exactly(0.5), REST: exactly(0.6)}
    names = [language.name for language in LANGUAGES]
    compiled = {INCLUDE_EVERYTHING, *(each.name for each in LANGUAGES if each.compile)}
    subjects = {BARE: subject, GRPC: subject, REST: subject, DOCKER: subject}
    latency = [
        Latency(
            program=name,
            language=name.partition(",")[0],
            limits=limits.name,
            subjects=subjects | ({AGAIN: subject} if name in compiled else {}),
            to_bare=ratios | ({AGAIN: exactly(0.1)} if name in compiled else {}),
            rest_added=exactly(0.0004),
            warm_share=1.0,
        )
        for name in (*names, INCLUDE_EVERYTHING)
        for limits in (DEFAULT_LIMITS, ONE_CORE)
    ]
    point = LoadPoint(0.5, 6.0, subject, exactly(3.0), 0, 1.0)
    split = CpuSplit(
        REST, 100, 50.0, 60.0, 6.0, 20.0, 4.0, "control group", load_generator=1.0, background=0.01
    )
    return Results(
        machine=Machine("cpu", 2, 4096, "6.1", "20.10", "runc", "1", "3.11", 0.01),
        scale="full",
        languages=names,
        docker_run="command line",
        latency=latency,
        throughput=Throughput(
            {"1": exactly(5.0), "4": exactly(12.0)}, "4", 8, exactly(12.0), exactly(1.0), subject
        ),
        growth=[replace(point, level=1), replace(point, level=2, rate=9.0)],
        open_loop=[replace(point, level=0.25), point],
        cpu=[replace(split, front=GRPC), split],
        idle=[IdleSandbox(memory.AGENT_ALONE, 3, 2.8, 12.0, 0.3, 3.1, 3.3)],
        resident=Resident([(1000, 90.0), (20_000, 91.0)], 1000, 20_000, 0.011, True),
        start=Start(stats.summary([0.6, 0.7])),
    )
