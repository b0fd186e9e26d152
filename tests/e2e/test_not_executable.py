"""What the request made, or hid, is its own fault where it is no program: never an error of the service.

Needs the fixture ``grpc_address``: host:port of a real server that runs every language.
"""

from __future__ import annotations

import pytest
from code_executor import Client, ExecuteResponse

RUST_LIBRARY = '#![crate_type = "lib"]\npub fn nothing() {}\n'


@pytest.mark.parametrize(
    ("request_of", "exit_code", "said"),
    [
        ({"language": "rust", "code": RUST_LIBRARY}, 126, "./program: Permission denied\n"),
        ({"language": "go", "code": "package nothing\n"}, 126, "./program: Permission denied\n"),
        (
            {"language": "python", "code": "print(1)", "env": {"PATH": "/nowhere"}},
            127,
            "python3: No such file or directory\n",
        ),
    ],
    ids=["a library of Rust", "a package of Go", "a PATH to nowhere"],
)
def test_no_program(
    request_of: dict[str, object], exit_code: int, said: str, grpc_address: str
) -> None:
    with Client(grpc_address) as client:
        result = client.execute(**request_of)  # type: ignore[arg-type]
    assert result.status == ExecuteResponse.RUNTIME_ERROR
    assert (result.exit_code, result.stderr, result.stdout) == (exit_code, said, "")
