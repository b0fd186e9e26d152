"""Languages as data: what a file may say, what it becomes, and how one is found and selected."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executor_server.language_file import load_language, load_languages
from executor_server.languages import Language, LanguageFileError, Sizing

ROOT = Path(__file__).parents[2]

MINIMAL = """\
name = "toy"
aliases = ["t", "toy+"]
file_name = "main.toy"
example = "example.toy"
example_output = "Hello\\n"

[run]
command = ["toy", "main.toy"]
pids = 8

[[versions]]
recipe = "Dockerfile"
version = "1.2"
version_command = ["toy", "--version"]
"""
COMPILE = """
[compile]
command = ["toyc", "main.toy"]
artifact = ["program"]
timeout_seconds = 10.0
memory_limit_mb = 256
cpu_limit = 1.0
box_mb = 32
tmp_mb = 16
pids = 4
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a language's folder: the minimal file with something replaced or added."""

    def _write(text: str = MINIMAL, folder: str = "toy", **replace: str) -> Path:
        path = tmp_path / folder
        path.mkdir()
        for name in ("example.toy", "Dockerfile"):
            (path / name).write_text(f"{name} of {folder}")
        for old, new in replace.items():
            assert old in text, f"{old} is not in the file: the test replaces nothing"
            text = text.replace(old, new)
        (path / "language.toml").write_text(text)
        return path

    return _write


def _load(write: Write, text: str) -> Language:
    return load_language(write(text))


def test_a_file_becomes_one_frozen_value(write: Write) -> None:
    language = _load(write, MINIMAL + COMPILE)
    assert (language.name, language.aliases, language.file_name) == (
        "toy",
        ("t", "toy+"),
        "main.toy",
    )
    assert language.example == "example.toy of toy"
    assert language.example_output == "Hello\n"
    assert language.compile is not None
    assert language.compile.artifact == ("program",)
    assert (language.compile.memory_limit_mb, language.compile.box_mb, language.compile.tmp_mb) == (
        256,
        32,
        16,
    )
    assert language.run.command == ("toy", "main.toy")
    with pytest.raises(dataclasses.FrozenInstanceError):
        language.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        language.run.env["X"] = "1"  # type: ignore[index]


BAD: list[tuple[str, str, str, str]] = [
    # what is replaced, by what, the key and the words that the error must have
    ('name = "toy"', 'name = "Toy"', "name", "match pattern"),
    ('name = "toy"', "name = 5", "name", "string"),
    ('name = "toy"\n', "", "name", "required"),
    ("pids = 8", 'pids = "8"', "run.pids", "integer"),
    ("pids = 8", "pids = 0", "run.pids", "greater than or equal to 1"),
    ("pids = 8", "pids = 8\nshell = true", "run.shell", "not permitted"),
    ('command = ["toy", "main.toy"]', "command = []", "run.command", "at least 1"),
    (
        'command = ["toy", "main.toy"]',
        'command = ["toy", "{ram}"]',
        "run.command.1",
        "{cpus}, {memory_mb}",
    ),
    ("pids = 8", 'pids = 8\nenv = { A = "{gpus}" }', "run.env.A", "{cpus}, {memory_mb}"),
    ("pids = 8", 'pids = 8\nenv = { "A-B" = "1" }', "run.env", "match pattern"),
    ('file_name = "main.toy"', 'file_name = "../main.toy"', "file_name", "match pattern"),
    ('recipe = "Dockerfile"\n', "", "versions.0", "exactly one of recipe and image"),
    ('recipe = "Dockerfile"', 'recipe = "Dockerfile"\nimage = "a:1"', "versions.0", "exactly one"),
    ('recipe = "Dockerfile"', 'recipe = "Other"', "versions.recipe", "does not exist"),
    ('example = "example.toy"', 'example = "none.toy"', "example", "does not exist"),
    (
        'example = "example.toy"',
        'example = "example.toy"\nsupport = ["x"]',
        "support",
        "does not exist",
    ),
    ("pids = 8", 'pids = 8\nimage = "nowhere"', "run.image", "does not exist"),
    ('version = "1.2"', 'version = "latest"', "versions.0.version", "match pattern"),
    ('version = "1.2"', 'version = "1.2"\ncompile_command = ["x"]', "file", "expected [compile]"),
    ("[[versions]]", "[versions]", "versions", "list"),
    ("pids = 8", "pids = = 8", "cannot be read", "TOML"),
]


@pytest.mark.parametrize(("old", "new", "key", "words"), BAD)
def test_an_error_names_file_key_and_what_is_allowed(
    write: Write, old: str, new: str, key: str, words: str
) -> None:
    folder = write(**{old: new})
    with pytest.raises(LanguageFileError) as caught:
        load_language(folder)
    message = str(caught.value)
    assert f"{folder / 'language.toml'}: {key}" in message
    assert words in message


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("timeout_seconds = 10.0", "timeout_seconds = -1.0", "compile.timeout_seconds"),
        ("timeout_seconds = 10.0", "timeout_seconds = nan", "compile.timeout_seconds"),
        ("cpu_limit = 1.0", "cpu_limit = inf", "compile.cpu_limit"),
        ("memory_limit_mb = 256", "memory_limit_mb = 0", "compile.memory_limit_mb"),
        ('artifact = ["program"]', "artifact = []", "compile.artifact"),
        ('artifact = ["program"]', 'artifact = ["/etc/passwd"]', "compile.artifact.0"),
        ('artifact = ["program"]', 'artifact = ["a/../../b"]', "compile.artifact.0"),
        ('artifact = ["program"]', 'artifact = ["a//b"]', "compile.artifact.0"),
    ],
)
def test_a_compile_stage_is_checked(write: Write, old: str, new: str, key: str) -> None:
    folder = write(MINIMAL + COMPILE, **{old: new})
    with pytest.raises(LanguageFileError, match=re.escape(f"language.toml: {key}")):
        load_language(folder)


def test_every_error_of_a_file_is_told_at_once(write: Write) -> None:
    folder = write(**{"pids = 8": "pids = 0", 'file_name = "main.toy"': 'file_name = ""'})
    with pytest.raises(LanguageFileError) as caught:
        load_language(folder)
    assert {"file_name", "run.pids"} <= set(
        re.findall(r"language\.toml: ([a-z_.]+)", str(caught.value))
    )


def test_versions_of_one_name_are_refused(write: Write) -> None:
    again = MINIMAL[MINIMAL.index("[[versions]]") :]
    with pytest.raises(LanguageFileError, match="every version once"):
        _load(write, MINIMAL + again)


def test_a_folder_without_languages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LanguageFileError, match="no language found"):
        load_languages(tmp_path)
    with pytest.raises(LanguageFileError, match="does not exist"):
        load_languages(tmp_path / "none")


@pytest.mark.parametrize("taken", ["toy", "t", "toy+"])
def test_a_name_or_alias_that_is_taken_is_an_error(
    write: Write, tmp_path: Path, taken: str
) -> None:
    write()
    other = {'name = "toy"': 'name = "other"', '["t", "toy+"]': f'["{taken}"]'}
    write(folder="zother", **other)
    with pytest.raises(LanguageFileError) as caught:
        load_languages(tmp_path)
    assert repr(taken) in str(caught.value)
    assert str(tmp_path / "toy") in str(caught.value)


def test_a_language_is_found_by_name_and_alias_in_any_case(write: Write, tmp_path: Path) -> None:
    write()
    languages = load_languages(tmp_path)
    toy = languages.find("toy")
    assert toy is not None
    assert all(languages.find(name) is toy for name in ("TOY", "t", "T", "Toy+"))
    assert languages.find("t\u043ey") is None  # a Cyrillic letter
    assert languages.find("") is None


def test_languages_come_in_their_order(write: Write, tmp_path: Path) -> None:
    def named(name: str, order: int) -> dict[str, str]:
        return {'name = "toy"': f'name = "{name}"\norder = {order}', '["t", "toy+"]': "[]"}

    write(folder="a", **named("late", 7))
    write(folder="b", **named("early", 1))
    write(folder="c", **named("also", 7))
    assert [language.name for language in load_languages(tmp_path)] == ["early", "also", "late"]


def _with_versions(write: Write, *versions: str) -> Language:
    entry = MINIMAL[MINIMAL.index("[[versions]]") :]
    head = MINIMAL.removesuffix(entry)
    return _load(write, head + "".join(entry.replace("1.2", version) for version in versions))


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ("", "3.13"),
        ("3", "3.13"),
        ("3.13", "3.13"),
        ("3.13.5", "3.13"),
        ("3.11", "3.11"),
        ("3.11.2", "3.11"),
        ("2", "2.7"),
        ("3.1", None),
        ("3.13.6", None),
        ("3.13.5.1", None),
        ("3.", None),
        (".", None),
        ("03", None),
        ("2.7.18", None),
    ],
)
def test_a_version_is_selected_by_whole_components(
    write: Write, wanted: str, selected: str | None
) -> None:
    language = _with_versions(write, "3.13", "3.11", "2.7")
    found = language.select(wanted, {"3.13": "3.13.5", "3.11": "3.11.2"})
    assert (found.version if found else None) == selected


def test_a_version_of_its_own_command_keeps_the_rest(write: Write) -> None:
    own = 'compile_command = ["toyc1", "{cpus}"]\nrun_command = ["toy1"]\n'
    entry = MINIMAL[MINIMAL.index("[[versions]]") :]
    ready = entry.replace('recipe = "Dockerfile"', 'image = "toy:1"').replace("1.2", "1.1") + own
    language = _load(write, MINIMAL + ready + COMPILE)
    default, old = language.versions
    assert default.compile == language.compile
    assert default.run == language.run
    assert old.compile is not None
    assert language.compile is not None
    assert old.compile.command == ("toyc1", "{cpus}")
    assert old.compile == dataclasses.replace(language.compile, command=("toyc1", "{cpus}"))
    assert old.run == dataclasses.replace(language.run, command=("toy1",))


@pytest.mark.parametrize("own", ['run_command = ["toy1"]', 'image = "toy:1"'])
def test_only_our_image_with_the_languages_own_command_waits(write: Write, own: str) -> None:
    waits = '[run.waiting]\ncommand = ["toy", "--wait"]\nmemory_mb = 7\ncold_env = ["TOY*"]\n\n'
    entry = MINIMAL[MINIMAL.index("[[versions]]") :].replace("1.2", "1.1")
    other = entry.replace('recipe = "Dockerfile"\n', "") + own
    other += "" if "image" in own else '\nrecipe = "Dockerfile"'
    language = _load(write, MINIMAL.replace("[[versions]]", waits + "[[versions]]") + other)
    default, second = language.versions
    assert default.run.waiting is not None
    assert default.run.waiting.memory_mb == 7
    assert second.run.waiting is None


def test_a_ready_image_runs_its_artifacts_in_itself(write: Write, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "Dockerfile").write_text("FROM x")
    entry = MINIMAL[MINIMAL.index("[[versions]]") :]
    ready = entry.replace('recipe = "Dockerfile"', 'image = "toy:1"').replace("1.2", "1.1")
    folder = write(MINIMAL + ready, **{"pids = 8": 'pids = 8\nimage = "run"'})
    own, other = load_language(folder).versions
    assert (own.run_image, other.run_image) == ("run", None)


def test_placeholders_are_filled_in_by_the_sandbox(write: Write) -> None:
    text = MINIMAL.replace('["toy", "main.toy"]', '["toy", "-m{memory_mb}", "${cpus}"]')
    stage = _load(write, text.replace("pids = 8", 'pids = 8\nenv = { N = "{cpus} of {cpus}" }')).run
    small, large = Sizing(0.5, 128), Sizing(2.9, 1024)
    assert stage.argv(small) == ("toy", "-m128", "${cpus}"), "${...} is a shell's own"
    assert stage.argv(large)[1] == "-m1024"
    assert stage.environment(small) == {"N": "1 of 1"}
    assert stage.environment(large) == {"N": "2 of 2"}


def test_arguments_of_a_request_are_taken_as_they_are(write: Write) -> None:
    stage = _load(write, MINIMAL).run
    assert stage.argv(Sizing(1, 64), ("{cpus}", "-x")) == ("toy", "main.toy", "{cpus}", "-x")


SHIPPED = sorted(path.parent for path in ROOT.glob("languages/*/language.toml"))
# What people call these languages; a rename of a folder or a lost alias breaks their requests.
CALLED: dict[str, tuple[str, ...]] = {
    "python": ("py", "python3", "Python"),
    "javascript": ("js", "node", "nodejs", "JavaScript"),
    "go": ("golang", "Go"),
    "java": ("Java",),
    "c": ("C",),
    "cpp": ("c++", "cxx", "C++"),
    "rust": ("rs", "Rust"),
    "ruby": ("rb", "Ruby"),
    "php": ("PHP",),
}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_language_is_named_like_its_folder(folder: Path) -> None:
    language = load_language(folder)
    assert language.name == folder.name
    assert language.example_output.startswith("Hello from ")


def test_the_shipped_languages_answer_to_their_usual_names() -> None:
    languages = load_languages(ROOT / "languages")
    found: dict[str, Any] = {
        name: {getattr(languages.find(alias), "name", None) for alias in (name, *aliases)}
        for name, aliases in CALLED.items()
    }
    assert found == {name: {name} for name in CALLED}
    assert {language.name for language in languages} == set(CALLED)


def test_python_is_made_first() -> None:
    assert next(iter(load_languages(ROOT / "languages"))).name == "python"


def test_the_versions_that_the_readme_shows_can_be_added_as_they_stand(tmp_path: Path) -> None:
    folder = tmp_path / "languages"
    shutil.copytree(ROOT / "languages", folder)
    (shown,) = re.findall(r"```toml\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    parts = re.findall(r"# (\w+)/language\.toml[^\n]*\n(.*?)(?=\n# |\Z)", shown, re.DOTALL)
    for name, text in parts:
        with (folder / name / "language.toml").open("a") as file:
            file.write(f"\n{text}")
    added = {language.name for language in load_languages(folder) if len(language.versions) == 2}
    assert added == {name for name, _ in parts} >= {"python", "javascript", "java"}
