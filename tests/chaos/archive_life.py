"""The life of an archive, at random: studies arrive, grow, are corrected and deleted, whatever stops meanwhile."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from pydicom.dataset import Dataset

from tests.samples import delete, generate, instance, modify, store_anew, store_rest
from tests.servers.orthanc import Orthanc

PATIENTS = 40
FEW, MANY = 20, 120
"""Below so many studies nothing is deleted; above so many, nothing else is done than to delete."""


@dataclass
class ArchiveLife:
    """Changes one Orthanc at random until a stop is asked for.

    Attributes
    ----------
    pause_s
        Mean time between two changes.
    done
        How often each kind of change was made; those that Orthanc did not live to confirm count as ``interrupted``.
    """

    orthanc: Orthanc
    seed: str
    stop: threading.Event
    pause_s: float = 1.0
    done: Counter[str] = field(default_factory=Counter)
    _studies: dict[str, list[Dataset]] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} archive")

    def live(self) -> None:
        """Change something, wait, and so on."""
        while not self.stop.wait(self._random.expovariate(1 / self.pause_s)):
            change = self._choose()
            try:
                change()
                self.done[change.__name__] += 1
            except requests.RequestException:
                self.done["interrupted"] += 1

    def _choose(self) -> Callable[[], None]:
        if len(self._studies) < FEW:
            return self.arrive
        if len(self._studies) > MANY:
            return self.vanish
        changes = [self.arrive, self.grow, self.correct, self.correct_in_place, self.vanish]
        return self._random.choices(changes, weights=[5, 3, 1, 1, 1])[0]

    def arrive(self) -> None:
        """A new study of one of a few patients."""
        self._count += 1
        patient = f"{self.seed}-{self._random.randrange(PATIENTS)}".upper()
        series, instances = self._random.randint(1, 3), self._random.randint(1, 4)
        made = generate(1, series, instances, seed=f"{self.seed}-{self._count}", patient_ids=[patient])
        self._studies[made[0].StudyInstanceUID] = made
        store_rest(self.orthanc, made)

    def grow(self) -> None:
        """One more instance, in a new series or the last one."""
        _, datasets = self._any()
        last = datasets[-1]
        number = last.SeriesNumber - self._random.randint(0, 1)
        added = instance(f"{last.StudyInstanceUID}-{len(datasets)}", 0, number, len(datasets), **_of_study(last))
        added.StudyInstanceUID = last.StudyInstanceUID
        datasets.append(added)
        store_rest(self.orthanc, [added])

    def correct(self) -> None:
        """The study is deleted and sent again with another description."""
        _, datasets = self._any()
        for dataset in datasets:
            dataset.StudyDescription = self._description()
        store_anew(self.orthanc, datasets)

    def correct_in_place(self) -> None:
        """Orthanc itself changes the description and keeps every UID."""
        uid, datasets = self._any()
        description = self._description()
        modify(self.orthanc, uid, StudyDescription=description)
        for dataset in datasets:
            dataset.StudyDescription = description

    def vanish(self) -> None:
        """A study is deleted."""
        uid, _ = self._any()
        del self._studies[uid]
        delete(self.orthanc, uid)

    def _any(self) -> tuple[str, list[Dataset]]:
        uid = self._random.choice(list(self._studies))
        return uid, self._studies[uid]

    def _description(self) -> str:
        self._count += 1
        return f"Corrected {self._count}"


def _of_study(dataset: Dataset) -> dict[str, Any]:
    """What a new instance has in common with its study."""
    keywords = (
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "StudyDescription",
    )
    return {keyword: dataset[keyword].value for keyword in keywords}
