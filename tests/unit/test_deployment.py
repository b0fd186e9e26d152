"""What operators pick up: the compose file and the manifest agree with the service and are safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from executor_server import __version__, settings
from executor_server.settings import Settings

ROOT = Path(__file__).parents[2]
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, Any]]:
    """The objects of the manifest by kind and name."""
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text()
    return {
        f"{found['kind']}/{found['metadata']['name']}": found for found in yaml.safe_load_all(text)
    }


@pytest.fixture(scope="module")
def pod(manifest: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return dict(manifest["Deployment/code-executor"]["spec"]["template"]["spec"])


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    return dict(only)


def ports_of(container: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def compose_service() -> dict[str, Any]:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return dict(composed["services"]["code-executor"])


def test_the_objects_of_the_manifest(manifest: dict[str, dict[str, Any]]) -> None:
    assert {(name, found["apiVersion"]) for name, found in manifest.items()} == {
        ("Deployment/code-executor", "apps/v1"),
        ("Service/code-executor", "v1"),
        ("Service/code-executor-pods", "v1"),
        ("PodDisruptionBudget/code-executor", "policy/v1"),
    }


def test_every_selector_finds_the_pods(manifest: dict[str, dict[str, Any]]) -> None:
    deployment = manifest["Deployment/code-executor"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    affinity = deployment["template"]["spec"]["affinity"]["podAntiAffinity"]
    (apart,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    selectors = [
        deployment["selector"]["matchLabels"],
        apart["labelSelector"]["matchLabels"],
        manifest["Service/code-executor"]["spec"]["selector"],
        manifest["Service/code-executor-pods"]["spec"]["selector"],
        manifest["PodDisruptionBudget/code-executor"]["spec"]["selector"]["matchLabels"],
    ]
    assert labels
    assert all(selector == labels for selector in selectors)


def test_ports_are_the_ports_of_the_service(
    manifest: dict[str, dict[str, Any]], container: dict[str, Any]
) -> None:
    assert ports_of(container) == {"http": DEFAULTS["http_port"], "grpc": DEFAULTS["grpc_port"]}
    for name in ("code-executor", "code-executor-pods"):
        for port in manifest[f"Service/{name}"]["spec"]["ports"]:
            assert port["port"] == ports_of(container)[port["targetPort"]]
    assert manifest["Service/code-executor-pods"]["spec"]["clusterIP"] == "None"


def test_probes_ask_ports_that_are_there(container: dict[str, Any]) -> None:
    assert container["readinessProbe"]["grpc"]["port"] == DEFAULTS["grpc_port"]
    # not its health: a restart makes no image and starts no engine
    assert set(container["livenessProbe"]) & {"grpc", "httpGet", "exec", "tcpSocket"} == {
        "tcpSocket"
    }
    assert container["livenessProbe"]["tcpSocket"]["port"] in ports_of(container)


def test_every_variable_is_a_setting(container: dict[str, Any], pod: dict[str, Any]) -> None:
    known = {settings.variable(name) for name in Settings.model_fields}
    assert {variable["name"] for variable in container["env"]} <= known
    assert pod["enableServiceLinks"] is False, "its variables have the names of settings"


def test_every_pod_has_a_name_of_its_own(container: dict[str, Any]) -> None:
    (instance,) = (e for e in container["env"] if e["name"] == "CODE_EXECUTOR_INSTANCE")
    assert instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_nobody_is_killed_within_the_grace_time(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    (grace,) = (e["value"] for e in container["env"] if e["name"] == "CODE_EXECUTOR_GRACE_SECONDS")
    _, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > float(grace) + float(pause)
    seconds = compose_service()["stop_grace_period"].removesuffix("s")
    assert float(seconds) > DEFAULTS["grace_seconds"]


def test_the_pod_has_no_rights_but_the_socket(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["supplementalGroups"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    host_paths = [volume["hostPath"] for volume in pod["volumes"] if "hostPath" in volume]
    assert host_paths == [{"path": "/var/run/docker.sock", "type": "Socket"}]


def test_every_mount_has_its_volume(pod: dict[str, Any], container: dict[str, Any]) -> None:
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_image_is_a_fixed_version(container: dict[str, Any]) -> None:
    assert container["image"].rpartition(":")[2] == __version__


def test_compose_publishes_on_loopback() -> None:
    published = compose_service()["ports"]
    assert len(published) == 2
    for port, inside in zip(published, (DEFAULTS["http_port"], DEFAULTS["grpc_port"]), strict=True):
        assert port.startswith("${CODE_EXECUTOR_PUBLISH")
        assert port.endswith(f":-127.0.0.1:{inside}}}:{inside}")


def test_the_locked_part_of_the_image_is_of_the_whole_lock() -> None:
    whole = (ROOT / "requirements.lock").read_text().splitlines()
    part = (ROOT / "deploy" / "requirements.lock").read_text().splitlines()
    pins = [line for line in part if "==" in line]
    assert pins
    assert set(part) <= set(whole)
