"""The group ``patients``: whom studies refer to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from indexer.config.keys import Keys


class Patients(Keys):
    """Which Patient a study refers to, and who keeps it."""

    mode: Literal["match_or_create", "match", "create", "logical", "contained"] = Field(
        default="match_or_create",
        description="With match_or_create the Patient that bears the identifier, made if there is none. With match the "
        "study waits until there is one. With create one of our own, without a look. With logical the identifier "
        "alone, with contained a Patient inside the study.",
    )
    update_demographics: Literal["never", "when_ours", "always"] = Field(
        default="when_ours",
        description="Whether name, gender and birthDate follow the archive after the Patient was made: never, in those "
        "that we made, or in those of others, too.",
    )
    devices: list[str] | None = Field(
        default=None,
        description="Patterns (*, ?) of PatientIDs that are phantoms, animals or other non-patients: their studies are "
        "of a Device. With this key, be it [], so are datasets with QualityControlSubject (0010,0200) YES.",
        examples=[["PHANTOM*", "QA-??"]],
    )
