"""The client over HTTP: what a watch's connection may do to it, and the command line around the controller."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from certs.secret_store import ApiError
from tests.apiserver.memory import Peer, client, over_http
from tests.controller.objects import job
from webhook.controller.lease import LEASES
from webhook.k8s.client import JOBS, SERVICES, as_us, namespaced, query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.names import Object

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def answered(*pieces: bytes) -> Iterator[Object]:
    """What a client makes of a server that sends this and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)

        thread = Thread(target=serve)
        thread.start()
        try:
            with client(f"http://127.0.0.1:{server.getsockname()[1]}").stream("/x?watch=true", 5) as events:
                yield from events
        finally:
            thread.join()


def test_lines_come_whole_however_they_are_cut() -> None:
    pieces = [chunk(b'{"a"'), chunk(b':1}\n{"b":2'), chunk(b"}\n\n"), b"0\r\n\r\n"]
    assert list(answered(HEAD, *pieces)) == [{"a": 1}, {"b": 2}]


def test_a_line_that_was_cut_off_is_not_used() -> None:
    found = answered(HEAD, chunk(b'{"a":1}\n{"b":2}'))
    assert next(found) == {"a": 1}
    with pytest.raises(ApiError, match="lost") as caught:
        next(found)
    assert caught.value.status is None


@pytest.mark.parametrize("pieces", [[b""], [b"garbage\r\n\r\n"], [HEAD, chunk(b"<html>\n")]])
def test_what_is_no_watch_is_a_lost_one(pieces: list[bytes]) -> None:
    with pytest.raises(ApiError, match="lost"):
        list(answered(*pieces))


def test_a_refusal_carries_the_apiserver_s_words() -> None:
    peer = Peer()
    peer.fail(403, "create", message="exceeded quota: q")
    with over_http(peer) as url, pytest.raises(ApiError) as caught:
        client(url).post(namespaced(SERVICES, "default"), {"metadata": {"name": "a"}})
    assert (caught.value.status, caught.value.message) == (403, "exceeded quota: q")


def test_paths() -> None:
    assert namespaced(JOBS, "ns") == "/apis/batch.volcano.sh/v1alpha1/namespaces/ns/jobs"
    assert as_us(namespaced(SERVICES, "ns", "a")) == "/api/v1/namespaces/ns/services/a?fieldManager=volray"
    assert query("/x", {"a": "b c", "d": None}) == "/x?a=b+c"


def test_the_command_acts_gives_the_lease_back_and_exits_0(tmp_path: Path) -> None:
    peer = Peer()
    peer.put(JOBS, job())
    with over_http(peer) as url:
        process = start(url, tmp_path)
        try:
            peer.wait_for(lambda: peer.find(SERVICES, "demo-head-svc") is not None, "the Service")
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, output
    lease = peer.find(LEASES, "volray-controller", "here")
    assert lease is not None
    assert "holderIdentity" not in lease["spec"]
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert sorted(events) == ["controller", "leading", "service", "stopped", "stopping"]
    assert (events[:2], events[-1]) == (["controller", "leading"], "stopped")


def test_the_command_that_loses_its_lease_exits_1_with_a_sentence(tmp_path: Path) -> None:
    peer = Peer()
    with over_http(peer) as url:
        process = start(url, tmp_path)
        try:
            peer.wait_for(lambda: peer.find(LEASES, "volray-controller", "here") is not None, "the Lease")
            lease = peer.find(LEASES, "volray-controller", "here")
            assert lease is not None
            peer.put(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "another"}})
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Error: Another controller has taken the lease." in output


def start(url: str, folder: Path) -> subprocess.Popen[str]:
    config = folder / "config"
    config.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    volray = Path(sys.executable).with_name("volray")
    env = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    return subprocess.Popen(
        [volray, "controller", "--side-port", "0", "--namespace", "here"],
        env={**env, "KUBECONFIG": str(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
