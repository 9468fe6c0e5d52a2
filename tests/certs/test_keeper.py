from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from cryptography.hazmat.primitives import serialization

from certs.authority import Pair, issue, new_authority, not_after
from certs.errors import CertificateError
from certs.serving import Keeper
from certs.store import DirectoryStore
from tests.certs.trusting import DAY, HOST, HOUR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    Run = Callable[[Coroutine[Any, Any, None]], None]

NOW = datetime.now(UTC)
AUTHORITY = new_authority(NOW, DAY)
FIRST, SECOND, THIRD = (issue(AUTHORITY, [HOST, "127.0.0.1"], NOW, hours * HOUR) for hours in (1, 2, 3))

both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
# Python sends no SNI for an address, as the apiserver does for a webhook registered by address.
with_and_without_sni = pytest.mark.parametrize("host", [HOST, "127.0.0.1"])


def _put(path: Path, pair: Pair) -> None:
    DirectoryStore(path).update(lambda _: {"tls.crt": pair.certificate, "tls.key": pair.key})


def _keeper(path: Path, refusals: list[CertificateError] | None = None) -> Keeper:
    on_refusal = (refusals if refusals is not None else []).append
    return Keeper(path / "tls.crt", path / "tls.key", on_refusal)


def _client() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=AUTHORITY.certificate.decode())


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def echoes(self) -> bool:
        self._writer.write(b"still there?\n")
        return await self._reader.readline() == b"still there?\n"

    def has_ticket(self) -> bool:
        session = self._writer.get_extra_info("ssl_object").session
        return bool(session and session.has_ticket)

    def shows(self, pair: Pair) -> bool:
        shown = self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return bool(shown == ssl.PEM_cert_to_DER_cert(pair.certificate.decode()))


class Server:
    def __init__(self, port: int) -> None:
        self.port = port

    @asynccontextmanager
    async def connection(self, host: str = HOST, context: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context or _client(), server_hostname=host
        )
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@asynccontextmanager
async def _serving(keeper: Keeper) -> AsyncIterator[Server]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0, ssl=keeper.context)
    async with server:
        yield Server(server.sockets[0].getsockname()[1])


@both_loops
@with_and_without_sni
def test_an_open_connection_goes_on_and_a_new_one_gets_the_new_leaf(run: Run, host: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        _put(tmp_path, FIRST)
        keeper = _keeper(tmp_path)
        async with _serving(keeper) as server, server.connection(host) as before:
            assert before.shows(FIRST)
            _put(tmp_path, SECOND)
            assert keeper.refresh()
            async with server.connection(host) as after:
                assert after.shows(SECOND)
                assert await after.echoes()
            assert before.shows(FIRST)
            assert await before.echoes()

    run(scenario())


@both_loops
def test_a_mismatched_pair_is_refused_and_the_last_sound_one_served(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        _put(tmp_path, FIRST)
        keeper = _keeper(tmp_path)
        async with _serving(keeper) as server:
            _put(tmp_path, Pair(SECOND.certificate, FIRST.key))
            assert not keeper.refresh()
            async with server.connection() as connection:
                assert connection.shows(FIRST)
            _put(tmp_path, SECOND)
            assert keeper.refresh()
            async with server.connection() as connection:
                assert connection.shows(SECOND)

    run(scenario())


@both_loops
def test_no_handshake_fails_while_pairs_good_and_bad_come_and_go(run: Run, tmp_path: Path) -> None:
    refusals: list[CertificateError] = []
    stop = Event()
    swaps = [SECOND, Pair(THIRD.certificate, FIRST.key), THIRD, Pair(b"", b""), FIRST]

    def swap(keeper: Keeper) -> None:
        while not stop.is_set():
            for pair in swaps:
                _put(tmp_path, pair)
                keeper.refresh()

    async def scenario() -> None:
        _put(tmp_path, FIRST)
        keeper = _keeper(tmp_path, refusals)
        swapper = Thread(target=swap, args=(keeper,))
        async with _serving(keeper) as server:
            swapper.start()
            try:
                for _ in range(60):
                    async with server.connection() as connection:
                        assert await connection.echoes()
            finally:
                stop.set()
                swapper.join()

    run(scenario())
    assert refusals


def test_no_session_can_be_resumed_past_a_new_certificate(tmp_path: Path) -> None:
    async def scenario() -> None:
        _put(tmp_path, FIRST)
        async with _serving(_keeper(tmp_path)) as server, server.connection() as connection:
            assert await connection.echoes()  # tickets come with the first bytes
            assert not connection.has_ticket()

    asyncio.run(scenario())


def test_the_end_of_life_is_that_of_the_leaf_being_served(tmp_path: Path) -> None:
    _put(tmp_path, FIRST)
    keeper = _keeper(tmp_path)
    _put(tmp_path, Pair(SECOND.certificate, FIRST.key))
    keeper.refresh()
    assert keeper.not_after == not_after(FIRST.certificate)
    _put(tmp_path, SECOND)
    keeper.refresh()
    assert keeper.not_after == not_after(SECOND.certificate)


def test_files_that_did_not_change_are_not_loaded_again(tmp_path: Path) -> None:
    _put(tmp_path, FIRST)
    keeper = _keeper(tmp_path)
    assert not keeper.refresh()


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
    assert len(refusals) == 1
    assert str(tmp_path / "tls.crt") in str(refusals[0])
    assert "stays in use" in str(refusals[0])
    os.utime(tmp_path / "tls.crt", ns=(0, 0))
    keeper.refresh()
    assert len(refusals) == 2


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
