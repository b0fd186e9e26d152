"""Paths of a request's files: each alone, and all against each other."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor_server.service.paths import PathRules
from executor_server.settings import load

TAKEN = {"main.c": "code", "program": "what the compiler makes"}


def violations(*paths: str) -> list[tuple[str, str]]:
    return [(v.field, v.reason) for v in PathRules(load({}, None)[0], TAKEN).check(paths)]


def reasons(*paths: str) -> list[str]:
    return [reason for _, reason in violations(*paths)]


@pytest.mark.parametrize(
    "paths",
    [
        ("a",),
        ("a/b/c", "a/b/d", "a/e"),
        ("..a", "...", "a..b", " ", "-"),
        ("MAIN.C", "main.cc"),
        ("ä" * 127,),
        ("/".join("a" * 16),),
        ("é", "e\u0301"),
    ],
)
def test_good_paths(paths: tuple[str, ...]) -> None:
    assert violations(*paths) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "EMPTY"),
        ("/", "ABSOLUTE_PATH"),
        ("/a", "ABSOLUTE_PATH"),
        (".", "BAD_PATH"),
        ("..", "BAD_PATH"),
        ("./a", "BAD_PATH"),
        ("a/..", "BAD_PATH"),
        ("a/../b", "BAD_PATH"),
        ("a//b", "BAD_PATH"),
        ("a/", "BAD_PATH"),
        ("a\0", "NUL_BYTE"),
        ("a" * 256, "TOO_LARGE"),
        ("ä" * 128, "TOO_LARGE"),
        ("/".join("a" * 17), "TOO_DEEP"),
        ("main.c", "DUPLICATE_PATH"),
        ("main.c/a", "PATH_CONFLICT"),
        ("program", "DUPLICATE_PATH"),
    ],
)
def test_bad_paths(path: str, reason: str) -> None:
    assert violations("fine", path) == [("files[1].path", reason)]


def test_paths_against_each_other() -> None:
    assert reasons("a", "a") == ["DUPLICATE_PATH"]
    assert reasons("a", "a/b") == ["PATH_CONFLICT"]
    assert reasons("a/b/c", "a/b") == ["PATH_CONFLICT"]
    assert reasons("a/b", "a/b/c/d") == ["PATH_CONFLICT"]


def test_every_bad_path_is_named() -> None:
    assert violations("/a", "b", "../c") == [
        ("files[0].path", "ABSOLUTE_PATH"),
        ("files[2].path", "BAD_PATH"),
    ]


parts = st.sampled_from(["a", "b", ".", "..", "", "main.c", "ü", "\0"])


@given(st.lists(st.lists(parts, min_size=1, max_size=5).map("/".join), max_size=6))
def test_what_is_good_stays_inside_and_can_be_laid_down(paths: list[str]) -> None:
    """Whatever passes is written by a file system that knows only files and folders."""
    bad = {field for field, _ in violations(*paths)}
    files, folders = set(TAKEN), set[str]()
    for index, path in enumerate(paths):
        if f"files[{index}].path" in bad:
            continue
        assert posixpath.normpath("/box/" + path) == "/box/" + path
        above = {path[:end] for end, letter in enumerate(path) if letter == "/"}
        assert path not in files | folders
        assert not above & files
        files.add(path)
        folders |= above
