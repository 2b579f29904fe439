"""Whether secrets lie where only root and their daemon read them."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from sysmonstm import toml_text
from sysmonstm.config import SECRET
from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.place import CREDENTIALS, Daemon, Place
from sysmonstm.toml_text import TomlError

OTHERS = 0o077
EVERYBODY = 0o007
_PASSWORD = re.compile(r"//[^/@]*:[^/@]+@|\bpassword\s*=")


@dataclass(frozen=True, slots=True)
class Secret:
    """A file that holds a secret, or the setting of one, and who may read it."""

    path: Path
    mode: int
    owner: int
    field: str = ""


def check(place: Place) -> list[Finding]:
    """Of services; what a `sysmonctl up` was told is in its environment."""
    if not place.by_systemd:
        return []
    elsewhere = [one for daemon in place.daemons for one in _elsewhere(daemon, root=place.root)]
    return [*elsewhere, *_usual(place, place.settings / "credentials")]


def _elsewhere(daemon: Daemon, *, root: bool) -> list[Finding]:
    """Of files that somebody has named, as on NixOS; whose they are is for him to say."""
    found = []
    for name, file in sorted(daemon.credentials.items()):
        if file.parent == CREDENTIALS or not (root or file.exists()):
            continue
        if not file.exists():
            sentence = f"{file}, of which {daemon.name} is to have a copy as {name}, is not there"
            found.append(fail(sentence, f"put it there, and systemctl restart sysmon-{daemon.name}"))
        elif (name in SECRET or name.endswith("_key")) and file.stat().st_mode & EVERYBODY:
            found.append(warn(f"{file} is a secret that everybody can read", f"chmod o= {file}"))
    return found


def _usual(place: Place, directory: Path) -> list[Finding]:
    settings = [one for daemon in place.daemons for one in _in_settings(place.settings / f"{daemon.name}.toml")]
    try:
        outer, files = _secret(directory), [_secret(one) for one in sorted(directory.iterdir()) if one.is_file()]
    except FileNotFoundError:
        return judge(None, settings)
    except PermissionError:
        amiss = [one for one in judge(None, settings) if one.verdict is not Verdict.OK]
        return [*amiss, unseen(f"what lies in {directory} is for root to see", "sudo sysmonctl doctor")]
    return judge(outer, [*files, *settings])


def _secret(path: Path, field: str = "") -> Secret:
    status = path.stat()
    return Secret(path, stat.S_IMODE(status.st_mode), status.st_uid, field)


def _in_settings(file: Path) -> list[Secret]:
    """The secrets that somebody has written into a file of settings."""
    try:
        told = toml_text.parse(asking.text_of(file) or "")
    except TomlError:
        return []
    given = {name: str(told[name]) for name in sorted(SECRET & told.keys())}
    # The address of a webhook is the secret itself; of the others the password is.
    fields = [name for name, value in given.items() if value and (name == "webhook_url" or _PASSWORD.search(value))]
    return [_secret(file, field) for field in fields]


def judge(directory: Secret | None, files: list[Secret]) -> list[Finding]:
    """What is to be said of the directory of credentials, None if there is none, and of all that hold secrets."""
    found: list[Finding] = []
    for one in files:
        if one.field and one.mode & OTHERS:
            move = f"write its value into /etc/sysmonstm/credentials/{one.field} and take it out of {one.path}"
            found.append(warn(f"{one.field} in {one.path} is a secret that everybody can read", move))
        elif not one.field and (one.mode & OTHERS or one.owner):
            fix = f"chown root:root {one.path} && chmod 600 {one.path}"
            found.append(fail(f"{one.path} is a secret that others than root can read (mode {one.mode:04o})", fix))
    if directory and (directory.mode & OTHERS or directory.owner):
        fix = f"chown root:root {directory.path} && chmod 700 {directory.path}"
        found.append(warn(f"{directory.path} is open to others than root (mode {directory.mode:04o})", fix))
    secrets = "1 secret is" if len(files) == 1 else f"{len(files)} secrets are"
    return found or [ok(f"{secrets} kept from everybody but root" if files else "there is no secret to keep")]
