from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from certs.authority import (
    Pair,
    canonical_host,
    hosts_of,
    is_valid,
    issue,
    issued_at,
    matches,
    new_authority,
    not_after,
    renew_at,
    signed_by,
    split_bundle,
)
from certs.errors import CertificateError
from tests.certs.trusting import DAY, HOST, HOUR, MINUTE, NOW, SECOND, Link, trusts

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = new_authority(NOW, 365 * DAY)
OTHER = new_authority(NOW, 365 * DAY)
LEAF = issue(AUTHORITY, [HOST], NOW, 90 * DAY)

ED25519 = ed25519.Ed25519PrivateKey.generate()
ED25519_PEM = ED25519.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
ENCRYPTED_PEM = ED25519.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
)


def test_a_ca_says_critically_that_it_is_one_and_signs_nothing_but_certificates() -> None:
    extensions = x509.load_pem_x509_certificate(AUTHORITY.certificate).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value.ca
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
    assert not usage.value.digital_signature


def test_every_ca_has_a_name_of_its_own() -> None:
    names = {
        x509.load_pem_x509_certificate(authority.certificate).subject.rfc4514_string()
        for authority in (AUTHORITY, OTHER)
    }
    assert len(names) == 2
    assert all(name.startswith("CN=volray CA ") for name in names)


@pytest.mark.parametrize("host", [HOST, "127.0.0.1", "::1"])
def test_the_strictest_python_client_accepts_a_leaf(host: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = new_authority(now, DAY)
    leaf = issue(authority, [host], now, HOUR)
    pair = tmp_path / "pair.pem"
    pair.write_bytes(leaf.certificate + leaf.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair)
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert Link(client, server, host).shows(leaf.certificate)


def test_the_webs_profile_accepts_a_leaf_of_its_own_ca_only() -> None:
    assert trusts(AUTHORITY.certificate, LEAF.certificate, NOW)
    assert not trusts(OTHER.certificate, LEAF.certificate, NOW)


@pytest.mark.parametrize(
    ("lifetime", "backdated"),
    [(365 * DAY, HOUR), (10 * HOUR, HOUR), (HOUR, 6 * MINUTE), (15 * SECOND, SECOND)],
)
def test_life_begins_an_hour_early_or_a_tenth_of_a_short_one(lifetime: timedelta, backdated: timedelta) -> None:
    certificate = new_authority(NOW, lifetime).certificate
    assert x509.load_pem_x509_certificate(certificate).not_valid_before_utc == NOW - backdated
    assert not_after(certificate) == NOW + lifetime
    assert issued_at(certificate) == NOW


def test_an_authority_is_never_older_than_it_is() -> None:
    assert issued_at(new_authority(NOW + timedelta(milliseconds=1), DAY).certificate) == NOW + SECOND


def test_renewal_is_at_two_thirds_of_life() -> None:
    assert renew_at(LEAF.certificate) == NOW - HOUR + (90 * DAY + HOUR) * 2 / 3


def test_a_leaf_never_outlives_its_ca() -> None:
    late = issue(AUTHORITY, [HOST], NOW + 360 * DAY, 90 * DAY)
    assert not_after(late.certificate) == not_after(AUTHORITY.certificate)


def test_a_leaf_cut_short_by_its_ca_is_not_due_at_once() -> None:
    now = not_after(AUTHORITY.certificate) - 10 * MINUTE
    assert renew_at(issue(AUTHORITY, [HOST], now, 90 * DAY).certificate) > now + 6 * MINUTE


def test_hosts_are_dns_names_or_addresses_by_what_parses() -> None:
    leaf = issue(AUTHORITY, ["B.svc", "b.svc", "*.a.svc", "10.0.0.1", "0:0::1"], NOW, DAY)
    names = (
        x509.load_pem_x509_certificate(leaf.certificate)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["*.a.svc", "b.svc"]
    assert sorted(map(str, names.get_values_for_type(x509.IPAddress))) == ["10.0.0.1", "::1"]
    assert hosts_of(leaf.certificate) == {"b.svc", "*.a.svc", "10.0.0.1", "::1"}


def test_a_certificate_without_alternative_names_is_for_no_host() -> None:
    assert hosts_of(AUTHORITY.certificate) == frozenset()


@pytest.mark.parametrize("host", ["", "https://a.svc", "a.svc:8443", "[::1]", "a b", "a..b", "a.svc.", "ä.svc"])
def test_what_is_no_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(CertificateError, match="neither a DNS name nor an IP address"):
        canonical_host(host)


def test_a_leaf_for_nobody_is_refused() -> None:
    with pytest.raises(CertificateError, match="needs a host"):
        issue(AUTHORITY, [], NOW, DAY)


@pytest.mark.parametrize(
    ("authority", "now", "sentence"),
    [
        (AUTHORITY, NOW + 365 * DAY, "expired on 2028-01-01 12:00:00 UTC"),
        (Pair(b"garbage", AUTHORITY.key), NOW, "not a certificate"),
        (Pair(AUTHORITY.certificate, b"garbage"), NOW, "not an unencrypted private key"),
        (Pair(AUTHORITY.certificate, ENCRYPTED_PEM), NOW, "not an unencrypted private key"),
        (Pair(AUTHORITY.certificate, ED25519_PEM), NOW, "neither ECDSA nor RSA"),
    ],
)
def test_an_unusable_authority_is_refused_in_a_sentence(authority: Pair, now: datetime, sentence: str) -> None:
    with pytest.raises(CertificateError, match=sentence):
        issue(authority, [HOST], now, DAY)


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        (LEAF.certificate, LEAF.key, True),
        (LEAF.certificate + AUTHORITY.certificate, LEAF.key, True),
        (LEAF.certificate, AUTHORITY.key, False),
        (LEAF.certificate, LEAF.key[:60], False),
        (LEAF.certificate, ENCRYPTED_PEM, False),
        (LEAF.certificate[:-60], LEAF.key, False),
        (b"", b"", False),
    ],
)
def test_a_key_matches_its_own_certificate_only(certificate: bytes, key: bytes, expected: bool) -> None:
    assert matches(Pair(certificate, key)) is expected


@pytest.mark.parametrize(
    ("authority", "expected"),
    [(AUTHORITY.certificate, True), (OTHER.certificate, False), (LEAF.certificate, False), (b"", False)],
)
def test_a_leaf_is_signed_by_its_own_ca_only(authority: bytes, expected: bool) -> None:
    assert signed_by(LEAF.certificate, authority) is expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW - HOUR - SECOND, False),
        (NOW - HOUR, True),
        (NOW + 90 * DAY - SECOND, True),
        (NOW + 90 * DAY, False),
    ],
)
def test_life_includes_its_beginning_and_not_its_end(now: datetime, expected: bool) -> None:
    assert is_valid(LEAF.certificate, now) is expected


def test_a_bundle_falls_apart_into_its_certificates_and_nothing_else() -> None:
    torn = OTHER.certificate[:100]
    bundle = b"# comment\n" + AUTHORITY.certificate + torn + LEAF.key + OTHER.certificate + torn
    assert split_bundle(bundle) == (AUTHORITY.certificate, OTHER.certificate)
    assert split_bundle(b"") == ()


def test_a_key_is_in_no_repr() -> None:
    assert "PRIVATE" not in repr(LEAF)
