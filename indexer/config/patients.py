"""The group ``patients``: whom studies refer to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from indexer.config.keys import Keys, key, mistake
from indexer.model.choices import DemographicsUpdate, PatientCheck, PatientMode, WithoutNumber


def _off_is_a_word(value: Any) -> Any:
    """YAML reads a bare ``off`` as false."""
    return PatientCheck.OFF if value is False else value


class Patients(Keys):
    """Which Patient a study refers to, and who keeps it."""

    mode: Literal[
        PatientMode.MATCH_OR_CREATE,
        PatientMode.MATCH,
        PatientMode.CREATE,
        PatientMode.LOGICAL,
        PatientMode.CONTAINED,
    ] = key(
        PatientMode.MATCH_OR_CREATE,
        "With match_or_create the Patient that bears the identifier, made if there is none. With match the "
        "study waits until there is one. With create one of our own, without a look. With logical the identifier "
        "alone, with contained a Patient inside the study.",
    )
    without_number: Literal[WithoutNumber.QUARANTINE, WithoutNumber.ABSENT, WithoutNumber.STUDY] = key(
        WithoutNumber.QUARANTINE,
        "What becomes of a study without a PatientID. With quarantine it is not published. With absent its "
        "subject says that the patient is unknown. With study it has a Patient of its own, which no other study "
        "shares; this needs a mode that makes Patients.",
    )
    check: Annotated[
        Literal[PatientCheck.WARN, PatientCheck.HOLD, PatientCheck.OFF], BeforeValidator(_off_is_a_word)
    ] = key(
        PatientCheck.WARN,
        "Whether a Patient of others that bears the number is compared with the archive. It is a mismatch if the birth "
        "date differs and so does the family name or the sex. With warn the study is published and counted, with "
        "hold it goes to quarantine until 'quarantine resolve' says which Patient it is.",
    )
    update_demographics: DemographicsUpdate = key(
        "when_ours",
        "Whether name, gender and birthDate follow the archive after the Patient was made: never, in those "
        "that we made, or in those of others, too.",
    )
    devices: list[str] | None = key(
        None,
        "Patterns (*, ?) of PatientIDs that are phantoms, animals or other non-patients: their studies are "
        "of a Device. With this key, be it [], so are datasets with QualityControlSubject (0010,0200) YES.",
        example=["PHANTOM*", "QA-??"],
    )

    @model_validator(mode="after")
    def _patient_can_be_made(self) -> Patients:
        if self.without_number is WithoutNumber.STUDY and self.mode in (PatientMode.MATCH, PatientMode.LOGICAL):
            raise mistake(("without_number",), f"expected quarantine or absent: mode {self.mode} makes no Patient")
        return self
