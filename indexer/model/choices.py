"""What a site chooses, in the words of its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

IssuerUse = Literal["read", "ignore"]
"""Whether the issuer of a PatientID tells equal numbers apart."""

FileReading = Literal["doubtful", "all"]
"""Which of the sampled files are read themselves, beside what the archive answers about them."""

Resolvable = Literal["basedOn", "encounter", "referrer"]
"""Elements whose references can be looked up."""

BundleChoice = Literal["auto", "transaction", "batch"]
"""Kind of the Bundles; ``auto`` asks the server."""

Ownership = Literal["shared", "exclusive"]
"""Whether what others wrote into our resources survives our updates."""

DemographicsUpdate = Literal["never", "when_ours", "always"]
"""In which Patients name, gender and birth date follow the archive."""


class Release(StrEnum):
    """FHIR releases that resources can be made for."""

    R4 = "R4"
    R4B = "R4B"
    R5 = "R5"
    R6 = "R6"


class PatientMode(StrEnum):
    """Which Patient a study refers to."""

    MATCH_OR_CREATE = "match_or_create"
    MATCH = "match"
    CREATE = "create"
    LOGICAL = "logical"
    CONTAINED = "contained"


class WithoutNumber(StrEnum):
    """What becomes of a study without a PatientID."""

    QUARANTINE = "quarantine"
    ABSENT = "absent"
    STUDY = "study"


class PatientCheck(StrEnum):
    """What becomes of a study whose Patient on the FHIR server seems to be another person."""

    WARN = "warn"
    HOLD = "hold"
    OFF = "off"


class Element(StrEnum):
    """Elements that a site can switch on and off; the rest is always written where DICOM states it."""

    BASED_ON = "basedOn"
    PROCEDURE = "procedure"
    REASON = "reason"
    BODY_SITE = "bodySite"
    BODY_SITE_TEXT = "bodySiteText"
    LATERALITY = "laterality"
    SPECIMEN = "specimen"
    DEVICE = "device"
    TITLE = "title"
    IMAGE_TITLE = "imageTitle"
    NUMBER_OF_FRAMES = "numberOfFrames"
    SOP_CLASS_NAME = "sopClassName"
    ORGANIZATION = "organization"
    LOCATION = "location"
    ENCOUNTER = "encounter"
    STUDY_ID = "studyId"
    NOTE = "note"
    REFERRER = "referrer"
    INTERPRETER = "interpreter"
    PERFORMER = "performer"
    STARTED_FALLBACK = "startedFallback"
    DEVICE_SUBJECT = "deviceSubject"


DEFAULT_ELEMENTS = frozenset(
    {
        Element.BASED_ON,
        Element.PROCEDURE,
        Element.REASON,
        Element.BODY_SITE,
        Element.BODY_SITE_TEXT,
        Element.LATERALITY,
        Element.SPECIMEN,
        Element.DEVICE,
        Element.TITLE,
        Element.NUMBER_OF_FRAMES,
        Element.SOP_CLASS_NAME,
    }
)
"""Without persons, places, stays and free text, which a site has to want."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Whether single instances are listed below their series; counts are exact either way.

    Attributes
    ----------
    cap
        With ``capped``: a study of more instances than this lists none of them.
    """

    level: Literal["full", "capped", "none"] = "full"
    cap: int | None = None

    def are_listed(self, number_of_instances: int) -> bool:
        """Whether a study of so many instances lists them."""
        if self.level == "capped":
            return self.cap is None or number_of_instances <= self.cap
        return self.level == "full"


class Conflict(StrEnum):
    """What holds where both changed one element: our value, theirs, or none until somebody decides."""

    OURS = "ours"
    THEIRS = "theirs"
    QUARANTINE = "quarantine"
