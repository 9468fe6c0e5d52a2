"""The README's commands on a cluster, and the output that it promises of them."""

import shutil
from collections.abc import Iterator

import pytest

from tests.controlplane.applied import run
from tests.controlplane.installed import Volray
from tests.controlplane.waiting import wait
from tests.pages import README, ROOT, commands, output

DELETE = "volray inject -f examples/job.yaml | kubectl delete --ignore-not-found --cascade=foreground -f -"
LIST = "kubectl get pods,services -l ray.volcano.sh/node-type -o name"


@pytest.fixture
def beside_examples(volray: Volray) -> Iterator[Volray]:
    """volray, whose lines run beside the folders `manifests` and `examples`; afterwards the example is gone."""
    folder = volray.manifests.parent / "examples"
    shutil.copytree(ROOT / "examples", folder)
    yield volray
    run(volray, DELETE)
    wait(lambda: run(volray, LIST) == "", "nothing is left of the example")
    shutil.rmtree(folder)


def test_the_manifests_are_applied_by_the_line_of_the_readme(volray: Volray) -> None:
    """What builds and pushes an image needs a registry, and the image's name is of no effect without nodes."""
    _, line, _ = commands(README, "Install")
    _, _, apply = line.rpartition(" && ")
    printed = run(volray, apply).splitlines()
    assert {text.partition(" ")[2] for text in printed} == {"serverside-applied"}


def test_the_line_that_waits_knows_both_deployments(volray: Volray) -> None:
    *_, line = commands(README, "Install")
    printed = run(volray, f"{line} --watch=false").splitlines()
    promised = [text.split('"')[1] for text in output(README, "Install")]
    assert [text.split('"')[1] for text in printed] == promised


def test_the_example_becomes_a_ray_cluster(beside_examples: Volray) -> None:
    apply, look = commands(README, "Try it")
    created, *wanted = output(README, "Try it")
    assert run(beside_examples, apply).splitlines() == [created]
    wait(lambda: sorted(run(beside_examples, look).splitlines()) == wanted, "pods and Service are there")


def test_volray_inject_needs_no_installation(beside_examples: Volray) -> None:
    *_, line = commands(README, "Without installing anything")
    promised = output(README, "Without installing anything")
    with beside_examples.unregistered():
        done = beside_examples.plane.shell(line, beside_examples.manifests.parent)
    assert done.returncode == 0
    assert [*done.stderr.splitlines(), *done.stdout.splitlines()] == promised
