"""A request that is refused for its counts costs little, however much it holds."""

from unittest.mock import Mock

import pytest
from code_executor.v1 import executor_pb2 as pb

from executor_server.errors import InvalidRequestError
from executor_server.languages import Languages
from executor_server.service.request import RequestReader
from executor_server.settings import Settings

MANY = 100_000
# tags of the fields as they stand in the encoding, each followed by its value of length 0 or 1
EMPTY_FILES = b"\x62\x00" * MANY
NUL_ARGS = b"\x52\x01\x00" * MANY
NUL_ENV = b"".join(b"\x5a\x08\x0a\x06%05d\x00" % number for number in range(MANY))


@pytest.mark.parametrize(
    ("encoded", "field", "allowed"),
    [(EMPTY_FILES, "files", 64), (NUL_ARGS, "args", 256), (NUL_ENV, "env", 64)],
)
def test_what_is_past_a_count_is_not_looked_at(encoded, field, allowed):
    settings = Settings()
    reader = RequestReader(settings, Languages(()), images=Mock())
    with pytest.raises(InvalidRequestError) as caught:
        reader.read(pb.ExecuteRequest.FromString(encoded))
    violations = caught.value.violations
    count = next(violation for violation in violations if violation.field == field)
    assert f"has {MANY} " in count.description
    inside = [violation for violation in violations if violation.field.startswith(f"{field}[")]
    assert allowed <= len(inside) <= 2 * allowed  # each is bad in one way or two
