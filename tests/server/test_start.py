"""How the server starts: whose certificate it serves, and what it says when it cannot."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from certs.authority import issue, new_authority
from certs.store import LEAF, LEAF_KEY
from tests import recordings
from tests.server.process import HOSTS, wait_until
from tests.server.test_review import HEAD
from webhook.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.server.process import Process

BODY = recordings.body(HEAD)


def provide(folder: Path) -> None:
    """A pair as cert-manager mounts it: with the CA's certificate, without its key."""
    now = datetime.now(UTC)
    authority = new_authority(now, timedelta(days=2))
    pair = issue(authority, HOSTS, now, timedelta(days=1))
    folder.mkdir(exist_ok=True)
    for name, pem in {"ca.crt": authority.certificate, LEAF: pair.certificate, LEAF_KEY: pair.key}.items():
        (folder / name).write_bytes(pem)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}


def test_a_provided_pair_is_served_and_nothing_is_written_beside_it(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    folder = tmp_path / "mounted"
    provide(folder)
    before = contents(folder)
    process = start(cert_dir=folder)
    process.wait_until_ready()
    assert process.shows(before[LEAF])
    assert process.post(BODY).status == 200
    process.terminate()
    process.kill()
    assert contents(folder) == before


def test_a_provided_pair_is_taken_up_when_it_is_replaced(start: Callable[..., Process], tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    provide(folder)
    process = start(cert_dir=folder)
    process.wait_until_ready()
    provide(folder)
    wait_until(lambda: process.events()[-1].get("served") is True, "the new pair served")
    assert process.shows_its_file()


def test_an_empty_folder_gets_a_ca_and_a_pair_that_only_we_can_read(server: Process) -> None:
    assert server.shows_its_file()
    assert {path.name for path in server.cert_dir.iterdir()} >= {"ca.crt", "ca.key", LEAF, LEAF_KEY}
    assert {path.stat().st_mode & 0o077 for path in server.cert_dir.iterdir()} == {0}


def test_two_servers_on_one_folder_have_one_ca_and_both_verify(start: Callable[..., Process]) -> None:
    processes = [start(), start()]
    for process in processes:
        process.wait_until_ready()
    assert (processes[0].cert_dir / "ca.crt").read_bytes().count(b"BEGIN CERTIFICATE") == 1
    for process in processes:
        wait_until(process.shows_its_file, "the same leaf")
        assert process.post(BODY).status == 200


def test_a_later_server_on_the_folder_changes_nothing(start: Callable[..., Process], server: Process) -> None:
    before = contents(server.cert_dir)
    later = start(cert_dir=server.cert_dir)
    later.wait_until_ready()
    assert later.shown() == server.shown()
    assert contents(server.cert_dir) == before


@dataclass(frozen=True)
class Failure:
    """How a server that cannot start ends."""

    status: int
    errors: str
    log: str


def failure(*options: str, cert_dir: Path, env: dict[str, str] | None = None) -> Failure:
    """In this process: it ends before it serves."""
    usual = ["--port=0", "--side-port=0", "--namespace=volray-system", f"--cert-dir={cert_dir}"]
    arguments = ["serve", *usual, *filter(None, options)]
    result = CliRunner().invoke(main, arguments, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Failure(result.exit_code, result.stderr, result.stdout)


def assert_says_why(failure: Failure, *words: str) -> None:
    assert failure.status == 1
    assert failure.errors.startswith("Error: ")
    assert failure.errors.count("\n") == 1
    assert "Traceback" not in failure.errors + failure.log
    for word in words:
        assert word in failure.errors


def test_a_failure_of_the_process_is_what_the_tests_below_look_at(start: Callable[..., Process]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        assert_says_why(Failure(process.exit_status(), process.errors, process.output), "Cannot listen on")


@pytest.mark.parametrize("option", ["--port", "--side-port"])
def test_a_port_in_use_is_a_sentence_and_status_1(option: str, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        found = failure(option, port, cert_dir=tmp_path / "certs")
    assert_says_why(found, f"Cannot listen on 127.0.0.1 port {port} (Address already in use). ")


def nothing(_: Path) -> None:
    """Leave the folder empty."""


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


def garbage(folder: Path) -> None:
    provide(folder)
    (folder / LEAF).write_bytes(b"garbage")


def mismatched(folder: Path) -> None:
    provide(folder)
    key = (folder / LEAF_KEY).read_bytes()
    provide(folder)
    (folder / LEAF_KEY).write_bytes(key)


FAILURES: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    "no such host": (nothing, "--host=no-such-host.invalid", ["no-such-host.invalid port"]),
    "no such namespace": (nothing, "--namespace=no such/one", ["is neither a DNS name nor an IP address"]),
    "no cluster": (nothing, "--ca-secret=volray-ca", ["neither a service account nor a kubeconfig"]),
    "no folder can be made": (nothing, "--cert-dir=/proc/volray", ["Cannot write to /proc/volray"]),
    "a file for a folder": (a_file, "", ["certs", "Give a directory, not a file"]),
    "a folder for a pair": (lambda folder: (folder / LEAF).mkdir(), "", ["certs", "Is a directory"]),
    "garbage for a pair": (garbage, "", ["tls.crt", "cannot be served"]),
    "a mismatched pair": (mismatched, "", ["cannot be served", "mismatch"]),
}


@pytest.mark.parametrize(("prepare", "option", "words"), FAILURES.values(), ids=FAILURES)
def test_what_keeps_the_server_from_starting_is_a_sentence_and_status_1(
    prepare: Callable[[Path], None], option: str, words: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    prepare(folder)
    before = contents(folder)
    nowhere = {"KUBECONFIG": str(tmp_path / "none"), "KUBERNETES_SERVICE_HOST": ""}
    assert_says_why(failure(option, cert_dir=folder, env=nowhere), *words)
    assert before.items() <= contents(folder).items()


@pytest.mark.parametrize("option", ["--port", "--side-port"])
@pytest.mark.parametrize("value", ["65536", "-1", "https"])
def test_a_port_that_is_none_is_a_usage_error(option: str, value: str, tmp_path: Path) -> None:
    found = failure(option, value, cert_dir=tmp_path)
    assert (found.status, f"Invalid value for '{option}'" in found.errors) == (2, True)
