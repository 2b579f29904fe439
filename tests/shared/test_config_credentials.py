"""Settings that are files, which systemd may hand over as credentials: where no path is set, and none that is blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.config import CREDENTIAL, About, NoneWhenEmpty, Settings, credential_files, load
from sysmonstm.settings_file import commented


@dataclass(frozen=True)
class Keyed(Settings):
    env_prefix: ClassVar[str] = "X_"

    key: Annotated[Path | None, NoneWhenEmpty, CREDENTIAL, About("A key")] = None
    other: Annotated[Path | None, NoneWhenEmpty, About("No credential")] = None


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "x_key").write_text("secret\n")
    (tmp_path / "x_other").write_text("secret\n")
    return tmp_path


@pytest.mark.parametrize(
    ("environ", "told", "expected"),
    [
        ({}, "", "x_key"),
        ({"X_KEY": "/a"}, 'key = "/b"', "/a"),
        ({}, 'key = "/b"', "/b"),
        # Said to be none.
        ({}, 'key = ""', None),
        ({"X_KEY": ""}, 'key = "/b"', None),
    ],
)
def test_a_path_comes_before_a_credential(
    directory: Path, environ: Mapping[str, str], told: str, expected: str | None
) -> None:
    file = directory / "x.toml"
    file.write_text(told)
    found = load(Keyed, {**environ, "CREDENTIALS_DIRECTORY": str(directory)}, file)
    assert found == Keyed(key=directory / expected if expected else None)


@pytest.mark.parametrize("text", ["\n", "", None])
def test_a_credential_that_is_blank_is_not_given(directory: Path, text: str | None) -> None:
    if text is None:
        (directory / "x_key").unlink()
    else:
        (directory / "x_key").write_text(text)
    assert load(Keyed, {"CREDENTIALS_DIRECTORY": str(directory)}) == Keyed()


def test_the_file_of_settings_says_where_the_credential_lies() -> None:
    assert credential_files(AggregatorSettings) == {
        "tls_certificate": "aggregator_tls_certificate",
        "tls_key": "aggregator_tls_key",
        "tls_client_ca": "aggregator_tls_client_ca",
    }
    text = " ".join(commented(AggregatorSettings, "sysmon-aggregatord").replace("# ", "").split())
    assert "Unless set: the file /etc/sysmonstm/credentials/aggregator_tls_key, read at each restart." in text
    assert '#tls_key = ""' in text
