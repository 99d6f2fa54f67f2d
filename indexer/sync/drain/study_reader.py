"""Read whole studies with their samples, many at one go where the source can; drain, verify and preview all do so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from indexer.errors import (
    AccessDenied,
    PeerError,
    StudyInvalid,
    StudyNotReady,
    StudyUnreadable,
    StudyVanished,
    Unavailable,
)
from indexer.health import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.model import Series, Study, StudyLocation
    from indexer.sync.drain.read import SourcePipeline

T = TypeVar("T")

STUDIES_AT_ONCE = 32
"""Studies that are read together: what reading costs an archive is shared by all of them, and they are held at once."""

NOTHING: Final[Mapping[StudyLocation, Study]] = MappingProxyType({})
"""Where nothing was read ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyReader:
    """Reads studies from the first source that holds them.

    Attributes
    ----------
    pipelines
        By the name of the source; their order decides which copy of a study is read.
    tries
        Failures of a server after which the last is raised, for somebody waits for the answer; None asks once, and
        finds out whether the study is to blame.
    """

    pipelines: Mapping[str, SourcePipeline]
    tries: int | None = None

    def read_ahead(self, studies: Iterable[Sequence[StudyLocation]]) -> dict[StudyLocation, Study]:
        """What the sources could read at one go of these studies; what is not in it is read alone.

        A server that fails here fails there, too, where it shows on which study.

        Parameters
        ----------
        studies
            The locations of each.
        """
        asked = list(studies)
        ahead: dict[StudyLocation, Study] = {}
        for name, pipeline in self.pipelines.items():
            here = [[location for location in locations if location.source == name] for locations in asked]
            alone = [locations[0] for locations in here if len(locations) == 1]
            if len(alone) > 1:
                with suppress(PeerError):
                    ahead |= pipeline.source.read_batch(alone)
        return {**ahead, **self._sampled_ahead(ahead)}

    def _sampled_ahead(self, ahead: Mapping[StudyLocation, Study]) -> dict[StudyLocation, Study]:
        sampled: dict[StudyLocation, Study] = {}
        for name, pipeline in self.pipelines.items():
            here = [location for location in ahead if location.source == name]
            if pipeline.samples is not None and here:
                with suppress(PeerError):
                    each = pipeline.samples.sample_batch([ahead[location] for location in here])
                    sampled |= {
                        location: _with_samples(ahead[location], series)
                        for location, series in zip(here, each, strict=True)
                        if series is not None
                    }
        return sampled

    def read(
        self, locations: Sequence[StudyLocation], ahead: Mapping[StudyLocation, Study] = NOTHING
    ) -> tuple[Study, SourcePipeline]:
        """The study from the first source that holds it, with its samples.

        Parameters
        ----------
        ahead
            What of it was read already.

        Raises
        ------
        StudyVanished
            If no source holds it.
        StudyInvalid
            If one source holds it twice, under two patients.
        StudyNotReady
            If it stands in a source only that is not configured now.
        StudyUnreadable
            If the source fails on it, though it answers otherwise.
        PeerError
            If a server as a whole does not do what it is asked; its health has counted that.
        """
        for name, pipeline in self.pipelines.items():
            location = self._location(pipeline, [location for location in locations if location.source == name])
            if location is not None:
                with suppress(StudyVanished):
                    study = ahead.get(location) or self._read(pipeline, location)
                    return self._sampled(pipeline, study), pipeline
        if any(location.source not in self.pipelines for location in locations):
            raise StudyNotReady(
                "the source of this study is not configured",
                cause="source_not_configured",
                hint="Put the source back under its former name; its studies are known by it.",
            )
        raise StudyVanished("no source holds this study", cause="vanished")

    def _location(self, pipeline: SourcePipeline, locations: Sequence[StudyLocation]) -> StudyLocation | None:
        """Where a study stands in one source; of several places those are left out that it left."""
        if len(locations) > 1:
            holds = pipeline.source.holds
            locations = self._asked(
                pipeline,
                pipeline.health,
                lambda: [location for location in locations if holds(location.location_id)],
            )
        if len(locations) > 1:
            raise StudyInvalid(
                "one source holds this study under two patients",
                cause="identity_conflict",
                hint="Merge or delete the wrong copy in the archive, then replay.",
            )
        return locations[0] if locations else None

    def _read(self, pipeline: SourcePipeline, location: StudyLocation) -> Study:
        return self._asked(pipeline, pipeline.health, lambda: pipeline.source.read(location))

    def _sampled(self, pipeline: SourcePipeline, study: Study) -> Study:
        samples = pipeline.samples
        if samples is None or study.is_sampled:
            return study
        return _with_samples(study, self._asked(pipeline, pipeline.samples_health, lambda: samples.sample(study)))

    def _asked(self, pipeline: SourcePipeline, health: ServerHealth, ask: Callable[[], T]) -> T:
        if self.tries is not None:
            return health.call("read", ask, tries=self.tries)
        return health.call("read", lambda: _blaming(pipeline, ask), tries=1)


def _with_samples(study: Study, series: tuple[Series, ...]) -> Study:
    return replace(study, series=series, is_sampled=True)


def _blaming(pipeline: SourcePipeline, ask: Callable[[], T]) -> T:
    """What a source answers; whose fault a failure is shows in whether the source still answers another question."""
    try:
        return ask()
    except PeerError as error:
        if isinstance(error, AccessDenied) or _is_outage(error):
            raise
        if _answers(pipeline):
            raise StudyUnreadable(error.message, status=error.status) from None
        if isinstance(error, FAILURES):
            raise
        raise Unavailable(error.message, peer=error.peer, status=error.status, hint=error.hint) from None


def _answers(pipeline: SourcePipeline) -> bool:
    try:
        pipeline.source.ping()
    except PeerError:
        return False
    return True


def _is_outage(error: PeerError) -> bool:
    """Nobody answered at all, or a proxy did in the server's stead."""
    return isinstance(error, Unavailable) and error.status in (None, 429, 502, 503, 504)
