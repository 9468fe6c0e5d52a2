"""The tables of `docs/`, compared with the code."""

import re
from dataclasses import fields
from typing import get_args

from tests.controlplane.build import NEWEST, OLDEST
from tests.images.rays import RAYS
from tests.pages import OPERATIONS, REFERENCE, sections, table
from webhook import names
from webhook.admission import metrics as of_the_webhook
from webhook.cli.main import main
from webhook.controller import metrics as of_the_controller
from webhook.pods.flags import DEFAULTS, Settings, flag_of, parse
from webhook.pods.own_start import Mode

RECONNECT = "10 or 600"
"""The one default that depends on the Job: None in the settings."""


def default_of(field: str) -> str:
    value = getattr(DEFAULTS, field)
    if isinstance(value, tuple):
        (value,) = value
    if value is None:
        return RECONNECT
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_flag_has_a_row_with_its_default() -> None:
    rows = {flag.strip("`"): row[1].strip("`") for row in table(REFERENCE, "Flags") for flag in row[0].split(", ")}
    assert {flag_of(field.name): default_of(field.name) for field in fields(Settings)}.items() <= rows.items()


def test_every_row_is_a_flag() -> None:
    (mistake,) = parse(["--nothing-like-it"], "here").mistakes
    known = set(re.findall(r"--[a-zA-Z]+", mistake.text.partition("Write")[2]))
    rows = {flag.strip("`") for row in table(REFERENCE, "Flags") for flag in row[0].split(", ")}
    assert rows == known


def test_every_label_and_annotation_is_named() -> None:
    (section,) = (each for each in sections(REFERENCE) if each.heading == "Labels and annotations")
    named = set(re.findall(rf"{names.PREFIX}/[a-z-]+", "\n".join(section.prose)))
    ours = {value for value in vars(names).values() if isinstance(value, str) and value.startswith(f"{names.PREFIX}/")}
    assert named == ours


def test_every_mode_of_a_command_has_a_row() -> None:
    rows = [row[0] for row in table(REFERENCE, "Labels and annotations")]
    modes = [row.strip("`").partition(": ")[2] for row in rows if names.COMMAND in row]
    assert set(modes) == set(get_args(Mode))


def test_every_command_has_a_row() -> None:
    rows = [row[0].strip("`").split() for row in table(REFERENCE, "Commands")]
    assert {words[1] for words in rows} == set(main.commands)


def test_every_metric_has_a_row() -> None:
    registries = [of_the_webhook.Metrics().registry, of_the_controller.Metrics().registry]
    families = [family for registry in registries for family in registry.collect()]
    wanted = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert {row[0].strip("`") for row in table(OPERATIONS, "Metrics")} == wanted


def test_the_versions_are_those_of_the_tests() -> None:
    tested = {row[0]: row[1] for row in table(REFERENCE, "Versions")}
    assert [ray.version for ray in RAYS if ray.version not in tested["Ray"]] == []
    assert NEWEST in tested["Volcano"]
    assert OLDEST in tested["Volcano"]
