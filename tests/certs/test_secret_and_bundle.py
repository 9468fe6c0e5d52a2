from __future__ import annotations

import base64
import json
import socket
from contextlib import suppress
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiClient, Configuration

from certs.authority import new_authority, split_bundle
from certs.renewal import Renewal
from certs.secret_store import ApiError, Cluster, SecretStore, publish_bundle, publish_bundles
from tests.certs.apiserver import CA_PATH, CONFIGURATION_PATH, Apiserver, over_http
from tests.certs.trusting import DAY, HOST, NOW, MemoryStore, trusts
from webhook.errors import CertificateError, ClusterError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "batch.ray.volcano.sh"
BUNDLE = new_authority(NOW, DAY).certificate
ENCODED = base64.b64encode(BUNDLE).decode()


def _store(api: Any) -> SecretStore:
    return SecretStore(api, "volray-system", "volray-ca")


def _webhook(name: str, bundle: str | None) -> dict[str, Any]:
    trust = {} if bundle is None else {"caBundle": bundle}
    return {"name": name, "clientConfig": {"service": {"name": "volray-webhook"}, **trust}}


def _configuration(*bundles: str | None, annotation: str | None = None) -> Apiserver:
    webhooks = [_webhook(f"{number}.volray", bundle) for number, bundle in enumerate(bundles)]
    annotations = {"annotations": {annotation: "x"}} if annotation else {}
    return Apiserver({CONFIGURATION_PATH: {"metadata": annotations, "webhooks": webhooks}})


def _client(url: str, authorization: str = "Bearer tok") -> ApiClient:
    configuration = Configuration(host=url, api_key={"BearerToken": authorization})
    configuration.retries = False
    return ApiClient(configuration)


class TestSecretStore:
    def test_an_empty_secret_has_no_files(self) -> None:
        assert _store(Apiserver({CA_PATH: {}})).read() == {}

    def test_what_is_written_is_read_and_the_rest_of_the_secret_stays(self) -> None:
        api = Apiserver({CA_PATH: {"metadata": {"labels": {"a": "b"}}, "type": "Opaque", "data": None}})
        assert _store(api).update(lambda _: {"ca.crt": b"\x00bundle"}) == {"ca.crt": b"\x00bundle"}
        assert _store(api).read() == {"ca.crt": b"\x00bundle"}
        assert (api.objects[CA_PATH]["type"], api.objects[CA_PATH]["metadata"]["labels"]) == (
            "Opaque",
            {"a": "b"},
        )

    def test_an_update_is_sent_under_our_name_and_only_when_it_changes_something(self) -> None:
        api = Apiserver({CA_PATH: {}})
        for _ in range(2):
            _store(api).update(lambda _: {"ca.crt": b"bundle"})
        assert api.writes() == [("PUT", f"{CA_PATH}?fieldManager=volray")]

    def test_the_loser_of_a_race_starts_over_from_the_winners_state(self) -> None:
        api = Apiserver({CA_PATH: {}})
        rival = iter([True])

        def change(files: dict[str, bytes]) -> dict[str, bytes]:
            if next(rival, False):
                _store(api).update(lambda _: {"ca.crt": b"winner"})
            return files | {"tls.crt": b"loser"}

        assert _store(api).update(change) == {"ca.crt": b"winner", "tls.crt": b"loser"}

    def test_a_secret_that_never_stands_still_is_given_up(self) -> None:
        api = Apiserver({CA_PATH: {}})

        def change(files: dict[str, bytes]) -> dict[str, bytes]:
            _store(api).update(lambda newest: {"ca.crt": newest.get("ca.crt", b"") + b"."})
            return files | {"tls.crt": b""}

        with pytest.raises(CertificateError, match="volray-system/volray-ca changed under each of 20"):
            _store(api).update(change)

    def test_an_absent_secret_asks_for_the_manifests(self) -> None:
        with pytest.raises(CertificateError, match="no Secret volray-system/volray-ca: apply volray's manifests"):
            _store(Apiserver({})).update(lambda files: files)

    def test_replicas_that_start_at_once_converge_on_one_authority(self) -> None:
        class Racing(Apiserver):
            """Lets nobody write before everybody has read."""

            start = Barrier(3)

            def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
                if body["metadata"]["resourceVersion"] == "1":
                    self.start.wait(timeout=10)
                return super().put(path, body)

        api = Racing({CA_PATH: {}})
        leaves = [MemoryStore() for _ in range(3)]
        threads = [Thread(target=Renewal(_store(api), leaf, [HOST], clock=lambda: NOW).step) for leaf in leaves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bundle = _store(api).read()["ca.crt"]
        assert len(api.writes()) == 3
        assert len(split_bundle(bundle)) == 1
        assert all(trusts(bundle, leaf.files["tls.crt"], NOW) for leaf in leaves)


class TestPublishBundle:
    @pytest.mark.parametrize("held", [None, "", base64.b64encode(b"other").decode()])
    def test_a_bundle_that_differs_is_replaced_in_one_patch(self, held: str | None) -> None:
        api = _configuration(ENCODED, held, held)
        assert publish_bundle(api, NAME, BUNDLE)
        assert api.writes() == [("PATCH", f"{CONFIGURATION_PATH}?fieldManager=volray")]
        configs = [webhook["clientConfig"] for webhook in api.objects[CONFIGURATION_PATH]["webhooks"]]
        assert configs == [{"service": {"name": "volray-webhook"}, "caBundle": ENCODED}] * 3

    def test_a_bundle_that_is_there_is_not_patched(self) -> None:
        api = _configuration(ENCODED, ENCODED)
        assert publish_bundle(api, NAME, BUNDLE)
        assert api.writes() == []

    @pytest.mark.parametrize("annotation", ["inject-ca-from", "inject-ca-from-secret", "inject-apiserver-ca"])
    @pytest.mark.parametrize(("held", "visible"), [("", False), (ENCODED, True)])
    def test_what_cert_manager_injects_is_left_alone(self, annotation: str, held: str, visible: bool) -> None:
        api = _configuration(held, annotation=f"cert-manager.io/{annotation}")
        assert publish_bundle(api, NAME, BUNDLE) is visible
        assert api.writes() == []

    def test_a_patch_that_does_not_last_is_not_published(self) -> None:
        class Forgetful(Apiserver):
            def patch(self, path: str, *_: object) -> dict[str, Any]:
                return self.get(path)

        api = Forgetful({CONFIGURATION_PATH: {"webhooks": [_webhook("a.volray", "")]}})
        assert not publish_bundle(api, NAME, BUNDLE)

    def test_without_webhooks_nobody_sees_the_bundle(self) -> None:
        assert not publish_bundle(_configuration(), NAME, BUNDLE)

    @pytest.mark.parametrize("bundle", [b"", b"garbage"])
    def test_an_empty_bundle_is_never_sent(self, bundle: bytes) -> None:
        api = _configuration(ENCODED)
        with pytest.raises(CertificateError, match="empty CA bundle"):
            publish_bundle(api, NAME, bundle)
        assert api.requests == []


VALIDATING_PATH = CONFIGURATION_PATH.replace("mutating", "validating")
BOTH = {"mutating": NAME, "validating": NAME}


class TestPublishBundles:
    def test_each_gets_the_bundle(self) -> None:
        api = Apiserver({path: {"webhooks": [_webhook("a", "")]} for path in (CONFIGURATION_PATH, VALIDATING_PATH)})
        assert publish_bundles(api, BOTH, BUNDLE)
        assert [path.partition("?")[0] for _, path in api.writes()] == [CONFIGURATION_PATH, VALIDATING_PATH]
        assert api.objects[VALIDATING_PATH]["webhooks"][0]["clientConfig"]["caBundle"] == ENCODED

    def test_one_that_nobody_sees_is_enough_for_not_published(self) -> None:
        api = Apiserver({CONFIGURATION_PATH: {"webhooks": [_webhook("a", "")]}, VALIDATING_PATH: {"webhooks": []}})
        assert not publish_bundles(api, BOTH, BUNDLE)

    def test_one_that_is_missing_does_not_keep_the_other_from_it(self) -> None:
        api = Apiserver({VALIDATING_PATH: {"webhooks": [_webhook("a", "")]}})
        with pytest.raises(ApiError, match="not found"):
            publish_bundles(api, BOTH, BUNDLE)
        assert api.objects[VALIDATING_PATH]["webhooks"][0]["clientConfig"]["caBundle"] == ENCODED


class TestCluster:
    def test_store_and_bundle_work_over_http_with_the_token(self) -> None:
        api = _configuration("")
        api.objects |= Apiserver({CA_PATH: {}}).objects
        with over_http(api) as front:
            cluster = Cluster(_client(front.url))
            files = _store(cluster).update(lambda _: {"ca.crt": BUNDLE})
            assert publish_bundle(cluster, NAME, files["ca.crt"])
            assert _store(cluster).read() == files
        assert {headers["authorization"] for headers in front.headers} == {"Bearer tok"}

    def test_the_token_is_read_anew_for_each_request(self) -> None:
        client = _client("")
        tokens = iter(["first", "second"])
        client.configuration.refresh_api_key_hook = lambda configuration: configuration.api_key.update(
            BearerToken=f"Bearer {next(tokens)}"
        )
        with over_http(Apiserver({CA_PATH: {}})) as front:
            client.configuration.host = front.url
            for _ in range(2):
                Cluster(client).get(CA_PATH)
        assert [headers["authorization"] for headers in front.headers] == ["Bearer first", "Bearer second"]

    def test_a_refusal_carries_its_status_and_the_apiservers_words(self) -> None:
        with over_http(Apiserver({})) as front, pytest.raises(ApiError, match=r"404 .not found") as caught:
            Cluster(_client(front.url)).get(f"{CA_PATH}?a=b")
        assert caught.value.status == 404
        assert isinstance(caught.value, ClusterError)

    def test_an_answer_that_is_no_object_is_refused(self) -> None:
        api = Apiserver({})
        api.get = lambda _: ["not", "an", "object"]  # type: ignore[method-assign,assignment,return-value]
        with over_http(api) as front, pytest.raises(ApiError, match="no Kubernetes object"):
            Cluster(_client(front.url)).get("/x")

    def test_a_malformed_token_is_in_no_message(self) -> None:
        with over_http(Apiserver({})) as front, pytest.raises(ApiError) as caught:
            Cluster(_client(front.url, authorization="Bearer hid\nden")).get(CA_PATH)
        assert "hid" not in str(caught.value)
        assert caught.value.__suppress_context__

    def test_a_server_that_does_not_answer_is_given_up_in_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(ApiError, match=r"did not answer GET .*timed out") as caught:
                Cluster(_client(url), timeout=0.1).get(CA_PATH)
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
            _use_kubeconfig(f"http://127.0.0.1:{hanging_up.getsockname()[1]}", tmp_path, monkeypatch)
            with pytest.raises(ApiError, match="did not answer"):
                Cluster.from_environment().get(CA_PATH)
            hanging_up.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)
        assert connections == 1

    def test_outside_a_cluster_the_kubeconfig_decides(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with over_http(Apiserver({CA_PATH: {}})) as front:
            _use_kubeconfig(front.url, tmp_path, monkeypatch)
            assert _store(Cluster.from_environment()).read() == {}
        assert front.headers[0]["authorization"] == "Bearer from-file"

    def test_without_cluster_and_kubeconfig_there_is_a_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _use_kubeconfig("http://127.0.0.1:1", tmp_path, monkeypatch)
        (tmp_path / "config").unlink()
        with pytest.raises(ClusterError, match="neither a service account nor a kubeconfig"):
            Cluster.from_environment()


def _use_kubeconfig(url: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / "config"
    path.write_text(json.dumps(_kubeconfig(url)))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "from-file"}}],
    }
