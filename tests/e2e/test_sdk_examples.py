"""Every example of the SDK, in its docstrings and its README, does what it shows.

Needs the fixture ``grpc_address``: host:port of a real server that runs Python programs.
"""

import asyncio
import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import code_executor
import pytest

README = Path(__file__).parents[2] / "client_sdk" / "README.md"
WRITTEN_ADDRESS = "localhost:50051"


def modules() -> list[Any]:
    names = [info.name for info in pkgutil.iter_modules(code_executor.__path__) if not info.ispkg]
    return [
        code_executor,
        *(importlib.import_module(f"code_executor.{name}") for name in names),
    ]


def docstring_examples() -> list[doctest.DocTest]:
    """One for each docstring, with the SDK's public names and asyncio at hand."""
    names = {"asyncio": asyncio}
    names |= {name: getattr(code_executor, name) for name in code_executor.__all__}
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for module in modules() for test in finder.find(module, globs=dict(names))]
    return [test for test in found if test.examples]


def readme_examples() -> doctest.DocTest:
    text = README.read_text()
    return doctest.DocTestParser().get_doctest(text, {}, "README", str(README), 0)


EXAMPLES = [*docstring_examples(), readme_examples()]


def test_the_examples_are_found() -> None:
    names = {test.name for test in EXAMPLES}
    for kind in ("client.Client", "aio.AsyncClient"):
        for call in ("execute", "list_languages", "health"):
            assert f"code_executor.{kind}.{call}" in names
    assert len(readme_examples().examples) > 10


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_example(test: doctest.DocTest, grpc_address: str) -> None:
    for example in test.examples:
        example.source = example.source.replace(WRITTEN_ADDRESS, grpc_address)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    outcome = runner.run(test, out=report.append, clear_globs=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0, "".join(report)
