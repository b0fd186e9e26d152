"""The images of all languages: their order, their states, and what a failure leaves."""

from __future__ import annotations

import asyncio

import pytest

from executor_server import images as images_module
from executor_server.errors import EngineError
from executor_server.image_values import ImageError, ImageState, State, Step
from executor_server.images import ImageStore
from executor_server.language_file import load_languages
from tests.unit.images.engine import MemoryEngine, Progress
from tests.unit.images.tree import Tree


async def _until_ready(store: ImageStore) -> None:
    async with asyncio.timeout(5):
        while store.failures():  # noqa: ASYNC110 - the store tells the observer, not the waiting
            await asyncio.sleep(0.001)


async def test_everything_is_made_once_in_order_and_one_at_a_time(
    tree: Tree, engine: MemoryEngine
) -> None:
    store = tree.store(engine)
    assert {state.state for state in tree.states(store).values()} == {State.PENDING}
    await store.prepare()
    assert engine.tags() == [
        "code-executor/agent",
        "code-executor/first-3.1-base",
        "code-executor/first",
        "code-executor/second-3.1-base",
        "code-executor/second",
        "code-executor/run-base",
        "code-executor/run",
    ]
    assert engine.most_building == 1
    assert store.failures() == []


async def test_a_ready_language_knows_its_images_and_its_real_version(
    tree: Tree, engine: MemoryEngine
) -> None:
    store = tree.store(engine)
    await store.prepare()
    first, second = tree.states(store).values()
    assert (first.state, first.version) == (State.READY, "3.1.4")
    assert first.image is not None
    assert first.image.ref.startswith("code-executor/first:3.1-")
    assert first.image.digest == engine.images[first.image.ref].id
    assert first.image.env == {"PATH": "/usr/bin"}
    assert (first.run, first.compile) == (first.image, None), "interpreted, so it runs in its own"
    assert second.compile == second.image
    assert second.run is not None
    assert second.run.ref.startswith("code-executor/run:")


async def test_a_failure_is_recorded_and_the_others_go_on(tree: Tree, engine: MemoryEngine) -> None:
    engine.failing["code-executor/first-3.1-base"] = ImageError("build failed: no such package")
    progress = Progress()
    store = tree.store(engine, progress)
    await store.prepare()
    first, second = tree.states(store).values()
    assert first == ImageState(State.FAILED, "build failed: no such package")
    assert second.state is State.READY
    assert store.failures() == ["first 3.1: build failed: no such package"]
    failed = [said for said in progress.said if said.step is Step.FAILED]
    assert [(said.name, said.reason) for said in failed] == [("first 3.1", first.reason)]


async def test_each_image_has_a_line_at_its_start_and_at_its_end(
    tree: Tree, engine: MemoryEngine
) -> None:
    progress = Progress()
    await tree.store(engine, progress).prepare()
    names = [said.name for said in progress.said]
    assert names == [name for name in ("agent", "first 3.1", "second 3.1", "run") for _ in range(2)]
    assert [said.step for said in progress.said] == [Step.STARTED, Step.READY] * 4
    assert {said.size_bytes for said in progress.said[1::2]} == {1000}
    assert all(said.seconds >= 0 for said in progress.said)


async def test_what_failed_is_tried_again(
    tree: Tree, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "_FIRST_RETRY_SECONDS", 0.01)
    engine.failing["code-executor/first"] = ImageError("the mirror is away")
    store = tree.store(engine)
    keeping = asyncio.create_task(store.keep_ready())
    try:
        assert await asyncio.wait_for(store.first_ready(), 5)
        assert tree.states(store)["first 3.1"].state is State.FAILED
        engine.failing.clear()
        await _until_ready(store)
    finally:
        keeping.cancel()
    assert tree.states(store)["first 3.1"].version == "3.1.4"


async def test_an_image_that_the_engine_lost_is_made_again(
    tree: Tree, engine: MemoryEngine
) -> None:
    store = tree.store(engine)
    keeping = asyncio.create_task(store.keep_ready())
    try:
        assert await asyncio.wait_for(store.first_ready(), 5)
        await _until_ready(store)
        run = tree.states(store)["second 3.1"].run
        assert run is not None
        del engine.images[run.ref]
        engine.built.clear()
        store.lost(run.ref)
        assert tree.states(store)["second 3.1"].state is State.PENDING
        await _until_ready(store)
    finally:
        keeping.cancel()
    assert engine.tags() == ["code-executor/run"]


async def test_first_ready_says_when_all_is_in_vain(tree: Tree, engine: MemoryEngine) -> None:
    engine.failing["code-executor/"] = ImageError("no space left")
    store = tree.store(engine)
    waiting = asyncio.create_task(store.first_ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    await store.prepare()
    assert await waiting is False


async def test_an_engine_that_is_away_is_no_fault_of_an_image(
    tree: Tree, engine: MemoryEngine
) -> None:
    engine.away = True
    store = tree.store(engine)
    await store.prepare()
    assert {state.state for state in tree.states(store).values()} == {State.PENDING}
    engine.away = False
    await store.prepare()
    assert store.failures() == []


async def test_versions_are_selected_by_the_real_ones(tree: Tree, engine: MemoryEngine) -> None:
    store = tree.store(engine)
    first = load_languages(tree.languages).find("first")
    assert first is not None
    assert store.select(first, "3.1.4") is None, "not known before the image is there"
    await store.prepare()
    assert store.select(first, "3.1.4") == first.versions[0]
    assert store.real_versions(first) == {"3.1": "3.1.4"}
    assert store.select(first, "3.1.5") is None


async def test_a_cancelled_preparation_can_be_taken_up_again(
    tree: Tree, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()

    async def hang(ref: str, command: tuple[str, ...]) -> str:
        started.set()
        await asyncio.sleep(3600)
        raise EngineError("never", "")

    store = tree.store(engine)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "first_line", hang)
        task = asyncio.create_task(store.prepare())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await store.prepare()
    assert store.failures() == []
