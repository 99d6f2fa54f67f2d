"""Packages of another Debian release, unpacked into the cache: no root rights, no chroot, no container.

``apt-get`` resolves and downloads the packages with all their dependencies (down to the C library) into a
directory of its own, checked with Debian's archive keys; ``dpkg-deb`` unpacks them. Nothing is configured and
no maintainer script runs, so this suits programs that read no configuration from /etc.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from tests.servers.cache import built
from tests.servers.process import ServerError

_KEYRINGS = Path("/usr/share/keyrings")
_DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
_NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "usr/include")


@cache
def host_suite() -> str:
    """Return the code name of the host's release (``bookworm``), empty when it is not Debian."""
    release = _os_release()
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def unpacked(suite: str, packages: Sequence[str]) -> Path:
    """Return a directory that holds the packages of a Debian release and all that they depend on.

    Raises
    ------
    ServerError
        No Debian mirror is known, or apt-get or dpkg-deb failed.
    """

    def build(draft: Path) -> None:
        _unpack(_download(suite, packages, draft / "apt"), draft)
        shutil.rmtree(draft / "apt")

    return built(f"{packages[0]}-{suite}", build)


def _download(suite: str, packages: Sequence[str], apt: Path) -> list[Path]:
    for directory in ("state/lists/partial", "cache/archives/partial", "none"):
        (apt / directory).mkdir(parents=True)
    (apt / "status").touch()
    keyring = next(p for p in sorted(_KEYRINGS.glob("debian-archive-keyring.*")) if p.suffix in {".gpg", ".pgp"})
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] {_mirror()} {suite} main\n")
    (apt / "apt.conf").write_text(_apt_conf(apt))
    env = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C.UTF-8"}
    _run(["apt-get", "-qq", "update"], env)
    _run(["apt-get", "-qq", "--yes", "--download-only", "install", *packages], env)
    return sorted((apt / "cache/archives").glob("*.deb"))


def _apt_conf(apt: Path) -> str:
    # The host's own settings are left out (hooks, pinning), but for how to reach a mirror: its proxies.
    acquire = _run(["apt-config", "dump", "Acquire"])
    return f"""{acquire}
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Etc::main "{apt}/none/conf";
Dir::Etc::parts "{apt}/none";
Dir::Etc::sourcelist "{apt}/sources.list";
Dir::Etc::sourceparts "{apt}/none";
Dir::Etc::preferences "{apt}/none/preferences";
Dir::Etc::preferencesparts "{apt}/none";
APT::Architectures {{ "{_run(["dpkg", "--print-architecture"]).strip()}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


def _mirror() -> str:
    """Return the Debian mirror that this host is set to use; on Ubuntu the one debootstrap would take."""
    if host_suite():
        targets = _run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"])
        for line in targets.splitlines():
            suite, _, uri = line.partition(" ")
            if suite in {host_suite(), "stable", "oldstable"} and "security" not in uri:
                return uri
    elif _DEBOOTSTRAP.exists() and (found := re.search(r'DEF_MIRROR="([^"]+)"', _DEBOOTSTRAP.read_text())):
        return found[1]
    raise ServerError("no Debian mirror is known: is a 'deb' line of apt's sources, or debootstrap, missing?")


def _unpack(archives: Iterable[Path], root: Path) -> None:
    for archive in archives:
        _run(["dpkg-deb", "--extract", str(archive), str(root)])
    for name in _NOT_NEEDED:
        shutil.rmtree(root / name, ignore_errors=True)


def _run(argv: Sequence[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"{' '.join(argv[:2])} failed with code {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
