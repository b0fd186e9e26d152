"""Settings: flags over environment over file over defaults, each checked, each with its origin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from executor_server import agent, settings
from executor_server.cli import _parser
from executor_server.settings import Settings, SettingsError
from tests.unit.values import a_command


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(settings.variable(name), raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text('places = 1\nhost = "127.0.0.3"\nqueue_limit = 7\n')
    return path


def test_the_nearer_source_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_EXECUTOR_PLACES", "2")
    monkeypatch.setenv("CODE_EXECUTOR_HOST", "127.0.0.2")
    values, origins = settings.load({"places": "3"}, file)
    found = {name: (getattr(values, name), origins[name]) for name in ("places", "host")}
    assert found == {"places": (3, "flag"), "host": ("127.0.0.2", "environment")}
    assert (values.queue_limit, origins["queue_limit"]) == (7, "file")
    assert (values.grpc_port, origins["grpc_port"]) == (50051, "default")


def test_the_engine_has_the_names_that_everybody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2376")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certs")
    values, origins = settings.load({}, None)
    assert (values.docker_host, origins["docker_host"]) == ("tcp://10.0.0.1:2376", "environment")
    assert values.docker_cert_path == "/certs"
    assert settings.load({"docker_host": "unix:///x"}, None)[0].docker_host == "unix:///x"


def test_an_empty_docker_host_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "")
    assert settings.load({}, None)[0].docker_host == "unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "ftp"),
        ("grpc_port", "65536"),
        ("grpc_port", "-1"),
        ("v", "4"),
        ("places", "many"),
        ("timeout_seconds_max", "nan"),
        ("timeout_seconds_max", "inf"),
        ("timeout_seconds_default", "0"),
        ("memory_limit_mb_min", "15"),
        ("path_bytes_max", "256"),
        ("args_max", "2049"),
        ("env_max", "513"),
        ("args_env_bytes_max", "1000000"),
        ("queue_seconds", "-1"),
    ],
)
def test_what_cannot_be_is_named_with_its_origin(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load({name: value}, None)
    message = str(caught.value)
    assert message.startswith(f"{name} (from flag): ")
    assert f"{value!r}" in message


def test_every_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_EXECUTOR_PLACES", "x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    with pytest.raises(SettingsError) as caught:
        settings.load({"v": "9"}, None)
    first, second = sorted(str(caught.value).splitlines())
    assert first.startswith("places (from environment)")
    assert second.startswith("v (from flag)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("placse = 1", "unknown settings: placse"),
        ("places = ", "cannot be read as TOML"),
        ("places = 'x'", "places (from file)"),
    ],
)
def test_a_file_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(words)):
        settings.load({}, path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        settings.load({}, tmp_path / "nowhere")


def test_every_setting_is_a_flag_with_one_dash_and_two() -> None:
    options = {option for action in _parser()._actions for option in action.option_strings}
    for name in Settings.model_fields:
        flag = name.replace("_", "-")
        assert {f"-{flag}", f"--{flag}"} <= options
    parsed = _parser().parse_args(["-grpc-port=1", "--http-port", "2", "-v=3"])
    assert (parsed.grpc_port, parsed.http_port, parsed.v) == ("1", "2", "3")


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_defaults_are_those_of_the_contract() -> None:
    values = settings.load({}, None)[0]
    assert (values.timeout_seconds_default, values.timeout_seconds_max) == (30, 120)
    assert (values.memory_limit_mb_default, values.memory_limit_mb_max) == (128, 1024)
    assert (values.cpu_limit_default, values.cpu_limit_max) == (0.5, 1.0)
    assert (values.output_limit_bytes_default, values.output_limit_bytes_max) == (2**20, 2**24)
    assert (values.code_bytes_max, values.input_bytes_max) == (2**20, 2**23)
    assert (values.files_max, values.files_bytes_max) == (64, 2**23)
    assert (values.path_bytes_max, values.path_depth_max) == (255, 16)
    assert (values.args_max, values.env_max, values.args_env_bytes_max) == (256, 64, 2**15)
    assert (values.request_bytes_max, values.http_body_bytes_max) == (2**24, 2**25)
    assert (values.host, values.grpc_port, values.http_port) == ("127.0.0.1", 50051, 8080)


def test_the_largest_command_that_can_be_allowed_fits_one_frame() -> None:
    limits = {"args_max": "2048", "env_max": "512", "args_env_bytes_max": str(48 * 1024)}
    values = settings.load(limits, None)[0]
    # Each of an argument, a name and a value counts a byte more than it has.
    args = ("",) * values.args_max
    left = values.args_env_bytes_max - values.args_max - 2 * values.env_max
    env = {f"{number:03}": "" for number in range(values.env_max)}
    left -= sum(map(len, env))
    env["000"] = "x" * left
    of_the_language = ("x" * 2000, *("x" * 100,) * 10)
    command = a_command(argv=(*of_the_language, *args), env={**env, "PATH": "x" * 3000})
    size = len(agent.run_frame(agent.NO_ID, command, 0))
    assert size <= 24 + agent.MAX_PAYLOAD


def test_two_servers_on_one_engine_have_two_names() -> None:
    first, second = (settings.load({"grpc_port": port}, None)[0] for port in ("1", "2"))
    assert first.instance_name() == settings.load({"grpc_port": "1"}, None)[0].instance_name()
    assert first.instance_name() != second.instance_name()
    assert settings.load({"instance": "mine"}, None)[0].instance_name() == "mine"
