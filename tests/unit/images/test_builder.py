"""One sandbox image: what goes into it, and when it is built again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from executor_server.image_values import State
from tests.unit.images.engine import MemoryEngine, Progress, facts_of, files_of
from tests.unit.images.tree import BASE, RECIPE, Tree


async def test_the_version_command_runs_in_the_image_of_the_recipe(
    tree: Tree, engine: MemoryEngine
) -> None:
    await tree.store(engine).prepare()
    bases = [engine.request(f"code-executor/{name}-3.1-base").tag for name in ("first", "second")]
    assert engine.ran == [(bases[0], ("first",)), (bases[1], ("second",))]


async def test_the_agent_is_laid_on_top_with_the_languages_support(
    tree: Tree, engine: MemoryEngine
) -> None:
    await tree.store(engine).prepare()
    agent = engine.request("code-executor/agent").tag
    source = engine.request("code-executor/first-3.1-base").tag
    layer = engine.request("code-executor/first:")
    files = files_of(layer.context)
    assert files["support/helper"] == (b"helper of first", 0o755)
    assert files["box"] == (None, 0o755), "an image without a shell cannot make the folder itself"
    assert (
        files["Dockerfile"][0]
        == (
            f"FROM {agent} AS agent\nFROM {source}\nCOPY support/ /.code-executor/\n"
            "COPY box/ /box/\nCOPY --from=agent /agent /.code-executor/agent\n"
        ).encode()
    )
    assert layer.labels == {"code-executor.version": "3.1.4", "code-executor.image": source}


async def test_the_agent_is_told_its_build_id(tree: Tree, engine: MemoryEngine) -> None:
    store = tree.store(engine)
    await store.prepare()
    request = engine.request("code-executor/agent")
    assert request.args["BUILD_ID"] == store.agent_build_id
    assert request.tag == f"code-executor/agent:{store.agent_build_id}"
    assert set(files_of(request.context)) == {"Dockerfile", "src/main.c"}


async def test_a_second_start_builds_and_runs_nothing(tree: Tree, engine: MemoryEngine) -> None:
    first = tree.store(engine)
    await first.prepare()
    engine.built.clear()
    engine.ran.clear()
    progress = Progress()
    again = tree.store(engine, progress)
    await again.prepare()
    assert (engine.built, engine.ran, engine.pulled, progress.said) == ([], [], [], [])
    assert tree.states(again) == tree.states(first)


Change = Callable[[Tree, MemoryEngine], None]


def _change(path: str, text: str) -> Change:
    def change(tree: Tree, _: MemoryEngine) -> None:
        target = tree.languages.parent / path
        target.write_text(text)

    return change


def _new_base(_: Tree, engine: MemoryEngine) -> None:
    engine.images[BASE] = facts_of("a newer base")


def _new_limit(tree: Tree, _: MemoryEngine) -> None:
    path = tree.languages / "first" / "language.toml"
    path.write_text(path.read_text().replace("pids = 4", "pids = 5"))


FIRST = ["code-executor/first-3.1-base", "code-executor/first"]
LAYERS = ["code-executor/first", "code-executor/second", "code-executor/run"]
ALL = sorted([*LAYERS, *FIRST[:1], "code-executor/second-3.1-base", "code-executor/run-base"])


@pytest.mark.parametrize(
    ("change", "rebuilt"),
    [
        (_change("languages/first/Dockerfile", RECIPE + "RUN more"), FIRST),
        (_change("languages/first/copied", "a file that the recipe may copy"), FIRST),
        (_change("languages/first/helper", "a better helper"), FIRST),
        (
            _change("languages/run/Dockerfile", RECIPE + "RUN m"),
            ["code-executor/run-base", LAYERS[2]],
        ),
        (
            _change("agent/src/main.c", "int main(void) { return 1; }"),
            ["code-executor/agent", *LAYERS],
        ),
        (_new_base, ALL),
        (_new_limit, []),
        (_change("languages/first/example", "another example"), []),
        (_change("agent/PROTOCOL.md", "words"), []),
        (_change("languages/unrelated", "a file beside the languages"), []),
    ],
    ids=[
        "recipe",
        "copied",
        "support",
        "run",
        "agent",
        "base",
        "limit",
        "example",
        "notes",
        "beside",
    ],
)
async def test_exactly_what_a_change_touches_is_built_again(
    tree: Tree, engine: MemoryEngine, change: Change, rebuilt: list[str]
) -> None:
    await tree.store(engine).prepare()
    engine.built.clear()
    change(tree, engine)
    await tree.store(engine).prepare()
    assert sorted(engine.tags()) == sorted(rebuilt)


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("4.0.1", "promises version 3.1, but"),
        ("3.10", "promises version 3.1, but"),
        ("first version 3.1", "expected a version"),
        ('3.1"\nLABEL x="y', "expected a version"),
        ("", "expected a version"),
    ],
)
async def test_a_version_that_is_not_the_promised_one_is_refused(
    tree: Tree, engine: MemoryEngine, printed: str, words: str
) -> None:
    engine.versions["first"] = printed
    store = tree.store(engine)
    await store.prepare()
    state = tree.states(store)["first 3.1"]
    assert state.state is State.FAILED
    assert words in state.reason
    assert "first 3.1" in state.reason
