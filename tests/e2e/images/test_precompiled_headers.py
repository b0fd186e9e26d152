"""C++'s compiled headers: the service's own command takes them, and nobody can tell but by the time."""

from __future__ import annotations

import pytest

from executor_server.engine.images import EngineImages
from executor_server.languages import Sizing
from tests.e2e.images.ready import ROOT, docker
from tests.e2e.images.stores import SANDBOX, store_of

# What a sandbox of the compile stage has, and as much memory as it may take.
BOX = (
    "--tmpfs=/box:exec,uid=123456,size=64m",
    "--tmpfs=/tmp:uid=123456,size=64m",
    "--workdir=/box",
)
MEMORY = ("--memory=512m", "--memory-swap=512m", "--interactive")
# -H says of each header how it was had: "!" marks one that was compiled before, "x" one that did not fit.
COMPILE_AND_RUN = (
    'cat > main.cpp; eval "$0"; "$@" -H -Winvalid-pch 2>&1 | grep -v "^\\."; ./program'
)
PRINT = '\nint main() { std::cout << "ran\\n"; }\n'


@pytest.mark.parametrize("header", ["bits/stdc++.h", "iostream"])
async def test_a_header_is_compiled_already(engine_images: EngineImages, header: str) -> None:
    said = await _compiled(engine_images, f"#include <{header}>{PRINT}")
    assert said[0].startswith("! ")
    assert said[0].endswith(f"/{header}.gch")
    assert said[-1] == "ran"
    assert not any("invalid-pch" in line or line.startswith("x ") for line in said)


async def test_a_macro_that_changes_a_header_is_heeded(engine_images: EngineImages) -> None:
    """With _GLIBCXX_ASSERTIONS an index past the end ends the program, without it nothing happens."""
    said = await _compiled(
        engine_images,
        "#define _GLIBCXX_ASSERTIONS 1\n#include <bits/stdc++.h>\n"
        "int main(int n, char **) { std::vector<int> few(n); few.reserve(9); return few[n]; }\n",
    )
    assert not any(line.startswith("! ") for line in said)
    assert any("Assertion" in line for line in said)


@pytest.mark.parametrize("header", ["bits/stdc++.h", "iostream"])
async def test_a_file_of_the_caller_wins(engine_images: EngineImages, header: str) -> None:
    own = '#include <cstdio>\\nstruct { void operator<<(const char *) { puts("own"); } } own;\\n'
    lay = f"mkdir -p bits; printf '{own}' > {header}"
    source = f'#include "{header}"\nint main() {{ own << "text"; }}\n'
    assert (await _compiled(engine_images, source, lay))[-1] == "own"


async def test_a_mistake_is_shown_in_the_callers_file(engine_images: EngineImages) -> None:
    said = await _compiled(engine_images, "#include <iostream>\n\nint main() { std::cuot; }\n")
    assert "main.cpp:3:19: error: 'cuot' is not a member of 'std'" in "\n".join(said)


async def _compiled(images: EngineImages, source: str, lay: str = ":") -> list[str]:
    """Lines that the compiler, but for the list of plain headers, and then the program print."""
    store, languages = store_of(images, ROOT / "languages")
    await store.prepare()
    cpp = languages.find("cpp")
    assert cpp is not None
    version = cpp.versions[0]
    image = store.state(cpp, version).compile
    assert image is not None
    assert version.compile is not None
    argv = version.compile.argv(Sizing(1.0, 512))
    command = ("--entrypoint=sh", image.ref, "-c", f"{COMPILE_AND_RUN} 2>&1; true", lay, *argv)
    return docker("run", "--rm", *SANDBOX, *BOX, *MEMORY, *command, stdin=source).splitlines()
