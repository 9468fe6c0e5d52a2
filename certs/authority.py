"""Certificates as values: an authority, the leaf that it issues, and what can be asked of either.

Core: no I/O and no clock. Certificates and keys are PEM in `bytes`, moments are aware datetimes.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from webhook.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Sequence

_Signer = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_BACKDATING = timedelta(hours=1)
_BACKDATED_SHARE = 10  # at most a tenth of the lifetime
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)  # what `cryptography` raises for a bad PEM
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_DNS_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key.

    Attributes:
        certificate: PEM; more certificates may follow the first, and only the first is looked at.
        key: PEM, unencrypted. Left out of `repr`, so that no log line ever shows it.
    """

    certificate: bytes
    key: bytes = field(repr=False)


def new_authority(now: datetime, lifetime: timedelta) -> Pair:
    """Make a self-signed CA of ECDSA P-256 under a name that no other CA has.

    The name is unique because OpenSSL looks issuers up by name: of two CAs with one name in a bundle it may
    try the wrong one.

    Args:
        now: The moment of issue. The certificate is valid from an hour before it, for clients whose clock
            is behind (a lifetime under ten hours: a tenth of it before, or a short one would be born due).
        lifetime: From `now` to its end.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"volray CA {secrets.token_hex(8)}")
    builder = (
        _builder(name, name, key, now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _signed(builder, key, key)


def issue(authority: Pair, hosts: Sequence[str], now: datetime, lifetime: timedelta) -> Pair:
    """Issue a server's leaf of ECDSA P-256 that passes `ssl.VERIFY_X509_STRICT`.

    Args:
        authority: The CA; its key is ECDSA or RSA.
        hosts: DNS names and IP addresses, each written as it is to be in the subject alternative names.
        now: The moment of issue; backdated as in `new_authority`.
        lifetime: From `now` to its end, cut to the authority's own end: a leaf that outlives its CA would
            look valid and verify nowhere.

    Raises:
        CertificateError: No host, one that is no host, or an authority that is expired or unusable.
    """
    issuer, signer = _certificate(authority.certificate), _signer(authority.key)
    if now >= issuer.not_valid_after_utc:
        raise CertificateError(f"The authority expired on {issuer.not_valid_after_utc:%F %T} UTC: renew it first.")
    key = ec.generate_private_key(ec.SECP256R1())
    lifetime = min(lifetime, issuer.not_valid_after_utc - _whole(now))
    builder = (
        _builder(_name("volray"), issuer.subject, key, now, lifetime)
        .add_extension(_alternative_names(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _signed(builder, key, signer)


def matches(pair: Pair) -> bool:
    """Tell whether the key belongs to the certificate; garbage in either is no match."""
    try:
        key = serialization.load_pem_private_key(pair.key, password=None)
        return key.public_key() == _certificate(pair.certificate).public_key()
    except (CertificateError, *_UNREADABLE):
        return False


def signed_by(certificate: bytes, authority_certificate: bytes) -> bool:
    """Tell whether the authority's name and key are those that issued the certificate; garbage: no."""
    try:
        _certificate(certificate).verify_directly_issued_by(_certificate(authority_certificate))
    except (CertificateError, InvalidSignature, *_UNREADABLE):
        return False
    return True


def not_after(certificate: bytes) -> datetime:
    """Return the end of the certificate's life, in UTC.

    Raises:
        CertificateError: It is no certificate.
    """
    return _certificate(certificate).not_valid_after_utc


def renew_at(certificate: bytes) -> datetime:
    """Return when two thirds of the certificate's life are over, in UTC: the last third is for trouble.

    Raises:
        CertificateError: It is no certificate.
    """
    loaded = _certificate(certificate)
    life = loaded.not_valid_after_utc - loaded.not_valid_before_utc
    return loaded.not_valid_before_utc + life * 2 / 3


def issued_at(certificate: bytes) -> datetime:
    """Return the `now` that `new_authority` was given, rounded up to a second: the backdating undone.

    So an authority's age is in its certificate, and replicas need not agree on it anywhere else.

    Raises:
        CertificateError: It is no certificate.
    """
    loaded = _certificate(certificate)
    life = loaded.not_valid_after_utc - loaded.not_valid_before_utc
    return loaded.not_valid_before_utc + min(_BACKDATING, _whole_share(life, _BACKDATED_SHARE + 1))


def is_valid(certificate: bytes, now: datetime) -> bool:
    """Tell whether `now` is within the certificate's life.

    One that begins later than `now` was made by a clock that ran ahead, and no client accepts it yet.

    Raises:
        CertificateError: It is no certificate.
    """
    loaded = _certificate(certificate)
    return loaded.not_valid_before_utc <= now < loaded.not_valid_after_utc


def hosts_of(certificate: bytes) -> frozenset[str]:
    """Return the DNS names and IP addresses that the certificate is for, as `canonical_host` writes them.

    Raises:
        CertificateError: It is no certificate.
    """
    try:
        names = _certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return frozenset(map(str.lower, names.get_values_for_type(x509.DNSName))).union(addresses)


def canonical_host(host: str) -> str:
    """Return the one spelling of a host: DNS names in lower case, IPv6 compressed.

    Raises:
        CertificateError: It is neither a DNS name nor an IP address.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _DNS_NAME.fullmatch(host.lower()):
        raise CertificateError(
            f"{host!r} is neither a DNS name nor an IP address: write it without scheme, port or brackets."
        )
    return host.lower()


def split_bundle(pem: bytes) -> tuple[bytes, ...]:
    """Return the certificates in a bundle, each as PEM of its own; whatever is not one is left out."""
    return tuple(block + b"\n" for block in _BLOCK.findall(pem) if _is_certificate(block))


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except _UNREADABLE as error:
        raise CertificateError("What should be a certificate in PEM is none.") from error


def _is_certificate(pem: bytes) -> bool:
    try:
        _certificate(pem)
    except CertificateError:
        return False
    return True


def _signer(pem: bytes) -> _Signer:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except _UNREADABLE:
        # Without the cause: nothing about a private key belongs in a log.
        raise CertificateError("The authority's key is no unencrypted private key in PEM.") from None
    if not isinstance(key, _Signer):
        raise CertificateError("The authority's key is neither ECDSA nor RSA.")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_whole(now) - min(_BACKDATING, _whole_share(lifetime, _BACKDATED_SHARE)))
        .not_valid_after(_whole(now) + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: _Signer) -> Pair:
    return Pair(
        certificate=builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    if not hosts:
        raise CertificateError("A certificate needs a host: clients look at nothing but its alternative names.")
    return x509.SubjectAlternativeName(list(map(_general_name, sorted(set(map(canonical_host, hosts))))))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _whole(moment: datetime) -> datetime:
    """Round up to the second, which is all that X.509 keeps: down would make an authority seem older."""
    return moment if not moment.microsecond else moment.replace(microsecond=0) + timedelta(seconds=1)


def _whole_share(span: timedelta, parts: int) -> timedelta:
    """Return one part of the span in whole seconds, so that the share can be found again from the sum."""
    return timedelta(seconds=span // timedelta(seconds=1) // parts)
