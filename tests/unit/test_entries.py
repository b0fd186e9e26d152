"""Entries of an encoded message are counted before anything is made of them."""

from __future__ import annotations

import pytest
from code_executor.v1 import executor_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from executor_server.service.entries import has_more_entries

EMPTY_FILE = b"\x62\x00"


@given(
    args=st.lists(st.text(max_size=300), max_size=20),
    env=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=20),
    files=st.integers(0, 20),
    timeout=st.floats(0.1, 100),
)
def test_the_count_is_that_of_the_encoded_message(args, env, files, timeout):
    message = pb.ExecuteRequest(
        language="c",
        args=args,
        env=env,
        files=[pb.File(path="a", text="b" * 200)] * files,
        timeout_seconds=timeout,
        memory_limit_mb=300,
    )
    count = 3 + len(args) + len(env) + files
    data = message.SerializeToString()
    assert has_more_entries(data, count - 1)
    assert not has_more_entries(data, count)


def test_the_count_ends_where_the_bound_is_passed():
    crowd = EMPTY_FILE * 10 + b"\xff" * 20  # what follows the bound is not looked at
    assert has_more_entries(crowd, 9)


@pytest.mark.parametrize(
    "broken", [b"\x62", b"\x62\xff", b"\xff" * 20, b"\x08", b"\x62\x05a"], ids=bytes.hex
)
def test_what_is_no_message_has_no_crowd(broken):
    assert not has_more_entries(broken, 1)


def test_groups_are_counted_with_what_is_in_them():
    assert has_more_entries(b"\x63" * 50 + b"\x64" * 50, 99)


@given(st.binary(max_size=200))
def test_any_bytes_are_counted_without_failing(data):
    assert has_more_entries(data, 10_000) is False
