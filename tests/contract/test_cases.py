"""Every case in every language, over the fronts: one table, so that no front can drift.

Python and C answer each case over every front; the other languages say hello over every front, and
their other cases go round the fronts. Cases run a few at a time, and each is its own test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from code_executor.v1 import executor_pb2 as pb

from tests.contract.cases import CASES, Case, mismatches
from tests.contract.fronts import FRONTS, Front, open_fronts
from tests.contract.programs import EXAMPLE, Spoken, languages
from tests.service import Service

EVERYWHERE = ("python", "c")
AT_ONCE = 3
LANGUAGES = languages()


@dataclass(frozen=True)
class Question:
    """One case in one language over one front."""

    spoken: Spoken
    case: Case
    front: str

    def __str__(self) -> str:
        return f"{self.spoken.name}-{self.case.name.replace(' ', '_')}-{self.front}"

    async def ask(self, front: Front) -> pb.ExecuteResponse:
        program = self.spoken.programs[self.case.program]
        fixed = {"language": self.spoken.name, "code": program}
        return await front.execute({**fixed, **self.case.request})


def questions() -> list[Question]:
    found = []
    for row, spoken in enumerate(LANGUAGES.values()):
        for column, case in enumerate(CASES):
            everywhere = spoken.name in EVERYWHERE or case.program == EXAMPLE
            fronts = FRONTS if everywhere else (FRONTS[(row + column) % len(FRONTS)],)
            found += [Question(spoken, case, front) for front in fronts]
    return found


class Asking:
    """Asks the questions of this session in their order, a few at a time, ahead of their tests."""

    def __init__(self, fronts: dict[str, Front], service: Service, asked: list[Question]) -> None:
        self._fronts = fronts
        self._service = service
        self._places = asyncio.Semaphore(AT_ONCE)
        self._answers = {
            str(question): asyncio.create_task(self._ask(question)) for question in asked
        }

    async def answer(self, question: Question) -> pb.ExecuteResponse:
        return await self._answers[str(question)]

    async def stop(self) -> None:
        for task in self._answers.values():
            task.cancel()
        await asyncio.gather(*self._answers.values(), return_exceptions=True)

    async def _ask(self, question: Question) -> pb.ExecuteResponse:
        async with self._places:
            await asyncio.to_thread(self._service.wait_until_ready, question.spoken.name)
            return await question.ask(self._fronts[question.front])


@pytest.fixture(scope="module")
async def asking(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[Asking]:
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [
        found.params["question"] for found in parameters if found and "question" in found.params
    ]
    async with open_fronts(service.grpc_address, service.http_url) as fronts:
        asking = Asking(fronts, service, wanted)
        yield asking
        await asking.stop()


@pytest.mark.parametrize("question", questions(), ids=str)
async def test_case(question: Question, asking: Asking) -> None:
    response = await asking.answer(question)
    wrong = mismatches(response, question.case.expected, question.spoken)
    if (
        wrong
        and question.case.or_else is not None
        and question.case.program in question.spoken.says
    ):
        wrong = mismatches(response, question.case.or_else, question.spoken)
    assert not wrong, "\n".join([*wrong, str(response)])


@pytest.mark.parametrize("spoken", LANGUAGES.values(), ids=LANGUAGES)
async def test_a_memory_hog_leaves_the_service_unharmed(spoken: Spoken, service: Service) -> None:
    by_name = {case.name: case for case in CASES}
    async with open_fronts(service.grpc_address, service.http_url) as fronts:
        await Question(spoken, by_name["memory"], "grpc").ask(fronts["grpc"])
        response = await Question(spoken, by_name["hello"], "grpc").ask(fronts["grpc"])
    assert not mismatches(response, by_name["hello"].expected, spoken)


@pytest.mark.parametrize("spoken", LANGUAGES.values(), ids=LANGUAGES)
def test_each_language_has_every_program(spoken: Spoken) -> None:
    needed = {case.program for case in CASES}
    assert needed == spoken.programs.keys()
    assert {"crash", "broken"} <= spoken.says.keys()
