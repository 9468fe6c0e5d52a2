"""A running server: connections, TLS, both ports."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certs.authority import hosts_of, not_after
from certs.store import LEAF
from tests import recordings
from tests.server.process import PATIENCE
from tests.server.test_review import HEAD, asking, padded
from tests.volcano_pods import pod
from webhook.admission.review import BODY_LIMIT
from webhook.admission.server import KEEP_ALIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server.process import Connection, Process

BODY = recordings.body(HEAD)

UVICORNS_KEEP_ALIVE = 5
"""Seconds after which it closes an idle connection, unless told otherwise."""


@pytest.fixture(scope="module", autouse=True)
def idle(shared: Process) -> Iterator[tuple[Connection, float]]:
    """A connection that is left alone while the tests of this module run, and since when."""
    with closing(shared.connect()) as connection:
        assert connection.send(BODY).status == 200
        yield connection, time.monotonic()


def test_a_connection_takes_one_request_after_another_also_after_bad_ones(server: Process) -> None:
    with closing(server.connect()) as connection:
        for body, status in [(BODY, 200), (b"{", 400), (padded(BODY_LIMIT + 1), 413), (BODY, 200)]:
            answer = connection.send(body)
            assert answer.status == status
            assert not answer.closes


def test_a_body_in_chunks_is_the_same_body(server: Process) -> None:
    def chunks() -> Iterator[bytes]:
        for start in range(0, len(BODY), 1000):
            yield BODY[start : start + 1000]

    with closing(server.connect()) as connection:
        chunked = connection.send(chunks())
        assert chunked == connection.send(BODY)


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)])
def test_a_body_in_chunks_has_the_same_limit(size: int, status: int, server: Process) -> None:
    half = size // 2
    whole = padded(size)
    assert server.post(iter([whole[:half], whole[half:]])).status == status


def test_tls_1_2_is_refused(server: Process) -> None:
    context = server.trust
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        server.connect(context)
    assert server.post(BODY).status == 200


def test_a_client_that_trusts_another_ca_refuses_the_server(server: Process) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        server.connect(ssl.create_default_context())
    assert server.post(BODY).status == 200


def test_the_certificate_is_for_the_service_and_the_host_that_is_listened_on(server: Process) -> None:
    assert hosts_of(server.shown().encode()) == {
        "volray-webhook.volray-system.svc",
        "volray-webhook.volray-system",
        "127.0.0.1",
    }


def test_the_certificates_end_in_the_metrics_is_that_of_the_one_served(server: Process) -> None:
    end = not_after(server.shown().encode())
    assert server.sample("volray_certificate_not_after_seconds") == end.timestamp()
    assert end == not_after((server.cert_dir / LEAF).read_bytes())


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_the_port_of_the_apiserver_has_no_other_business(path: str, server: Process) -> None:
    with closing(server.connect()) as connection:
        assert connection.send(None, method="GET", path=path).status == 404


def test_a_review_is_one_line_of_the_log(server: Process) -> None:
    server.post(json.dumps(asking(pod(), uid="the-uid")).encode())
    (line,) = [event for event in server.events() if event.get("uid") == "the-uid"]
    assert line["reason"] == "injected"
    assert all(line.startswith("{") for line in server.output.splitlines())


def test_nothing_goes_to_standard_error_for_requests_good_and_bad(server: Process) -> None:
    before = server.errors
    for body in (BODY, b"{", b"[" * 100_000, json.dumps(asking(pod(flags="--port=x"))).encode()):
        server.post(body)
    assert server.errors == before


START = b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

NOT_HTTP = {
    "noise": bytes(range(256)) * 4,
    "half a line": b"POST /mu\r\n\r\n",
    "another version": b"POST /mutate HTTP/9.9\r\n\r\n",
    "a length below zero": START + b"Content-Length: -1\r\n\r\n{}",
    "a length that is none": START + b"Content-Length: many\r\n\r\n{}",
    "two lengths": START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length and chunks": START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "a chunk that is none": START + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n",
    "a header without a name": START + b": a\r\n\r\n",
    "an upgrade": START + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}",
    "a body cut off": START + b"Content-Length: 100\r\n\r\n{",
    "nothing": b"",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_no_http_is_4xx_or_a_closed_connection(sent: bytes, server: Process) -> None:
    answer = server.exchange(sent)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer) or answer == b""
    assert b"Traceback" not in answer + server.errors.encode()
    assert server.post(BODY).status == 200


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)), b""], ids=["http", "noise", "nothing"])
def test_what_is_no_tls_is_a_closed_connection(sent: bytes, server: Process) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), PATIENCE)) as plain:
        plain.sendall(sent)
        plain.shutdown(socket.SHUT_WR)
        assert b"HTTP" not in plain.recv(1000)
    assert server.post(BODY).status == 200


def test_an_ipv6_cluster_is_seen_in_the_environment(start: Callable[..., Process]) -> None:
    process = start(env={"KUBERNETES_SERVICE_HOST": "fd00::1"})
    process.wait_until_ready()
    response = json.loads(process.post(BODY).body)["response"]
    assert response["allowed"] is False
    assert "This cluster gives pods IPv6 addresses first" in response["status"]["message"]


def test_a_log_that_cannot_be_written_turns_no_pod_away(start: Callable[..., Process]) -> None:
    process = start(full_disk=True)
    process.wait_until_ready()
    for _ in range(30):
        assert process.post(BODY).status == 200


def test_a_connection_that_was_idle_is_still_usable(idle: tuple[Connection, float]) -> None:
    connection, since = idle
    time.sleep(max(0.0, since + UVICORNS_KEEP_ALIVE + 0.5 - time.monotonic()))
    assert connection.send(BODY).status == 200
    assert KEEP_ALIVE > 90, "longer than an apiserver keeps one"
