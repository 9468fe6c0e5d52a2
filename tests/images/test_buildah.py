from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.images.buildah import Storage


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigParser:
    """What pip reads in a build, if this machine's pip is told of indexes, of authorities and of a folder."""
    authorities = tmp_path / "authorities.crt"
    authorities.write_text("certificates")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example/simple\nhttps://b.example/simple")
    monkeypatch.setenv("PIP_CERT", str(authorities))
    monkeypatch.setenv("PIP_FIND_LINKS", "/a/folder/of/wheels")
    storage = tmp_path / "storage"
    storage.mkdir()
    Storage(storage)
    found = ConfigParser(interpolation=None)
    found.read(storage / "pip" / "pip.conf")
    return found


def test_a_build_downloads_from_where_this_machine_does(settings: ConfigParser) -> None:
    assert settings["global"]["index-url"] == "https://index.example/simple"
    assert settings["global"]["extra-index-url"].split() == ["https://a.example/simple", "https://b.example/simple"]


def test_a_build_trusts_the_authorities_of_this_machine(settings: ConfigParser, tmp_path: Path) -> None:
    assert settings["global"]["cert"] == "/etc/xdg/pip/authorities.crt"
    assert (tmp_path / "storage" / "pip" / "authorities.crt").read_text() == "certificates"


def test_a_build_is_told_of_no_folder_that_the_image_does_not_have(settings: ConfigParser) -> None:
    assert "find-links" not in settings["global"]
