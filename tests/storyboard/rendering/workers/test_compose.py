"""The Compose file, without Docker: its commands are those that the shell has, and what they need is there."""

import ipaddress
import re
import shlex
import tomllib
from typing import Any

import pytest
import yaml

import app
from storyboard.interfaces import cli
from storyboard.rendering.workers.access import FILE, VARIABLE, checked, parse_address
from storyboard.rendering.workers.nodes import STORE_BYTES
from storyboard.rendering.workers.starting import Wanted
from tests.paths import ROOT

PATH = ROOT / "docs" / "compose.workers.yaml"
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
SERVICE = {"build", "shm_size", "environment", "restart", "command", "ports", "volumes", "networks", "depends_on"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """With its anchors resolved."""
    read: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return read


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def steps(service: dict[str, Any], what: str) -> list[str]:
    """The arguments of every such step of its Dockerfile."""
    lines = service["build"]["dockerfile_inline"].splitlines()
    return [line.removeprefix(what).strip() for line in lines if line.startswith(f"{what} ")]


def words(service: dict[str, Any]) -> list[str]:
    """A command without the interpreter."""
    python, *rest = shlex.split(service["command"])
    assert python == "python"
    return rest


def test_it_has_what_compose_knows_and_names_only_what_it_declares(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert compose.keys() == {"name", "x-throughline", "services", "networks", "volumes"}
    assert set(services) == {"app", "worker-1", "worker-2"} and services["worker-1"] == services["worker-2"]
    for service in services.values():
        assert service.keys() <= SERVICE and {"build", "command", "networks"} <= service.keys()
        assert set(service["networks"]) <= compose["networks"].keys()
        assert set(service.get("depends_on", ())) <= services.keys()
        assert {one.partition(":")[0] for one in service.get("volumes", ())} <= compose["volumes"].keys()


def test_the_app_makes_nothing_itself_and_listens_where_the_workers_join(
    services: dict[str, dict[str, Any]], compose: dict[str, Any]
) -> None:
    script, *options = words(services["app"])
    wanted = Wanted.of(app.parse(options))
    assert script == "app.py" and wanted is not None and wanted.workers == 0
    module, *options = words(services["worker-1"])[1:]
    assert words(services["worker-1"])[0] == "-m" and module == "storyboard"
    joined = cli.parser().parse_args(options)
    assert joined.command == "worker" and parse_address(joined.join) == (wanted.listen, wanted.port)
    network = ipaddress.ip_network(compose["networks"]["workers"]["ipam"]["config"][0]["subnet"])
    assert services["app"]["networks"]["workers"]["ipv4_address"] == wanted.listen
    assert ipaddress.ip_address(wanted.listen) in network and network.is_private


def test_all_have_the_token_and_only_the_page_is_published_to_this_machine(
    services: dict[str, dict[str, Any]],
) -> None:
    for service in services.values():
        given = service["environment"][VARIABLE]
        assert re.fullmatch(rf"\$\{{{VARIABLE}:\?.+\}}", given), "without one nothing is to start"
    assert services["app"]["ports"] == ["127.0.0.1:7860:7860"] and "ports" not in services["worker-1"]
    (command,) = re.findall(rf'export {VARIABLE}=\$\(python3 -c "(.+)"\)', PATH.read_text())
    made: list[str] = []
    exec(command, {"print": made.append})
    assert checked(made[0], FILE) == made[0]


def test_the_image_has_the_program_and_what_it_needs(services: dict[str, dict[str, Any]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for service in services.values():
        context = (PATH.parent / service["build"]["context"]).resolve()
        assert context == ROOT
        copied = [name for line in steps(service, "COPY") for name in line.split()[:-1]]
        assert all((context / name).exists() for name in copied)
        assert {"app.py", "pipeline", "storyboard", "assets", "requirements-workers.txt"} <= set(copied)
        (installed,) = (line for line in steps(service, "RUN") if line.startswith("pip install"))
        assert set(re.findall(r"-[rc] (\S+)", installed)) <= set(copied)
        (image,) = steps(service, "FROM")
        version = image.removeprefix("python:").partition("-")[0]
        assert f">={version}" in project["requires-python"].replace(" ", "")
        assert f"mkdir {service_home(service)}" in " ".join(steps(service, "RUN"))
        number, unit = re.fullmatch(r"(\d+)([kmg])", service["shm_size"]).groups()  # type: ignore[union-attr]
        assert int(number) * UNITS[unit] >= STORE_BYTES


def service_home(service: dict[str, Any]) -> str:
    (home,) = (line.partition("=")[2] for line in steps(service, "ENV") if line.startswith("THROUGHLINE_HOME="))
    assert all(one.endswith(f":{home}") for one in service.get("volumes", ()))
    return home
