"""What a program of each language finds around it, and that it is the same for all of them.

One program a language, in ``surroundings``: it opens its standard streams again, speaks over loopback by
name, cannot get out, writes where it may, and is told of as many CPUs as its sandbox has.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from code_executor import Status

from tests.e2e.conftest import Execute
from tests.service import Service

PROGRAMS = {path.stem: path for path in (Path(__file__).parent / "surroundings").glob("*.*")}
LANGUAGES = sorted(
    path.parent.name for path in Path(__file__).parents[2].glob("languages/*/language.toml")
)
LINE = "zwölf 猫"
EXPECTED = f"{LINE} 7\nwritten again\nping\nerrno 101\n/box\n/tmp\n1\n"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_surroundings_of_a_program(
    language: str, service: Service, execute: Execute
) -> None:
    await asyncio.to_thread(service.wait_until_ready, language)
    code = PROGRAMS[language].read_text()
    answer = await execute(language, code, input=f"{LINE}\n", cpu_limit=0.5)
    assert (answer.stderr, Status.Name(answer.status)) == ("", "OK")
    assert answer.stdout == EXPECTED
