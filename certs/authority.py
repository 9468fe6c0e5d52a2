"""Certificates as values: an authority, the leaf that it issues, and questions about either.

This is core code without I/O and without a clock. Certificates and keys are PEM in
`bytes`. Moments are aware datetimes.
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

from certs.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# A certificate begins before it is issued, for clients whose clock is behind. A short-lived
# one begins a tenth of its life before, or it would be due for renewal when it is issued.
_BACKDATING = timedelta(hours=1)
_BACKDATED_SHARE = 10

# What `cryptography` raises for PEM that it cannot read.
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)

_PEM_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_DNS_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key.

    Attributes:
        certificate: PEM. More certificates may follow, but only the first is looked at.
        key: PEM, unencrypted. It is left out of `repr`, so that no log line ever shows it.
    """

    certificate: bytes
    key: bytes = field(repr=False)


def new_authority(now: datetime, lifetime: timedelta) -> Pair:
    """Make a self-signed CA with an ECDSA P-256 key, under a name that no other CA has.

    The name is unique because OpenSSL looks issuers up by name. If two CAs in a bundle had
    one name, it might try the wrong one.

    Args:
        now: The moment of issue. The certificate is valid from an hour before it, or from a
            tenth of its lifetime before it if that is less.
        lifetime: From `now` to the certificate's end.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _x509_name(f"volray CA {secrets.token_hex(8)}")
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _certificate_builder(name, name, key, now, lifetime)
        .add_extension(is_authority, critical=True)
        .add_extension(usage, critical=True)
    )
    return _signed_pair(builder, key, key)


def issue(authority: Pair, hosts: Sequence[str], now: datetime, lifetime: timedelta) -> Pair:
    """Issue a leaf for a server with an ECDSA P-256 key, which passes `ssl.VERIFY_X509_STRICT`.

    Args:
        authority: The CA. Its key is ECDSA or RSA.
        hosts: DNS names and IP addresses, each as the subject alternative names spell it.
        now: The moment of issue, from which the beginning is counted as in `new_authority`.
        lifetime: From `now` to the leaf's end. It is cut to the authority's end, because a
            leaf that outlives its CA looks valid and verifies nowhere.

    Raises:
        CertificateError: There is no host, something is not a host, or the authority is
            expired or unusable.
    """
    issuer = _load_certificate(authority.certificate)
    signing_key = _load_signing_key(authority.key)
    end = issuer.not_valid_after_utc
    if now >= end:
        raise CertificateError(f"The authority expired on {end:%F %T} UTC. Renew it first.")
    key = ec.generate_private_key(ec.SECP256R1())
    lifetime = min(lifetime, end - _rounded_up(now))
    is_leaf = x509.BasicConstraints(ca=False, path_length=None)
    usage = _key_usage(digital_signature=True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key())
    builder = (
        _certificate_builder(_x509_name("volray"), issuer.subject, key, now, lifetime)
        .add_extension(_alternative_names(hosts), critical=False)
        .add_extension(is_leaf, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purpose, critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return _signed_pair(builder, key, signing_key)


def matches(pair: Pair) -> bool:
    """Tell whether the key belongs to the certificate. It does not if either is garbage."""
    try:
        key = serialization.load_pem_private_key(pair.key, password=None)
        certificate = _load_certificate(pair.certificate)
        return key.public_key() == certificate.public_key()
    except (CertificateError, *_UNREADABLE):
        return False


def signed_by(certificate: bytes, authority_certificate: bytes) -> bool:
    """Tell whether the authority issued the certificate, by its name and its key.

    It did not if either is garbage.
    """
    try:
        issuer = _load_certificate(authority_certificate)
        _load_certificate(certificate).verify_directly_issued_by(issuer)
    except (CertificateError, InvalidSignature, *_UNREADABLE):
        return False
    return True


def not_after(certificate: bytes) -> datetime:
    """Return the end of the certificate's life in UTC.

    Raises:
        CertificateError: It is not a certificate.
    """
    return _load_certificate(certificate).not_valid_after_utc


def renew_at(certificate: bytes) -> datetime:
    """Return the moment in UTC when two thirds of the certificate's life are over.

    The last third is left for whatever may delay a renewal.

    Raises:
        CertificateError: It is not a certificate.
    """
    loaded = _load_certificate(certificate)
    life = loaded.not_valid_after_utc - loaded.not_valid_before_utc
    return loaded.not_valid_before_utc + life * 2 / 3


def issued_at(certificate: bytes) -> datetime:
    """Return the `now` that `new_authority` was given, rounded up to a second.

    This undoes the backdating. An authority's age is thus in its certificate, and replicas
    need not agree on it anywhere else.

    Raises:
        CertificateError: It is not a certificate.
    """
    loaded = _load_certificate(certificate)
    life = loaded.not_valid_after_utc - loaded.not_valid_before_utc
    # The life includes the backdated share of the lifetime, hence one part more.
    backdated = min(_BACKDATING, _whole_seconds(life, _BACKDATED_SHARE + 1))
    return loaded.not_valid_before_utc + backdated


def is_valid(certificate: bytes, now: datetime) -> bool:
    """Tell whether `now` is within the certificate's life.

    A certificate that begins later than `now` was made by a clock that ran ahead. No client
    accepts it yet.

    Raises:
        CertificateError: It is not a certificate.
    """
    loaded = _load_certificate(certificate)
    return loaded.not_valid_before_utc <= now < loaded.not_valid_after_utc


def hosts_of(certificate: bytes) -> frozenset[str]:
    """Return the hosts that the certificate is for, as `canonical_host` spells them.

    Raises:
        CertificateError: It is not a certificate.
    """
    extensions = _load_certificate(certificate).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns_names = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return frozenset([*dns_names, *addresses])


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
            f"{host!r} is neither a DNS name nor an IP address. "
            "Write it without scheme, port and brackets."
        )
    return host.lower()


def split_bundle(pem: bytes) -> tuple[bytes, ...]:
    """Return the certificates in a bundle, each as PEM of its own.

    Blocks that are not certificates are left out.
    """
    certificates = filter(_is_certificate, _PEM_BLOCK.findall(pem))
    return tuple(block + b"\n" for block in certificates)


def _load_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except _UNREADABLE as error:
        raise CertificateError("This is not a certificate in PEM.") from error


def _is_certificate(pem: bytes) -> bool:
    try:
        _load_certificate(pem)
    except CertificateError:
        return False
    return True


def _load_signing_key(pem: bytes) -> _SigningKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except _UNREADABLE:
        # Without the cause, because nothing about a private key belongs in a log.
        raise CertificateError(
            "The authority's key is not an unencrypted private key in PEM."
        ) from None
    if not isinstance(key, _SigningKey):
        raise CertificateError("The authority's key is neither ECDSA nor RSA.")
    return key


def _certificate_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    issued = _rounded_up(now)
    backdating = min(_BACKDATING, _whole_seconds(lifetime, _BACKDATED_SHARE))
    own_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issued - backdating)
        .not_valid_after(issued + lifetime)
        .add_extension(own_key, critical=False)
    )


def _signed_pair(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signing_key: _SigningKey
) -> Pair:
    certificate = builder.sign(signing_key, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), key_pem)


def _x509_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    if not hosts:
        raise CertificateError(
            "A certificate needs a host, because clients look at its alternative names only."
        )
    distinct = set(map(canonical_host, hosts))
    return x509.SubjectAlternativeName(list(map(_general_name, sorted(distinct))))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
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


def _rounded_up(moment: datetime) -> datetime:
    """Round up to the second, which is all that X.509 keeps.

    Rounding down would make an authority seem older than it is.
    """
    if moment.microsecond == 0:
        return moment
    return moment.replace(microsecond=0) + timedelta(seconds=1)


def _whole_seconds(span: timedelta, parts: int) -> timedelta:
    """Return one part of a span in whole seconds.

    Whole seconds allow `issued_at` to find the same share again from the whole life.
    """
    return timedelta(seconds=span // timedelta(seconds=1) // parts)
