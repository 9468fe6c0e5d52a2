from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from certs.authority import Pair, issue, new_authority, not_after
from certs.errors import CertificateError
from certs.serving import Keeper
from certs.store import DirectoryStore
from tests.certs.trusting import DAY, HOST, HOUR, Link

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
AUTHORITY = new_authority(NOW, DAY)
FIRST, SECOND, THIRD = (issue(AUTHORITY, [HOST, "127.0.0.1"], NOW, hours * HOUR) for hours in (1, 2, 3))


def _put(path: Path, pair: Pair) -> None:
    DirectoryStore(path).update(lambda _: {"tls.crt": pair.certificate, "tls.key": pair.key})


def _keeper(path: Path, refusals: list[CertificateError] | None = None) -> Keeper:
    on_refusal = (refusals if refusals is not None else []).append
    return Keeper(path / "tls.crt", path / "tls.key", on_refusal)


def _connect(keeper: Keeper, host: str = HOST) -> Link:
    return Link(ssl.create_default_context(cadata=AUTHORITY.certificate.decode()), keeper.context, host)


# Python sends no SNI for an address, as the apiserver does for a webhook registered by address.
@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_an_open_connection_goes_on_and_a_new_one_gets_the_new_leaf(host: str, tmp_path: Path) -> None:
    """The server under load, on its own event loop, is in `tests/server/test_drain.py`."""
    _put(tmp_path, FIRST)
    keeper = _keeper(tmp_path)
    before = _connect(keeper, host)
    assert before.shows(FIRST.certificate)
    _put(tmp_path, SECOND)
    assert keeper.refresh()
    assert keeper.not_after == not_after(SECOND.certificate)
    assert _connect(keeper, host).shows(SECOND.certificate)
    assert before.shows(FIRST.certificate)


def test_no_handshake_fails_while_pairs_good_and_bad_come_and_go(tmp_path: Path) -> None:
    refusals: list[CertificateError] = []
    stop = Event()
    _put(tmp_path, FIRST)
    keeper = _keeper(tmp_path, refusals)

    def swap() -> None:
        while not stop.is_set():
            for pair in (SECOND, Pair(THIRD.certificate, FIRST.key), THIRD, Pair(b"", b""), FIRST):
                _put(tmp_path, pair)
                keeper.refresh()

    swapper = Thread(target=swap)
    swapper.start()
    try:
        for _ in range(200):
            _connect(keeper)
    finally:
        stop.set()
        swapper.join()
    assert refusals


def test_no_session_can_be_resumed_past_a_new_certificate(tmp_path: Path) -> None:
    _put(tmp_path, FIRST)
    link = _connect(_keeper(tmp_path))
    assert link.shows(FIRST.certificate)  # tickets come with the first bytes
    session = link.client.session
    assert not (session and session.has_ticket)


def test_files_that_did_not_change_are_not_loaded_again(tmp_path: Path) -> None:
    _put(tmp_path, FIRST)
    assert not _keeper(tmp_path).refresh()


ENCRYPTED_KEY = serialization.load_pem_private_key(SECOND.key, None).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
)

BAD = {
    "encrypted": Pair(SECOND.certificate, ENCRYPTED_KEY),
    "mismatched": Pair(SECOND.certificate, FIRST.key),
    "half-written": Pair(SECOND.certificate[:200], SECOND.key),
    "empty": Pair(b"", b""),
    "no certificate": Pair(SECOND.key, SECOND.key),
}


@pytest.mark.parametrize("pair", BAD.values(), ids=BAD)
def test_each_state_of_the_files_is_refused_once_with_a_sentence(pair: Pair, tmp_path: Path) -> None:
    refusals: list[CertificateError] = []
    _put(tmp_path, FIRST)
    keeper = _keeper(tmp_path, refusals)
    _put(tmp_path, pair)
    assert [keeper.refresh() for _ in range(3)] == [False] * 3
    assert _connect(keeper).shows(FIRST.certificate)
    assert keeper.not_after == not_after(FIRST.certificate)
    assert len(refusals) == 1
    assert str(tmp_path / "tls.crt") in str(refusals[0])
    assert "stays in use" in str(refusals[0])
    os.utime(tmp_path / "tls.crt", ns=(0, 0))
    keeper.refresh()
    assert len(refusals) == 2
    _put(tmp_path, SECOND)
    assert keeper.refresh()
    assert _connect(keeper).shows(SECOND.certificate)


def test_a_file_that_is_gone_is_refused_until_it_is_back(tmp_path: Path) -> None:
    refusals: list[CertificateError] = []
    _put(tmp_path, FIRST)
    keeper = _keeper(tmp_path, refusals)
    DirectoryStore(tmp_path).update(lambda _: {})
    assert not keeper.refresh()
    assert "No such file" in str(refusals[0])
    _put(tmp_path, SECOND)
    assert keeper.refresh()


def test_a_refusal_is_logged_unless_somebody_else_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _put(tmp_path, FIRST)
    keeper = Keeper(tmp_path / "tls.crt", tmp_path / "tls.key")
    _put(tmp_path, BAD["mismatched"])
    keeper.refresh()
    assert "key values mismatch" in caplog.text


def test_a_mounted_secret_is_picked_up_when_the_kubelet_turns_its_link(tmp_path: Path) -> None:
    for version, pair in (("..1", FIRST), ("..2", SECOND)):
        _put(tmp_path / version, pair)
    (tmp_path / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    keeper = _keeper(tmp_path)
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert keeper.refresh()
    assert keeper.not_after == not_after(SECOND.certificate)


@pytest.mark.parametrize("pair", BAD.values(), ids=BAD)
def test_without_a_sound_pair_there_is_no_server(pair: Pair, tmp_path: Path) -> None:
    _put(tmp_path, pair)
    with pytest.raises(CertificateError, match="cannot be served"):
        _keeper(tmp_path)


def test_without_files_there_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="No such file"):
        _keeper(tmp_path)
