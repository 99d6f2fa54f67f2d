"""What an Orthanc's list of changes shows, row by row, with faults by script."""

from collections.abc import Mapping
from datetime import UTC, datetime

from indexer.model import StudyLocation
from indexer.orthanc.position import Change, ChangePage, Level
from tests.fakes.script import Clock, Script


class ChangeLog:
    """The part of `OrthancSource` that a feed needs. Ids of instances are that of their study with ``/`` and an index.

    Attributes
    ----------
    last
        What an empty page says in ``Last``; None for the highest Seq ever.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.script = Script()
        self.studies: set[str] = set()
        self.rows: list[Change] = []
        self.uncommitted: set[int] = set()
        self.last: int | None = None
        self.seq = 0

    def put(self, study: str, *, stable: bool = True) -> None:
        """Store a study, with the three rows that Orthanc logs, or two while it is not stable."""
        self.studies.add(study)
        self.log("NewInstance", Level.INSTANCE, f"{study}/0")
        self.log("NewStudy", Level.STUDY, study)
        if stable:
            self.log("StableStudy", Level.STUDY, study)

    def remove(self, study: str) -> None:
        """Delete a study: its rows go with it, and none is logged."""
        self.studies.remove(study)
        self.rows = [row for row in self.rows if row.orthanc_id.split("/")[0] != study]

    def log(self, change_type: str, level: Level | None, orthanc_id: str, *, is_late: bool = False) -> int:
        """Log a row; a late one has its Seq but is not seen before `commit`."""
        self.seq += 1
        if is_late:
            self.uncommitted.add(self.seq)
        date = self._now()
        self.rows.append(Change(seq=self.seq, change_type=change_type, level=level, orthanc_id=orthanc_id, date=date))
        return self.seq

    def commit(self, seq: int) -> None:
        """Let a late row be seen."""
        self.uncommitted.discard(seq)

    def replace_database(self) -> None:
        """Begin anew with an empty database."""
        self.studies, self.rows, self.seq = set(), [], 0

    def changes(self, since: int, limit: int) -> ChangePage:
        self.script.play("changes")
        visible = [row for row in self.rows if row.seq > since and row.seq not in self.uncommitted]
        page = tuple(visible[:limit])
        last = page[-1].seq if page else self.seq if self.last is None else self.last
        return ChangePage(changes=page, done=len(visible) <= limit, last=last)

    def newest_seq(self) -> int:
        return max((row.seq for row in self.rows if row.seq not in self.uncommitted), default=0)

    def server_time(self) -> str:
        self.script.play("server_time")
        return self._now()

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S")

    def locate(self, resources: Mapping[str, Level]) -> tuple[StudyLocation, ...]:
        self.script.play("locate")
        studies = {orthanc_id.split("/")[0] for orthanc_id in resources} & self.studies
        return tuple(StudyLocation("main", study, f"1.2.{study}") for study in sorted(studies))
