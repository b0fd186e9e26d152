"""A version may name any image; the agent is laid on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executor_server.image_values import State
from tests.unit.images.engine import MemoryEngine, facts_of, files_of
from tests.unit.images.tree import Tree, language_file, ready_version


class TestReadyImages:
    """A version may name any image; the agent is laid on it."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Tree:
        tree = Tree(tmp_path)
        versions = ready_version("2.7", "old:2") + ready_version("2", "older:1")
        tree.add("first", language_file("first", 1, compiled=True, versions=versions))
        return tree

    async def test_it_is_pulled_and_runs_its_programs_in_itself(
        self, tree: Tree, engine: MemoryEngine
    ) -> None:
        engine.registry["old:2"] = facts_of("old")
        engine.images["older:1"] = facts_of("older")
        store = tree.store(engine)
        await store.prepare()
        assert engine.pulled == ["old:2"]
        assert engine.tags() == [
            "code-executor/agent",
            "code-executor/first",
            "code-executor/first",
        ]
        for state in tree.states(store).values():
            assert state.version == "2.7.18"
            assert state.run == state.image == state.compile

    async def test_it_is_layered_again_when_the_image_of_that_name_changes(
        self, tree: Tree, engine: MemoryEngine
    ) -> None:
        engine.images |= {"old:2": facts_of("old"), "older:1": facts_of("older")}
        await tree.store(engine).prepare()
        engine.images["old:2"] = facts_of("a newer one")
        engine.built.clear()
        await tree.store(engine).prepare()
        (layer,) = engine.built
        assert b"FROM old:2\n" in (files_of(layer.context)["Dockerfile"][0] or b"")

    async def test_one_that_cannot_be_had_says_what_to_do(
        self, tree: Tree, engine: MemoryEngine
    ) -> None:
        engine.images["older:1"] = facts_of("older")
        store = tree.store(engine)
        await store.prepare()
        failed, ready = tree.states(store).values()
        assert ready.state is State.READY
        assert "old:2" in failed.reason
        assert "no such host" in failed.reason
        assert "docker load" in failed.reason

    @pytest.mark.parametrize(
        ("change", "words"),
        [({"volumes": ("/data",)}, "volumes /data"), ({"triggers": ("RUN x",)}, "ONBUILD")],
    )
    async def test_one_that_brings_more_than_files_is_refused(
        self, tree: Tree, engine: MemoryEngine, change: dict[str, tuple[str, ...]], words: str
    ) -> None:
        engine.images["old:2"] = replace(facts_of("old"), **change)  # type: ignore[arg-type]
        engine.images["older:1"] = facts_of("older")
        store = tree.store(engine)
        await store.prepare()
        state = tree.states(store)["first 2.7"]
        assert state.state is State.FAILED
        assert words in state.reason
        assert not [tag for tag in engine.images if tag.startswith("code-executor/first:2.7")]
