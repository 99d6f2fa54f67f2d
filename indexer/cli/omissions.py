"""What was left out of a study, in sentences: what, why, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indexer.mapping import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.mapping import Issue

_CORRECT: Final = "Correct it in the archive."

SENTENCES: Final[Mapping[Cause, str]] = {
    Cause.MISSING: (
        "the attribute is missing; only a modality is derived, from the SOP class, or is OT. Add it in the archive."
    ),
    Cause.MALFORMED: f"the value was left out because it does not have the format that DICOM demands. {_CORRECT}",
    Cause.OUT_OF_RANGE: f"the number was left out because FHIR allows only 0 to 2147483647. {_CORRECT}",
    Cause.UNKNOWN_CODE: (
        "DICOM does not define this term, so it was written without a code system, as text, or left out. "
        "Correct it in the archive; a body part can be added to 'mapping.body_parts'."
    ),
    Cause.UNKNOWN_SYSTEM: (
        "the code was left out and only its meaning written, because its coding scheme is not known. "
        "Add the scheme to 'mapping.coding_schemes'."
    ),
    Cause.DISAGREES: f"it was left out because the study contradicts itself. {_CORRECT}",
    Cause.DUPLICATE: "instances that are there more than once were listed once. Delete the copies in the archive.",
    Cause.NO_ZONE: "the time was left out because its time zone is not known. Set 'timezone' of the source.",
    Cause.BEFORE_STUDY: (
        "the start of the series was left out because FHIR R6 allows none that is before the start of the study, "
        "or less precise. Correct the dates in the archive; if only times are missing, set 'timezone' of the source."
    ),
    Cause.NOT_LISTED: (
        "an entry was left out of a list, or the count of a list that is incomplete was left out. "
        "Correct UIDs and SOP classes in the archive; 'instances: full' lists all instances."
    ),
    Cause.NOT_CLAIMED: (
        "the resource does not claim the profile of the preset, because the profile demands this element or allows it "
        "only once. Correct the study in the archive, or choose another 'mapping.preset'."
    ),
    Cause.STUDY_CONFLICT: (
        "instances disagree, so the value of images was preferred to that of other objects, then that of most "
        f"instances. {_CORRECT}"
    ),
    Cause.CHARSET_UNKNOWN: (
        "the text was left out because its character set is not known. "
        "Correct SpecificCharacterSet (0008,0005) in the archive."
    ),
    Cause.TOO_DEEP: (
        "the sequence is nested more than 16 levels deep; what stands below was left out. "
        "Correct the file in the archive."
    ),
    Cause.AMBIGUOUS_TIME: (
        "the time was left out because it is skipped or repeated by the clock change of that day. "
        "Let the device send TimezoneOffsetFromUTC (0008,0201)."
    ),
}
"""Why something was left out, and what to do: follows the name of the attribute or element."""


def sentence(issue: Issue) -> str:
    """One omission for a reader, without any value."""
    times = f" ({issue.count} times)" if issue.count > 1 else ""
    return f"{issue.keyword}{times}: {SENTENCES[issue.cause]}"
