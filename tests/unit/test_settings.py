"""Settings: where a value comes from, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor_server import settings
from executor_server.settings import SettingsError


def test_flags_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("places = 1\nqueue_limit = 1\ngrace_seconds = 1\n")
    monkeypatch.setenv("CODE_EXECUTOR_PLACES", "2")
    monkeypatch.setenv("CODE_EXECUTOR_QUEUE_LIMIT", "2")
    values, origins = settings.load({"places": "3"}, file)
    assert (values.places, values.queue_limit, values.grace_seconds) == (3, 2, 1.0)
    names = ("places", "queue_limit", "grace_seconds", "queue_seconds")
    assert [origins[name] for name in names] == ["flag", "environment", "file", "default"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"places": "many"}, "places (from flag): Input should be a valid integer"),
        ({"http_port": "70000"}, "http_port (from flag): Input should be less than or equal"),
        (
            {"timeout_seconds_max": "10"},
            "timeout_seconds_default is 30.0, above timeout_seconds_max",
        ),
        ({"memory_limit_mb_max": "64"}, "memory_limit_mb_default is 128, above"),
        ({"memory_limit_mb_min": "256"}, "memory_limit_mb_default is 128, below"),
        ({"cpu_limit_default": "2"}, "cpu_limit_default is 2.0, above cpu_limit_max, 1.0"),
        ({"output_limit_bytes_max": "10"}, "output_limit_bytes_default is 1048576, above"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(flags: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.load(flags, None)
    assert said in str(refused.value)


def test_an_unknown_name_in_the_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("place = 1\n")
    with pytest.raises(SettingsError, match="unknown settings: place"):
        settings.load({}, file)
