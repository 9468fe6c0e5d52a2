"""The tables of `docs/`, compared with the code."""

import re
from typing import get_args

from tests.controlplane.build import NEWEST, OLDEST
from tests.golden.files import Golden
from tests.images.rays import RAYS
from tests.pages import OPERATIONS, REFERENCE, sections, table
from webhook import names
from webhook.admission import metrics as of_the_webhook
from webhook.cli.main import main
from webhook.controller import metrics as of_the_controller
from webhook.pods.flags import DEFAULTS, FLAGS, Flag
from webhook.pods.own_start import Mode


def default_of(flag: Flag) -> str:
    if flag.default_text:
        return flag.default_text
    value = getattr(DEFAULTS, flag.field)
    if isinstance(value, tuple):
        (value,) = value
    if isinstance(value, str):
        return f"`{value}`"
    return str(value).lower()


def test_the_table_of_flags_is_the_registry(golden: Golden) -> None:
    lines = ["| flag | default | meaning |", "| --- | --- | --- |"]
    for flag in FLAGS:
        names_ = ", ".join(f"`--{name}`" for name in (flag.name, *flag.other_names))
        lines.append(f"| {names_} | {default_of(flag)} | {flag.doc} |")
    golden.check_quoted(REFERENCE, "\n".join(lines) + "\n")


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
