from __future__ import annotations

import base64
from threading import Barrier, Thread
from typing import Any

import pytest

from certs.authority import new_authority, split_bundle
from certs.errors import CertificateError, ClusterError
from certs.publish import publish_bundle, publish_bundles
from certs.renewal import Renewal
from certs.secret_store import SecretStore
from tests.apiserver.memory import Apiserver
from tests.certs.trusting import DAY, HOST, NOW, MemoryStore, trusts

CA_PATH = "/api/v1/namespaces/volray-system/secrets/volray-ca"
CONFIGURATION_PATH = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/batch.ray.volcano.sh"
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
    return _holding({CONFIGURATION_PATH: {"metadata": annotations, "webhooks": webhooks}})


def _holding(objects: dict[str, dict[str, Any]], api: Apiserver | None = None) -> Apiserver:
    api = api or Apiserver()
    for path, body in objects.items():
        api.place_at(path, body)
    return api


class TestSecretStore:
    def test_an_empty_secret_has_no_files(self) -> None:
        assert _store(_holding({CA_PATH: {}})).read() == {}

    def test_what_is_written_is_read_and_the_rest_of_the_secret_stays(self) -> None:
        api = _holding({CA_PATH: {"metadata": {"labels": {"a": "b"}}, "type": "Opaque", "data": None}})
        assert _store(api).update(lambda _: {"ca.crt": b"\x00bundle"}) == {"ca.crt": b"\x00bundle"}
        assert _store(api).read() == {"ca.crt": b"\x00bundle"}
        assert (api.at(CA_PATH)["type"], api.at(CA_PATH)["metadata"]["labels"]) == (
            "Opaque",
            {"a": "b"},
        )

    def test_an_update_is_sent_under_our_name_and_only_when_it_changes_something(self) -> None:
        api = _holding({CA_PATH: {}})
        for _ in range(2):
            _store(api).update(lambda _: {"ca.crt": b"bundle"})
        assert api.writes() == [("update", CA_PATH)]
        assert api.requests[1].query == {"fieldManager": "volray"}

    def test_the_loser_of_a_race_starts_over_from_the_winners_state(self) -> None:
        api = _holding({CA_PATH: {}})
        rival = iter([True])

        def change(files: dict[str, bytes]) -> dict[str, bytes]:
            if next(rival, False):
                _store(api).update(lambda _: {"ca.crt": b"winner"})
            return files | {"tls.crt": b"loser"}

        assert _store(api).update(change) == {"ca.crt": b"winner", "tls.crt": b"loser"}

    def test_a_secret_that_never_stands_still_is_given_up(self) -> None:
        api = _holding({CA_PATH: {}})

        def change(files: dict[str, bytes]) -> dict[str, bytes]:
            _store(api).update(lambda newest: {"ca.crt": newest.get("ca.crt", b"") + b"."})
            return files | {"tls.crt": b""}

        with pytest.raises(CertificateError, match="volray-system/volray-ca changed under each of 20"):
            _store(api).update(change)

    def test_an_absent_secret_asks_for_the_manifests(self) -> None:
        with pytest.raises(CertificateError, match=r"no Secret volray-system/volray-ca\. Apply volray's manifests"):
            _store(Apiserver()).update(lambda files: files)

    def test_replicas_that_start_at_once_converge_on_one_authority(self) -> None:
        class Racing(Apiserver):
            """Lets nobody write before everybody has read."""

            start = Barrier(3)

            def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
                if not self.writes():
                    self.start.wait(timeout=10)
                return super().put(path, body)

        api = _holding({CA_PATH: {}}, Racing())
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
        assert api.writes() == [("patch", CONFIGURATION_PATH)]
        assert api.requests[1].query == {"fieldManager": "volray"}
        configs = [webhook["clientConfig"] for webhook in api.at(CONFIGURATION_PATH)["webhooks"]]
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

        api = _holding({CONFIGURATION_PATH: {"webhooks": [_webhook("a.volray", "")]}}, Forgetful())
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
        api = _holding({path: {"webhooks": [_webhook("a", "")]} for path in (CONFIGURATION_PATH, VALIDATING_PATH)})
        assert publish_bundles(api, BOTH, BUNDLE)
        assert [path for _, path in api.writes()] == [CONFIGURATION_PATH, VALIDATING_PATH]
        assert api.at(VALIDATING_PATH)["webhooks"][0]["clientConfig"]["caBundle"] == ENCODED

    def test_one_that_nobody_sees_is_enough_for_not_published(self) -> None:
        api = _holding({CONFIGURATION_PATH: {"webhooks": [_webhook("a", "")]}, VALIDATING_PATH: {"webhooks": []}})
        assert not publish_bundles(api, BOTH, BUNDLE)

    def test_one_that_is_missing_does_not_keep_the_other_from_it(self) -> None:
        api = _holding({VALIDATING_PATH: {"webhooks": [_webhook("a", "")]}})
        with pytest.raises(ClusterError, match="not found"):
            publish_bundles(api, BOTH, BUNDLE)
        assert api.at(VALIDATING_PATH)["webhooks"][0]["clientConfig"]["caBundle"] == ENCODED
