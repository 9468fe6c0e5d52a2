"""The client over HTTP: tokens, refusals, lost answers, and what a watch's connection may do to it."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from certs.errors import ClusterError
from tests.apiserver.front import client, kubeconfig, over_http, package_client
from tests.apiserver.memory import Apiserver
from webhook.errors import VolrayError
from webhook.k8s.client import ApiError, Client
from webhook.k8s.paths import JOBS, SERVICES, as_us, namespaced, query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from webhook.names import Object

CA_PATH = "/api/v1/namespaces/volray-system/secrets/volray-ca"
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
    apiserver = Apiserver()
    apiserver.fail(403, "create", message="exceeded quota: q")
    with over_http(apiserver) as front, pytest.raises(ApiError) as caught:
        client(front.url).post(namespaced(SERVICES, "default"), {"metadata": {"name": "a"}})
    assert (caught.value.status, caught.value.message) == (403, "exceeded quota: q")


def test_paths() -> None:
    assert namespaced(JOBS, "ns") == "/apis/batch.volcano.sh/v1alpha1/namespaces/ns/jobs"
    assert as_us(namespaced(SERVICES, "ns", "a")) == "/api/v1/namespaces/ns/services/a?fieldManager=volray"
    assert query("/x", {"a": "b c", "d": None}) == "/x?a=b+c"


def holding_a_secret() -> Apiserver:
    apiserver = Apiserver()
    apiserver.place_at(CA_PATH, {})
    return apiserver


def use_kubeconfig(url: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / "config"
    path.write_text(kubeconfig(url, "from-file"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


class TestClient:
    def test_the_token_goes_with_every_request(self) -> None:
        with over_http(holding_a_secret()) as front:
            cluster = Client(package_client(front.url, {"BearerToken": "Bearer tok"}))
            secret = cluster.get(CA_PATH)
            cluster.put(CA_PATH, {**secret, "type": "Opaque"})
            assert cluster.get(CA_PATH)["type"] == "Opaque"
        assert [headers["authorization"] for headers in front.headers] == ["Bearer tok"] * 3

    def test_the_token_is_read_anew_for_each_request(self) -> None:
        package = package_client("", {"BearerToken": "Bearer tok"})
        tokens = iter(["first", "second"])
        package.configuration.refresh_api_key_hook = lambda configuration: configuration.api_key.update(
            BearerToken=f"Bearer {next(tokens)}"
        )
        with over_http(holding_a_secret()) as front:
            package.configuration.host = front.url
            for _ in range(2):
                Client(package).get(CA_PATH)
        assert [headers["authorization"] for headers in front.headers] == ["Bearer first", "Bearer second"]

    def test_a_refusal_carries_its_status_and_the_apiservers_words(self) -> None:
        with over_http(Apiserver()) as front, pytest.raises(ApiError, match=r"404 .not found") as caught:
            Client(package_client(front.url)).get(f"{CA_PATH}?a=b")
        assert caught.value.status == 404
        assert isinstance(caught.value, VolrayError)
        assert isinstance(caught.value, ClusterError)

    def test_an_answer_that_is_no_object_is_refused(self) -> None:
        api = Apiserver()
        api.get = lambda _: ["no", "object"]  # type: ignore[method-assign,assignment,return-value]
        with over_http(api) as front, pytest.raises(ApiError, match="no Kubernetes object"):
            Client(package_client(front.url)).get("/x")

    def test_a_malformed_token_is_in_no_message(self) -> None:
        with over_http(Apiserver()) as front, pytest.raises(ApiError) as caught:
            Client(package_client(front.url, {"BearerToken": "Bearer hid\nden"})).get(CA_PATH)
        assert "hid" not in str(caught.value)
        assert caught.value.__suppress_context__

    def test_a_server_that_does_not_answer_is_given_up_in_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(ApiError, match=r"did not answer GET .*timed out") as caught:
                Client(package_client(url), timeout=0.1).get(CA_PATH)
        assert caught.value.status is None

    def test_a_request_that_fails_is_not_sent_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        connections = 0
        with socket.create_server(("127.0.0.1", 0)) as hanging_up:

            def hang_up() -> None:
                nonlocal connections
                with suppress(OSError):
                    while True:
                        connection, _ = hanging_up.accept()
                        connection.close()
                        connections += 1

            thread = Thread(target=hang_up)
            thread.start()
            use_kubeconfig(f"http://127.0.0.1:{hanging_up.getsockname()[1]}", tmp_path, monkeypatch)
            with pytest.raises(ApiError, match="did not answer"):
                Client.from_environment().get(CA_PATH)
            hanging_up.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)
        assert connections == 1

    def test_outside_a_cluster_the_kubeconfig_decides(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with over_http(holding_a_secret()) as front:
            use_kubeconfig(front.url, tmp_path, monkeypatch)
            assert Client.from_environment().get(CA_PATH)["metadata"]["name"] == "volray-ca"
        assert front.headers[0]["authorization"] == "Bearer from-file"

    def test_without_cluster_and_kubeconfig_there_is_a_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_kubeconfig("http://127.0.0.1:1", tmp_path, monkeypatch)
        (tmp_path / "config").unlink()
        with pytest.raises(ApiError, match="neither a service account nor a kubeconfig"):
            Client.from_environment()
