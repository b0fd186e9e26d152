"""What the documentation names is there: pages, flags, targets, languages, fields, metrics."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from code_executor.v1 import executor_pb2 as pb

from executor_server import settings
from executor_server.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted(
    path
    for folder in (".", "docs", "languages", "client_sdk", "agent")
    for path in (ROOT / folder).glob("*.md")
)
BY_HAND = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{p.name}" for p in PAGES)]
_CODE = re.compile(r"```.*?```", re.DOTALL)
_GENERATED = re.compile(r"<!-- generated.*?<!-- end", re.DOTALL)
# Of Docker, gcc, grpcurl, the health probe, mypy, apt-get, rm and uv.
FOREIGN_FLAGS = {
    *("filter", "group-add", "name", "user", "lm", "std", "plaintext", "addr"),
    *("strict", "no-install-recommends", "rf", "upgrade"),
}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _anchors(page: Path) -> set[str]:
    """Names of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", _CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = _CODE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name) if name else page
        assert found.exists(), f"{target} in {page.name} leads nowhere"
        if anchor:
            assert anchor in _anchors(found), f"{target} in {page.name}: no such heading"


def test_every_table_is_what_the_code_says(generate: ModuleType) -> None:
    seen = set()
    for name in generate.PAGES:
        text = (ROOT / name).read_text("utf-8")
        assert generate.fill(text) == text, f"{name} is old; run: docs/generate.py"
        seen |= set(re.findall(r"<!-- generated: (\w+) -->", text))
    assert seen == generate.TABLES.keys()


def test_a_table_that_is_old_is_made_anew(generate: ModuleType) -> None:
    old = "a\n<!-- generated: limits -->\nold\n<!-- end of limits -->\nb\n"
    made = generate.fill(old)
    assert "old" not in made
    assert "| `memory_limit_mb` | 128 | 16 | 1024 |" in made
    assert (made[:2], made[-3:]) == ("a\n", "\nb\n")
    assert generate.fill(made) == made


def _pages_by_hand() -> dict[str, str]:
    names = [name for name in BY_HAND if (ROOT / name).exists()]
    return {name: (ROOT / name).read_text("utf-8") for name in names}


def test_every_flag_that_is_named_exists() -> None:
    known = {name.replace("_", "-") for name in Settings.model_fields} | {"config", "version"}
    for page, text in _pages_by_hand().items():
        written = _GENERATED.sub("", text)
        named = set(re.findall(r"(?<=[`' =])--?([a-z][a-z-]+)(?![\w-])", written))
        assert named - FOREIGN_FLAGS <= known, page


def test_every_variable_that_is_named_exists() -> None:
    known = {settings.variable(name) for name in Settings.model_fields}
    of_compose = set(re.findall(r"CODE_EXECUTOR_\w+", (ROOT / "compose.yaml").read_text()))
    for page, text in _pages_by_hand().items():
        assert set(re.findall(r"CODE_EXECUTOR_\w+", text)) <= known | of_compose, page


def test_every_target_that_is_named_exists() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    known = set(re.findall(r"^make (\S+)", listed.stdout, re.MULTILINE)) | {".tools/.installed"}
    for page, text in _pages_by_hand().items():
        assert (
            set(re.findall(r"(?:^|`|\$ |& )make ([a-z.][\w./-]*)", text, re.MULTILINE)) <= known
        ), page


def test_the_table_of_languages_is_that_of_their_files() -> None:
    row = re.compile(r"^\| `(\w+)` \| (.+?) \| ([\d.]+) \| `(\S+)` \|", re.MULTILINE)
    shown = {
        name: (re.findall(r"`([^`]+)`", aliases), version, file)
        for name, aliases, version, file in row.findall(README)
    }
    files = sorted((ROOT / "languages").glob("*/language.toml"))
    assert shown.keys() == {path.parent.name for path in files}
    for path in files:
        language = tomllib.loads(path.read_text("utf-8"))
        aliases, version, file = shown[language["name"]]
        assert (aliases, file) == (language["aliases"], language["file_name"])
        promised = language["versions"][0]["version"]
        assert f"{version}.".startswith(f"{promised}."), language["name"]
        assert f"execute {language['name']} languages/" in README


def test_every_field_and_status_is_explained() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    messages = (pb.ExecuteRequest, pb.ExecuteResponse, pb.Stage, pb.Timings, pb.LanguageInfo)
    for message in messages:
        for field in message.DESCRIPTOR.fields:
            assert f"`{field.name}`" in text, f"{message.DESCRIPTOR.name}.{field.name}"
    for status in pb.ExecuteResponse.Status.keys()[1:]:
        assert f"`{status}`" in README


def test_no_page_names_a_place_of_one_machine() -> None:
    for page in PAGES:
        found = re.findall(r"/(?:root|work|home/\w+|tmp/\w+/)\S*", page.read_text("utf-8"))
        assert found == [], page
