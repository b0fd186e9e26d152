"""The base of all recipes, the package sources under it, and the proxies of a build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from executor_server.image_values import State, Step
from tests.unit.images.engine import MemoryEngine, Progress, facts_of, files_of
from tests.unit.images.tree import BASE, Tree


def _program(tmp_path: Path, name: str, script: str) -> None:
    path = tmp_path / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class TestBase:
    """What recipes begin with."""

    @pytest.fixture
    def engine(self) -> MemoryEngine:
        return MemoryEngine(versions={"first": "3.1.4", "second": "3.1.0"})

    async def test_it_is_pulled_where_a_registry_answers(
        self, tree: Tree, engine: MemoryEngine
    ) -> None:
        engine.registry[BASE] = facts_of("pulled")
        progress = Progress()
        store = tree.store(engine, progress)
        await store.prepare()
        assert (engine.pulled, engine.imported, store.failures()) == ([BASE], {}, [])
        assert engine.request("code-executor/first-").args["BASE"] == BASE
        assert [said.step for said in progress.said if said.name == BASE] == [
            Step.STARTED,
            Step.READY,
        ]

    async def test_else_it_is_bootstrapped(
        self, tree: Tree, engine: MemoryEngine, tmp_path: Path
    ) -> None:
        _program(tmp_path, "mmdebstrap", "exit 1")
        tree.bootstrap.write_text('#!/bin/sh\nprintf "root of %s" "$*"\n')
        store = tree.store(engine)
        await store.prepare()
        assert engine.imported == {BASE: b"root of trixie main"}
        assert store.failures() == []

    async def test_where_neither_works_the_error_says_what_to_do(
        self, tree: Tree, engine: MemoryEngine, tmp_path: Path
    ) -> None:
        _program(tmp_path, "mmdebstrap", "exit 1")
        tree.bootstrap.write_text("#!/bin/sh\necho 'mirror says no' >&2\nexit 25\n")
        store = tree.store(engine)
        await store.prepare()
        for state in tree.states(store).values():
            assert state.state is State.FAILED
            for words in (
                BASE,
                "no such host",
                "mirror says no",
                "docker load",
                "code-executor images",
            ):
                assert words in state.reason
        assert engine.images == {}, "a root file system that is not complete is not imported"

    async def test_without_mmdebstrap_and_apt_it_says_so(
        self, tree: Tree, engine: MemoryEngine
    ) -> None:
        store = tree.store(engine)
        await store.prepare()
        assert "mmdebstrap is not installed" in store.failures()[0]

    async def test_sources_of_the_host_go_under_a_pulled_base(
        self, tree: Tree, engine: MemoryEngine, tmp_path: Path
    ) -> None:
        engine.registry[BASE] = facts_of("pulled")
        _program(tmp_path, "apt-get", "exit 1")
        line = "deb http://mirror.invalid/debian trixie main"
        tree.bootstrap.write_text(f'#!/bin/sh\n[ "$1" = --sources ] && echo "{line}"\n')
        store = tree.store(engine)
        await store.prepare()
        base = engine.request("code-executor/debian:")
        assert files_of(base.context)["sources.list"][0] == f"{line}\n".encode()
        assert engine.request("code-executor/first-").args["BASE"] == base.tag
        engine.built.clear()
        await tree.store(engine).prepare()
        assert engine.built == []

    @pytest.mark.parametrize(
        "line", ["http://deb.debian.org/debian", "https://security.debian.org/x"]
    )
    async def test_the_usual_sources_need_no_base_of_their_own(
        self, tree: Tree, engine: MemoryEngine, tmp_path: Path, line: str
    ) -> None:
        engine.registry[BASE] = facts_of("pulled")
        _program(tmp_path, "apt-get", "exit 1")
        tree.bootstrap.write_text(f'#!/bin/sh\necho "deb {line} trixie main"\n')
        await tree.store(engine).prepare()
        assert engine.request("code-executor/first-").args["BASE"] == BASE


class TestProxies:
    """They reach a build as arguments, and nothing else."""

    async def _args(
        self, tree: Tree, engine: MemoryEngine, environ: Mapping[str, str]
    ) -> Mapping[str, str]:
        await tree.store(engine, environ=environ).prepare()
        args = dict(engine.request("code-executor/first-").args)
        del args["BASE"]
        return args

    async def test_none(self, tree: Tree, engine: MemoryEngine) -> None:
        assert await self._args(tree, engine, {"PATH": "/bin", "SECRET": "x"}) == {}

    async def test_of_the_environment(self, tree: Tree, engine: MemoryEngine) -> None:
        environ = {"http_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2", "no_proxy": "localhost"}
        assert await self._args(tree, engine, environ) == {
            **dict.fromkeys(("http_proxy", "HTTP_PROXY"), "http://p:1"),
            **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://q:2"),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost"),
        }

    async def test_of_apt(self, tree: Tree, engine: MemoryEngine, tmp_path: Path) -> None:
        dump = "Acquire::http::Proxy=http://apt:3\\nAcquire::http::Proxy::host=DIRECT\\n"
        _program(tmp_path, "apt-config", f"printf '{dump}'")
        assert await self._args(tree, engine, {"https_proxy": "http://q:2"}) == {
            **dict.fromkeys(("http_proxy", "HTTP_PROXY"), "http://apt:3"),
            **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://q:2"),
        }

    async def test_the_environment_wins(
        self, tree: Tree, engine: MemoryEngine, tmp_path: Path
    ) -> None:
        _program(tmp_path, "apt-config", "printf 'Acquire::http::Proxy=http://apt:3\\n'")
        args = await self._args(tree, engine, {"http_proxy": "http://p:1"})
        assert args["http_proxy"] == "http://p:1"

    async def test_they_are_in_no_context_and_no_label(
        self, tree: Tree, engine: MemoryEngine
    ) -> None:
        await self._args(tree, engine, {"http_proxy": "http://secret:1"})
        for request in engine.built:
            assert b"secret" not in request.context
            assert "secret" not in repr(request.labels)
            assert "secret" not in request.tag
