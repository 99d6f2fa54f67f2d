"""The ledger and the servers of one installation, built from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from indexer.cli.token_file import TokenFile
from indexer.fhir import FhirServer
from indexer.ledger import open_ledger
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.transport import Transport, basic, bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from indexer.config import Access, Config, Source
    from indexer.dicomweb import FileReader
    from indexer.ledger import Ledger
    from indexer.sync.protocols import AttributeSource, ChangeFeed, StudySource
    from indexer.transport import Auth


@dataclass
class Servers:
    """The ledger and the servers; each is built when it is first used."""

    config: Config

    @cached_property
    def ledger(self) -> Ledger:
        return open_ledger(self.config.ledger_url, self.config.target.fhir, site_key=self.config.site_key_bytes)

    @cached_property
    def archives(self) -> dict[str, Archive]:
        return {source.name: ARCHIVES[source.kind](source) for source in self.config.sources}

    @cached_property
    def sources(self) -> dict[str, StudySource]:
        return {name: archive.source for name, archive in self.archives.items()}

    @cached_property
    def feeds(self) -> dict[str, ChangeFeed]:
        """Feeds of the sources that have one; the others can only be listed."""
        return {name: archive.feed for name, archive in self.archives.items() if archive.feed is not None}

    @cached_property
    def target(self) -> FhirServer:
        target = self.config.target
        return FhirServer(transport_to(target, target.fhir, "fhir"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What is built for one configured source.

    Attributes
    ----------
    feed
        None for an archive that does not report its changes.
    dicomweb_root
        Asks the archive for the path of its DICOMweb service.
    samples
        Builds a cheaper way to read single datasets than DICOMweb, from the keywords to read, the way over DICOMweb to
        fall back on, and the cap on instances; None if there is none.
    files
        Builds a way to read files themselves, from the keywords to read; None if there is none.
    """

    source: StudySource
    feed: ChangeFeed | None
    dicomweb_root: Callable[[], str]
    samples: Callable[[Collection[str], AttributeSource, int], AttributeSource] | None = None
    files: Callable[[Collection[str]], FileReader] | None = None


def _orthanc(source: Source) -> Archive:
    transport = transport_to(source, source.orthanc, f"orthanc {source.name}")
    orthanc = OrthancSource(transport, source.name, page_size=source.page_size)
    feed = OrthancFeed(orthanc, page_size=source.feed.page, hole_grace_s=source.feed.hole_grace_s)
    return Archive(
        source=orthanc,
        feed=feed,
        dicomweb_root=lambda: orthanc.dicomweb_root,
        samples=orthanc.samples,
        files=orthanc.file_heads,
    )


ARCHIVES: dict[str, Callable[[Source], Archive]] = {"orthanc": _orthanc}
"""How each kind of source is built."""


def transport_to(access: Access, url: str, peer: str) -> Transport:
    """HTTP to an address, with its configured credentials."""
    return Transport(
        url,
        peer=peer,
        auth=auth_of(access),
        ca_file=access.ca_file,
        timeout_s=access.timeout_s,
        least_rate=access.least_rate,
    )


def auth_of(access: Access) -> Auth | None:
    """Credentials; a token file is read for each request, because tokens are renewed while the daemon runs."""
    if access.username:
        return basic(access.username, access.password.get_secret_value() if access.password else "")
    if access.bearer is None:
        return None
    token = access.bearer.get_secret_value
    return bearer(TokenFile(access.bearer_file, token()).read if access.bearer_file else token)
