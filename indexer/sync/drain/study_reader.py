"""Read whole studies with their samples, many in one request where the source can. Drain, verify and preview do so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from indexer.errors import (
    AccessDenied,
    PeerError,
    ProtocolViolation,
    StudyError,
    StudyInvalid,
    StudyNotReady,
    StudyUnreadable,
    StudyVanished,
    Unavailable,
)
from indexer.health import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.mapping import Rules
    from indexer.model import Series, Study, StudyLocation
    from indexer.sync.protocols import AttributeSource, StudySource

T = TypeVar("T")

STUDIES_AT_ONCE = 32
"""Studies that are read together: they share what reading costs an archive, and are in memory at the same time."""

NOTHING: Final[Mapping[StudyLocation, Study]] = MappingProxyType({})
"""Where nothing was read ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredSource:
    """A source, the health of its servers, and the rules by which its studies are mapped.

    Attributes
    ----------
    samples
        None where reading single datasets is switched off.
    samples_health
        That of the server that `samples` asks.
    readers
        Threads that read it at a time.
    """

    source: StudySource
    health: ServerHealth
    samples: AttributeSource | None
    samples_health: ServerHealth
    readers: int
    rules: Rules

    @property
    def is_failing(self) -> bool:
        """Whether one of its servers failed when it was read last."""
        return self.health.is_failing("read") or self.samples_health.is_failing("read")

    @property
    def wait_s(self) -> float:
        """Seconds until it may be read again; 0.0 if it may be read now."""
        return max(self.health.wait_s("read"), self.samples_health.wait_s("read"))

    @property
    def servers(self) -> tuple[str, str]:
        """Names of its servers, as in `PeerError.peer`."""
        return self.health.server, self.samples_health.server


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyReader:
    """Reads studies from the first source that has them.

    Attributes
    ----------
    sources
        By name; their order decides which copy of a study is read.
    tries
        Failures of a server after which the last one is raised, because somebody waits for the answer. None asks once,
        and finds out whether the study is to blame.
    """

    sources: Mapping[str, ConfiguredSource]
    tries: int | None = None
    _read_well: dict[str, tuple[StudyLocation, ...]] = field(default_factory=dict, init=False, repr=False)

    def read_ahead(self, studies: Sequence[Sequence[StudyLocation]]) -> dict[StudyLocation, Study]:
        """What the sources could read of these studies in one request; `read` gets the others.

        A server that fails here fails in `read` as well, which finds out on which study.

        Parameters
        ----------
        studies
            The locations of each.
        """
        ahead: dict[StudyLocation, Study] = {}
        for name, configured in self.sources.items():
            here = [[location for location in locations if location.source == name] for locations in studies]
            alone = [locations[0] for locations in here if len(locations) == 1]
            if len(alone) > 1:
                with suppress(PeerError):
                    ahead |= configured.source.read_batch(alone)
        return {**ahead, **self._sampled_ahead(ahead)}

    def _sampled_ahead(self, ahead: Mapping[StudyLocation, Study]) -> dict[StudyLocation, Study]:
        sampled: dict[StudyLocation, Study] = {}
        for name, configured in self.sources.items():
            here = [location for location in ahead if location.source == name]
            if configured.samples is not None and here:
                with suppress(PeerError):
                    batch = configured.samples.sample_batch([ahead[location] for location in here])
                    sampled |= {
                        location: _with_samples(ahead[location], series)
                        for location, series in zip(here, batch, strict=True)
                        if series is not None
                    }
        return sampled

    def read(
        self, locations: Sequence[StudyLocation], ahead: Mapping[StudyLocation, Study] = NOTHING
    ) -> tuple[Study, ConfiguredSource]:
        """The study from the first source that has it, with its samples; `ahead` is what `read_ahead` returned.

        Raises
        ------
        StudyVanished
            If no source has it.
        StudyInvalid
            If one source has it twice, under two patients.
        StudyNotReady
            If only a source has it that is not configured now.
        StudyUnreadable
            If the source fails on it and answers otherwise.
        PeerError
            If a server as a whole does not do what it is asked; its health has counted that.
        """
        for name, configured in self.sources.items():
            location = self._location(configured, [location for location in locations if location.source == name])
            if location is not None:
                with suppress(StudyVanished):
                    study = ahead.get(location) or self._read(configured, location)
                    study = self._sampled(configured, study, location)
                    others = [other for other in self._read_well.get(name, ()) if other != location]
                    self._read_well[name] = (location, *others[:1])
                    return study, configured
        if any(location.source not in self.sources for location in locations):
            raise StudyNotReady(
                "the source of this study is not configured",
                cause="source_not_configured",
                hint="Put the source back under its former name; its studies are known by it.",
            )
        raise StudyVanished("no source holds this study", cause="vanished")

    def _location(self, configured: ConfiguredSource, locations: Sequence[StudyLocation]) -> StudyLocation | None:
        """The location of a study in one source; of several, those that no longer exist are left out."""
        if len(locations) > 1:
            holds = configured.source.holds
            locations = self._asked(
                configured,
                configured.health,
                lambda: [location for location in locations if holds(location.location_id)],
            )
        if len(locations) > 1:
            raise StudyInvalid(
                "one source holds this study under two patients",
                cause="identity_conflict",
                hint="Merge or delete the wrong copy in the archive, then replay.",
            )
        return locations[0] if locations else None

    def _read(self, configured: ConfiguredSource, location: StudyLocation) -> Study:
        read = configured.source.read
        return self._asked(configured, configured.health, lambda: read(location), self._another(location, read))

    def _sampled(self, configured: ConfiguredSource, study: Study, location: StudyLocation) -> Study:
        samples = configured.samples
        if samples is None or study.is_sampled:
            return study
        another = self._another(location, lambda other: samples.sample(configured.source.read(other)))
        series = self._asked(configured, configured.samples_health, lambda: samples.sample(study), another)
        return _with_samples(study, series)

    def _another(self, location: StudyLocation, ask: Callable[[StudyLocation], object]) -> Callable[[], object] | None:
        """The same request for another study of the source that was read well; None if none was."""
        others = [other for other in self._read_well.get(location.source, ()) if other != location]
        return (lambda: ask(others[0])) if others else None

    def _asked(
        self,
        configured: ConfiguredSource,
        health: ServerHealth,
        ask: Callable[[], T],
        another: Callable[[], object] | None = None,
    ) -> T:
        if self.tries is not None:
            return health.call("read", ask, tries=self.tries)
        return health.call("read", lambda: _blaming(configured, ask, another), tries=1)


def _with_samples(study: Study, series: tuple[Series, ...]) -> Study:
    return replace(study, series=series, is_sampled=True)


def _blaming(configured: ConfiguredSource, ask: Callable[[], T], another: Callable[[], object] | None) -> T:
    """What a source answers. If it fails, but still answers a ping, the study is to blame.

    Unless the answer is malformed, and that for a study which was read before is so as well.
    """
    try:
        return ask()
    except PeerError as error:
        if isinstance(error, AccessDenied) or _is_outage(error):
            raise
        if isinstance(error, ProtocolViolation) and another is not None and _is_malformed(another):
            raise
        if _answers(configured.source):
            raise StudyUnreadable(error.message, cause="source_error", status=error.status) from None
        if isinstance(error, FAILURES):
            raise
        raise Unavailable(error.message, peer=error.peer, status=error.status, hint=error.hint) from None


def _is_malformed(ask: Callable[[], object]) -> bool:
    try:
        with suppress(StudyError):
            ask()
    except PeerError as error:
        return isinstance(error, ProtocolViolation)
    return False


def _answers(source: StudySource) -> bool:
    try:
        source.ping()
    except PeerError:
        return False
    return True


def _is_outage(error: PeerError) -> bool:
    """Whether nobody answered, or a proxy did instead of the server."""
    return isinstance(error, Unavailable) and error.status in (None, 429, 502, 503, 504)
