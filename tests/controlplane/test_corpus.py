"""The Jobs of tests/corpus at a real apiserver: each is let in or refused, with the words of its outcome."""

import json

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.corpus import outcome

UNKNOWN_KINDS = {"hyper-job": "Volcano 1.14 has no HyperJob"}

NAMES = [name for name in outcome.case_names() if name not in UNKNOWN_KINDS]


@pytest.mark.parametrize("name", NAMES)
def test_the_apiserver_answers_as_the_outcome_says(plane: ControlPlane, name: str) -> None:
    """In the namespace of the corpus, as sentences name it, and without keeping anything."""
    for expected in outcome.applied(name):
        manifest = json.dumps(expected.document)
        done = plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=manifest)
        warnings = [line.removeprefix("Warning: ") for line in done.stderr.splitlines() if line.startswith("Warning: ")]
        assert warnings == expected.warnings
        if expected.stored is None:
            assert done.returncode == 1
            assert expected.refusal in done.stderr
        else:
            assert done.returncode == 0, done.stderr
