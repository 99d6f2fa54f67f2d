"""The ledger and the servers of one installation, built from its configuration; no flow over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from indexer.config import read_secret
from indexer.fhir import FhirServer
from indexer.ledger import open_ledger
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.transport import Transport, basic, bearer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import SecretStr

    from indexer.config import Config, Source
    from indexer.ledger import SqlLedger
    from indexer.sync.protocols import ChangeFeed, StudySource
    from indexer.transport import Auth


@dataclass
class Servers:
    """What commands talk to; each is built when it is first asked for."""

    config: Config

    @cached_property
    def ledger(self) -> SqlLedger:
        return open_ledger(self.config.ledger_url, site_key=self.config.site_key_bytes)

    @cached_property
    def archives(self) -> dict[str, Archive]:
        return {source.name: ARCHIVES[source.kind](source) for source in self.config.sources}

    @cached_property
    def sources(self) -> dict[str, StudySource]:
        return {name: archive.source for name, archive in self.archives.items()}

    @cached_property
    def feeds(self) -> dict[str, ChangeFeed]:
        """Feeds of the sources that have one; the others are listed only."""
        return {name: archive.feed for name, archive in self.archives.items() if archive.feed is not None}

    @cached_property
    def target(self) -> FhirServer:
        target = self.config.target
        auth = _bearer(target.bearer, target.bearer_file) if target.bearer else _basic(target.username, target.password)
        return FhirServer(
            Transport(target.fhir, peer="fhir", auth=auth, ca_file=target.ca_file, timeout_s=target.timeout_s)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is built of one configured source.

    Attributes
    ----------
    feed
        None for an archive that tells nothing of its changes.
    dicomweb_root
        Asks the archive for the path of its DICOMweb service.
    """

    source: StudySource
    feed: ChangeFeed | None
    dicomweb_root: Callable[[], str]


def _orthanc(source: Source) -> Archive:
    orthanc = OrthancSource(transport_to(source, "orthanc"), source.name, page_size=source.page_size)
    feed = OrthancFeed(orthanc, page_size=source.feed.page, hole_grace_s=source.feed.hole_grace_s)
    return Archive(source=orthanc, feed=feed, dicomweb_root=lambda: orthanc.dicomweb_root)


ARCHIVES: dict[str, Callable[[Source], Archive]] = {"orthanc": _orthanc}
"""How each kind of source is built."""


def transport_to(source: Source, peer: str) -> Transport:
    auth = _basic(source.username, source.password)
    name = f"{peer} {source.name}"
    return Transport(source.orthanc, peer=name, auth=auth, ca_file=source.ca_file, timeout_s=source.timeout_s)


def _basic(username: str | None, password: SecretStr | None) -> Auth | None:
    return basic(username, password.get_secret_value() if password else "") if username else None


def _bearer(fixed: SecretStr, path: Path | None) -> Auth:
    """The token as configured; one in a file is read anew at each request, for it is renewed while we run."""
    return bearer((lambda: read_secret(path).get_secret_value()) if path else fixed.get_secret_value)
