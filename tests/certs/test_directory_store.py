from __future__ import annotations

import stat
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from certs.errors import CertificateError
from certs.store import DirectoryStore

if TYPE_CHECKING:
    from pathlib import Path

ALL = {"ca.crt": b"a", "ca.key": b"b", "next-ca.key": b"c", "tls.key": b"d", "tls.crt": b"e"}


def _names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_an_absent_directory_has_no_files_and_is_not_made_by_reading(tmp_path: Path) -> None:
    assert DirectoryStore(tmp_path / "absent").read() == {}
    assert not (tmp_path / "absent").exists()


def test_files_and_directory_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "certs"
    assert DirectoryStore(path).update(lambda _: ALL) == ALL == DirectoryStore(path).read()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE((path / name).stat().st_mode) for name in ALL} == {0o600}


def test_the_bundle_comes_first_and_the_leaf_after_its_key(tmp_path: Path) -> None:
    DirectoryStore(tmp_path).update(lambda _: dict(reversed(ALL.items())))
    written = sorted(ALL, key=lambda name: (tmp_path / name).stat().st_ctime_ns)
    assert written == ["ca.crt", "ca.key", "next-ca.key", "tls.key", "tls.crt"]


def test_a_file_that_did_not_change_is_not_written(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.update(lambda _: ALL)
    before = {name: (tmp_path / name).stat().st_ino for name in ALL}
    store.update(lambda files: files | {"tls.crt": b"new"})
    after = {name: (tmp_path / name).stat().st_ino for name in ALL}
    assert {name for name in ALL if after[name] != before[name]} == {"tls.crt"}


def test_what_the_change_leaves_out_is_removed_and_strangers_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    store = DirectoryStore(tmp_path)
    store.update(lambda _: ALL)
    store.update(lambda files: {name: files[name] for name in files if name != "next-ca.key"})
    assert _names(tmp_path) == {"notes.txt", ".lock", *ALL} - {"next-ca.key"}


def test_a_change_that_fails_changes_nothing_and_frees_the_lock(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.update(lambda _: ALL)

    def fail(_: dict[str, bytes]) -> dict[str, bytes]:
        raise CertificateError("no")

    with pytest.raises(CertificateError, match="no"):
        store.update(fail)
    assert store.read() == ALL
    assert store.update(lambda _: {}) == {}


def test_what_a_crash_left_behind_is_cleared_by_the_next_write(tmp_path: Path) -> None:
    (tmp_path / ".ca.key.new").write_bytes(b"half a key")
    (tmp_path / ".ca.key.new").chmod(0o644)
    DirectoryStore(tmp_path).update(lambda _: ALL)
    assert _names(tmp_path) == {".lock", *ALL}
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


def test_a_reader_never_sees_part_of_a_file(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    versions = [letter * 200_000 for letter in (b"x", b"y")]
    store.update(lambda _: {"tls.crt": versions[0]})

    def rewrite() -> None:
        for number in range(60):
            store.update(lambda _, number=number: {"tls.crt": versions[number % 2]})  # type: ignore[misc]

    writer = Thread(target=rewrite)
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(DirectoryStore(tmp_path).read()["tls.crt"])
    writer.join()
    assert seen == set(versions)


def test_updates_from_many_threads_are_all_kept(tmp_path: Path) -> None:
    def count() -> None:
        for _ in range(10):
            DirectoryStore(tmp_path).update(lambda files: {"ca.crt": files.get("ca.crt", b"") + b"."})

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert DirectoryStore(tmp_path).read() == {"ca.crt": b"." * 40}


def test_a_path_that_cannot_be_written_to_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", "/proc/volray"):
        with pytest.raises(CertificateError, match=f"Cannot write to {path} .*Give a directory"):
            DirectoryStore(path).update(lambda files: files)


def test_a_path_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").mkdir()
    with pytest.raises(CertificateError, match=f"Cannot read {tmp_path} .*Give a directory"):
        DirectoryStore(tmp_path).read()
