"""A flag, a port or a code that is declared and reaches nothing fails here on the day it is written."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest

from tests.pods.examples import PODS, findings_for
from tests.pods.nodes import codes, made, script
from tests.pods.test_flags import GIVEN
from tests.volcano_pods import pod
from webhook import pods
from webhook.k8s import schema
from webhook.pods import head_service
from webhook.pods.flag_parser import read_flags
from webhook.pods.flags import FLAGS, PORT_FLAGS, Flag, RayPort, Settings
from webhook.pods.inject import inject
from webhook.reasons import REASONS, Code, Level

# Flags

OTHER_VALUES: Final = {name: text for name, text, _, _ in GIVEN}
TEMPLATES: Final[list[dict[str, Any]]] = [
    {"command": ["python"]},
    {"task": "worker"},
    {"task": "master", "name": "head"},
    {"task": "gpu", "name": "worker"},
    {"name": "main"},
    {"task": "worker", "name": "main"},
]


def test_every_flag_has_a_field_of_settings_and_every_field_a_flag() -> None:
    assert sorted(flag.field for flag in FLAGS) == sorted(field.name for field in fields(Settings))
    names = [name for flag in FLAGS for name in (flag.name, *flag.other_names)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_changes_what_some_pod_becomes(flag: Flag) -> None:
    text = f"--{flag.name}={OTHER_VALUES[flag.name]}"
    assert set(read_flags(text).given) == {flag.field}
    changed = 0
    for template in TEMPLATES:
        without, injection = inject(pod(**template), "team"), inject(pod(**template, flags=text), "team")
        changed += (without.operations, without.role) != (injection.operations, injection.role)
    assert changed


@pytest.mark.parametrize(("flag", "port"), PORT_FLAGS, ids=lambda one: one.name)
def test_every_port_reaches_ray_start_its_container_and_the_service(flag: Flag, port: RayPort) -> None:
    text = f"--{flag.name}=4321"
    for role in ("head", "worker"):
        listens = role in port.roles
        assert (f"  {port.option}=4321 \\\n" in script(role, flags=text)) is listens
        declared = {"name": port.name, "containerPort": 4321, "protocol": "TCP"}
        assert (declared in made(role, flags=text)["ports"]) is listens
    service = head_service.head_service("demo", "team", "head", read_flags(text).settings)
    reached = [one["name"] for one in service["spec"]["ports"] if one["port"] == 4321]
    assert reached == ([port.name] if port.in_service else [])


# Codes


def test_every_code_that_the_pods_room_knows_has_a_pod() -> None:
    files = [*Path(pods.__file__).parent.glob("*.py"), Path(schema.__file__)]
    # What is wrong with a Service's name is a Job's mistake.
    sources = [path.read_text(encoding="utf-8") for path in files if path.name != "head_service.py"]
    assert {Code[name] for source in sources for name in re.findall(r"\bCode\.([A-Z_0-9]+)", source)} == set(PODS)


@pytest.mark.parametrize("code", list(PODS))
def test_every_code_is_given_for_its_pod_and_only_a_node_is_changed(code: Code) -> None:
    found = findings_for(code)
    if REASONS[code].level is Level.REFUSED:
        assert codes(found) == [code]
    elif REASONS[code].level is Level.WARNING:
        assert code in codes(found)
    else:
        assert codes(found) == [code]
        changed = bool(inject(PODS[code], "team").operations)
        assert changed is (REASONS[code].level is Level.DONE)
