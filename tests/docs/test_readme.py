"""The README's Job, and what it says of the pods and of the commands."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.pages import README, REFERENCE, ROOT, commands, manifest, output, table
from webhook.cli.main import main
from webhook.version import __version__

Object = dict[str, Any]

BEFORE_AND_AFTER = "A Job before, and its pods after"
_CODE = re.compile(r"`([^`]+)`")


def inject(job: Path, *options: str) -> Result:
    result = CliRunner().invoke(main, ["inject", "-f", str(job), *options])
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(manifest(README, BEFORE_AND_AFTER))
    return path


@pytest.fixture
def containers(job: Path) -> dict[str, Object]:
    """Ray's containers in the pods of the README's Job, by task."""
    pods = [each for each in yaml.safe_load_all(inject(job, "--pods").stdout) if each["kind"] == "Pod"]
    return {
        pod["metadata"]["labels"]["volcano.sh/task-spec"]: pod["spec"]["containers"][0] | {"volumes": volumes(pod)}
        for pod in pods
    }


def volumes(pod: Object) -> dict[str, Object]:
    return {volume["name"]: volume for volume in pod["spec"]["volumes"]}


@pytest.fixture(params=["head", "worker"])
def column(request: pytest.FixtureRequest, containers: dict[str, Object]) -> tuple[dict[str, str], Object]:
    """What the table says of a role, by row, and the role's container."""
    index = 1 if request.param == "head" else 2
    said = {row[0].strip("`"): row[index] for row in table(README, BEFORE_AND_AFTER)}
    return said, containers[request.param]


def test_the_job_is_accepted_without_a_warning(job: Path) -> None:
    report = inject(job).stderr.splitlines()
    assert [line for line in report if not line.startswith("√")] == []


def test_the_options_of_ray_start_are_those_in_the_table(column: tuple[dict[str, str], Object]) -> None:
    said, container = column
    start = next(code for code in _CODE.findall(said["runs"]) if code.startswith("ray start"))
    script = " ".join(container["command"][2].replace("\\\n", " ").split())
    for word in start.replace("…", " ").split():
        assert word in script


def test_the_program_of_the_head_is_the_one_in_the_table(containers: dict[str, Object]) -> None:
    (runs, *_) = table(README, BEFORE_AND_AFTER)
    assert " ".join(containers["head"]["args"]) in _CODE.findall(runs[1])
    assert "args" not in containers["worker"]


def test_the_ports_are_those_in_the_table(column: tuple[dict[str, str], Object]) -> None:
    said, container = column
    wanted = {name: int(number) for name, number in re.findall(r"`([\w-]+)` (\d+)", said["ports"])}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == wanted


def test_the_address_is_the_one_in_the_table(column: tuple[dict[str, str], Object]) -> None:
    said, container = column
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert variables["RAY_ADDRESS"] == said["RAY_ADDRESS"].strip("`")


def test_shared_memory_is_as_large_as_in_the_table(containers: dict[str, Object]) -> None:
    rows = {row[0].strip("`"): row[1:] for row in table(README, BEFORE_AND_AFTER)}
    said_of_the_head, said_of_workers = rows["/dev/shm"]  # noqa: S108 - the mount, no file
    assert said_of_workers == "the same"
    for container in containers.values():
        (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == "/dev/shm")  # noqa: S108
        source = container["volumes"][mount["name"]]["emptyDir"]
        assert said_of_the_head == f"in memory, up to {source['sizeLimit']}"
        assert source["medium"] == "Memory"


def test_the_report_of_volray_inject_is_the_one_that_is_printed() -> None:
    _, line = commands(README, "Without installing anything")
    example = re.search(r"-f (\S+)", line)
    assert example
    report = inject(ROOT / example[1]).stderr.splitlines()
    assert [text for text in output(README, "Without installing anything") if text.startswith("√")] == report


def test_the_image_has_the_version_of_the_program() -> None:
    build, change, *_ = commands(README, "Install")
    assert f"volray:{__version__} " in build
    assert f"volray:{__version__})" in change


def test_the_flags_are_rows_of_the_reference() -> None:
    reference = {flag: row[1] for row in table(REFERENCE, "Flags") for flag in row[0].split(", ")}
    for flag, default, _ in table(README, "The flags most used"):
        assert reference[flag] == default
