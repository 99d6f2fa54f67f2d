"""A real Orthanc with its DICOMweb plugin: Debian 12's 1.10 and Debian 13's 1.12, on any of the hosts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests

from tests.servers.debian import host_suite, unpacked
from tests.servers.process import Server, answers, free_port

_SUITES = {"1.10": "bookworm", "1.12": "trixie"}
_PLUGIN = "usr/share/orthanc/plugins/libOrthancDicomWeb.so"
_PACKAGES = ("orthanc", "orthanc-dicomweb")
_DICTIONARIES = ("dicom.dic", "private.dic")
_LIBRARIES = ("lib/*", "usr/lib/*")  # Debian 12's packages still ship both
_START_DEADLINE_S = 30


@dataclass(frozen=True)
class _Program:
    """How to start one build of Orthanc: the command without its configuration, environment and plugin."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    plugin: Path


def orthanc_versions() -> list[str]:
    """Return the labels that ``Orthanc`` takes, oldest first; each works on every supported host."""
    return list(_SUITES)


def prepare_orthanc(version: str) -> None:
    """Download what ``Orthanc(version)`` needs, so that a later start is quick."""
    _program(version)


def _program(version: str) -> _Program:
    suite = _SUITES[version]
    if suite == host_suite() and Path("/usr/sbin/Orthanc").exists() and (Path("/") / _PLUGIN).exists():
        return _Program(("/usr/sbin/Orthanc",), {}, Path("/") / _PLUGIN)
    root = unpacked(suite, _PACKAGES)
    # The program keeps to the C library and the data files that it was built with, not to the host's.
    loader = next(path for lib in _LIBRARIES for path in root.glob(f"{lib}/ld-linux*.so.*"))
    triplet = loader.parent.name
    libraries = [str(root / lib / triplet) for lib in ("lib", "usr/lib")]
    dictionaries = [str(path) for name in _DICTIONARIES for path in root.glob(f"usr/share/*dcmtk*/{name}")]
    return _Program(
        (str(loader), "--library-path", ":".join(libraries), str(root / "usr/sbin/Orthanc")),
        {"DCMDICTPATH": ":".join(dictionaries), "GCONV_PATH": str(root / "usr/lib" / triplet / "gconv")},
        root / _PLUGIN,
    )


class Orthanc(Server):
    """An Orthanc of its own: storage, ports and AE title belong to this object alone.

    The storage survives ``stop`` and ``kill``, not ``close``. The REST API listens on loopback only (1.10
    refuses remote callers instead); the DICOM port takes any calling and called AE title.

    Parameters
    ----------
    version
        One of ``orthanc_versions()``.
    stable_age_s
        Seconds without a new instance after which Orthanc calls a study stable.
    aet
        AE title of the server.
    username, password
        When given, the REST API asks for them (HTTP Basic); otherwise it is open.
    extra
        Further keys of Orthanc's configuration; they win over those set here.
    http_port
        Port of the REST API; 0 for a free one.
    outlives_parent
        See ``Server``.
    """

    def __init__(
        self,
        version: str = "1.12",
        *,
        stable_age_s: int = 1,
        aet: str = "ORTHANC",
        username: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
        http_port: int = 0,
        outlives_parent: bool = False,
    ) -> None:
        super().__init__("orthanc", outlives_parent=outlives_parent)
        self._program = _program(version)
        self.label = version
        self.aet = aet
        self.auth = (username, password) if username is not None and password is not None else None
        self.http_port, self.dicom_port = http_port or free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.dicomweb_url = f"{self.url}/dicom-web"
        settings = self._settings(stable_age_s) | dict(extra or {})
        (self.directory / "orthanc.json").write_text(json.dumps(settings, indent=1))

    def _settings(self, stable_age_s: int) -> dict[str, Any]:
        storage = str(self.directory / "storage")
        return {
            "Name": "Test",
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "HttpPort": self.http_port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": self.auth is not None,
            "RegisteredUsers": dict([self.auth]) if self.auth else {},
            "DicomPort": self.dicom_port,
            "DicomAet": self.aet,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "UnknownSopClassAccepted": True,
            "StableAge": stable_age_s,
            "OverwriteInstances": False,
            "Plugins": [str(self._program.plugin)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
        }

    @property
    def version(self) -> str:
        """The version that the running server states, for example ``1.12.7``."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self.url}/system", auth=self.auth, timeout=5)
        answer.raise_for_status()
        return str(answer.json()["Version"])

    def addresses(self) -> list[str]:
        return [self.url, self.dicomweb_url, f"DIMSE {self.aet}@127.0.0.1:{self.dicom_port}"]

    def start(self) -> Self:
        (self.directory / "storage").mkdir(exist_ok=True)
        return self._launch(
            [*self._program.argv, self.directory / "orthanc.json"],
            lambda: answers(f"{self.url}/system", self.auth),
            deadline_s=_START_DEADLINE_S,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **self._program.env},
        )
