"""The configuration file's keys: names, kinds, defaults and what each one is for.

The descriptions here are the only ones: the example file, the JSON Schema and the table in ``docs/configuration.md``
are made from them. In the file durations and sizes carry their unit (``timeout: 120s``), in the program their names do
(``timeout_s``).
"""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator

from indexer.config.keys import Keys, mistake
from indexer.config.ledger_url import with_password
from indexer.config.mapping import Mapping
from indexer.config.patients import Patients
from indexer.config.values import (
    Count,
    Duration,
    Entries,
    FilePath,
    HexKey,
    InstanceLevel,
    Instances,
    LedgerUrl,
    Name,
    RootPath,
    Secret,
    Size,
    Uri,
    Url,
    Zone,
    between,
)

Release = Literal["auto", "R4", "R4B", "R5", "R6"]


class Feed(Keys):
    """How a source's list of changes is followed."""

    interval_s: Annotated[Duration, between("100ms", "1h")] = Field(
        default=2.0, alias="interval", description="Pause between two looks at /changes."
    )
    page: Count = Field(default=1000, ge=1, le=10_000, description="Changes asked for at once.")
    hole_grace_s: Annotated[Duration, between("0s", "1d")] = Field(
        default=60.0,
        alias="hole_grace",
        description="How long to wait for a missing number in the list. An Orthanc on PostgreSQL commits out of order.",
    )
    start: Literal["everything", "now"] = Field(
        default="everything",
        description="What the first start does: publish everything that the archive holds, or only what "
        "comes from now on.",
    )


class Source(Keys):
    """One Orthanc."""

    name: Name = Field(
        description="Stable name of the source. It is part of the state: a renamed source is a new source.",
        examples=["main"],
    )
    kind: Literal["orthanc"] = Field(default="orthanc", description="What kind of archive it is.")
    orthanc: Url = Field(description="Address of Orthanc's REST API.", examples=["http://127.0.0.1:8042"])
    username: str | None = Field(default=None, min_length=1, description="Orthanc user.", examples=["indexer"])
    password: Secret | None = Field(
        default=None,
        description="Its password, from the environment. Written out here it is a warning.",
        examples=["${ORTHANC_PASSWORD}"],
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File with the password. A bare name is looked up among the systemd credentials.",
        examples=["/etc/dicom-fhir-indexer/orthanc-password"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the authority that signed Orthanc's certificate.",
        examples=["/etc/ssl/pacs-ca.pem"],
    )
    timeout_s: Annotated[Duration, between("1s", "1h")] = Field(
        default=120.0, alias="timeout", description="Longest time for one request, from start to end."
    )
    dicomweb: Url | None = Field(
        default=None,
        description="Public DICOMweb address, written to Endpoint.address. Without it: orthanc + dicomweb_root.",
        examples=["https://pacs.example.org/dicom-web"],
    )
    dicomweb_root: RootPath | None = Field(
        default=None,
        description="Path of the DICOMweb plugin on the Orthanc server. Without it Orthanc is asked, and /dicom-web "
        "taken where it does not tell.",
        examples=["/dicom-web"],
    )
    timezone: Zone | None = Field(
        default=None,
        description="IANA time zone of the archive's clocks, for studies that state none. Without any zone only the "
        "date is published.",
        examples=["Europe/Berlin"],
    )
    patient_id_system: Uri | None = Field(
        default=None,
        description="identifier.system of a PatientID that names no issuer. Without it a urn:uuid: is made once for "
        "this source and kept in the ledger.",
        examples=["urn:oid:1.2.3.4"],
    )
    issuer: Literal["read", "ignore"] = Field(
        default="read",
        description="Whether the issuer of a PatientID (0010,0021) tells equal numbers apart. 'ignore' only where all "
        "numbers come from one issuer: otherwise two people may become one Patient.",
    )
    read_dicomweb: bool = Field(
        default=True,
        description="Read one instance per series over DICOMweb, for what Orthanc's database does not hold: the issuer "
        "of the patient number, laterality, procedure codes and others.",
    )
    issuer_systems: dict[str, Uri] = Field(
        default_factory=dict,
        description="identifier.system for each issuer, by its name in the data.",
        examples=[{"Example Hospital": "urn:oid:1.2.3.5"}],
    )
    accession_system: Uri | None = Field(
        default=None,
        description="identifier.system of an accession number that names no issuer. Without it none is written.",
        examples=["urn:oid:1.2.3.6"],
    )
    accession_systems: dict[str, Uri] = Field(
        default_factory=dict,
        description="identifier.system for each issuer of accession numbers, by its name in the data.",
        examples=[{"Example Hospital RIS": "urn:oid:1.2.3.7"}],
    )
    requires_access_token: bool | None = Field(
        default=None,
        description="Whether the DICOMweb service wants the reader's SMART access token. Only the preset smart tells "
        "it; without it the Endpoint does not claim that profile.",
        examples=[True],
    )
    stable_age_s: Annotated[Duration, between("0s", "1d")] = Field(
        default=60.0,
        alias="stable_age",
        description="Orthanc's StableAge. Orthanc does not tell it, so repeat it here.",
    )
    readers: Count = Field(default=2, ge=1, le=8, description="Studies read at the same time. More than 4 gain little.")
    page_size: Count = Field(default=1000, ge=10, le=10_000, description="Instances asked for in one request.")
    feed: Feed = Field(default=Feed(), description="How the list of changes is followed.")

    @field_validator("read_dicomweb")
    @classmethod
    def _issuer_is_readable(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and info.data.get("issuer") == "read":
            raise ValueError("expected true, or issuer: ignore beside it; the issuer is read over DICOMweb")
        return value

    @property
    def zone(self) -> ZoneInfo | None:
        """The configured time zone."""
        return ZoneInfo(self.timezone) if self.timezone else None


class BundleLimits(Keys):
    """How many entries go into one request."""

    type: Literal["auto", "transaction", "batch"] = Field(
        default="auto", description="'auto' asks the server: transaction where it is taken, batch otherwise."
    )
    max_entries: Count = Field(default=100, ge=1, le=5_000, description="Most entries in one Bundle.")
    max_bytes: Annotated[Size, between("64KiB", "1GiB")] = Field(default=4 * 1024**2, description="Largest Bundle.")
    target_time_s: Annotated[Duration, between("50ms", "1m")] = Field(
        default=1.0,
        alias="target_time",
        description="Time per Bundle to aim at. Bundles grow below it and are halved on a time-out or 413.",
    )


class Retry(Keys):
    """When a failed request is sent again."""

    initial_s: Annotated[Duration, between("50ms", "1h")] = Field(
        default=1.0, alias="initial", description="First pause; it doubles each time."
    )
    max_s: Annotated[Duration, between("50ms", "1d")] = Field(default=300.0, alias="max", description="Longest pause.")

    @model_validator(mode="after")
    def _pauses_in_order(self) -> Retry:
        if self.max_s < self.initial_s:
            raise mistake(("max",), "expected at least as long as initial")
        return self


class Target(Keys):
    """The FHIR server."""

    fhir: Url = Field(description="Base address of the FHIR server.", examples=["https://fhir.example.org/fhir"])
    release: Release = Field(
        default="auto",
        description="FHIR release; 'auto' asks the server. R6 is no release yet: the ballot 6.0.0-ballot5 is written.",
    )
    strategy: Literal["put"] = Field(default="put", description="How resources are written: PUT by an id of our own.")
    username: str | None = Field(default=None, min_length=1, description="User for HTTP Basic.", examples=["indexer"])
    password: Secret | None = Field(
        default=None,
        description="Its password, from the environment. Written out here it is a warning.",
        examples=["${FHIR_PASSWORD}"],
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File with the password. A bare name is looked up among the systemd credentials.",
        examples=["/etc/dicom-fhir-indexer/fhir-password"],
    )
    bearer: Secret | None = Field(
        default=None,
        description="Bearer token, from the environment, in place of user and password.",
        examples=["${FHIR_TOKEN}"],
    )
    bearer_file: FilePath | None = Field(
        default=None, description="File with the bearer token.", examples=["/run/secrets/fhir-token"]
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the authority that signed the server's certificate.",
        examples=["/etc/ssl/fhir-ca.pem"],
    )
    timeout_s: Annotated[Duration, between("1s", "1h")] = Field(
        default=120.0, alias="timeout", description="Longest time for one request, from start to end."
    )
    bundle: BundleLimits = Field(default=BundleLimits(), description="Size and kind of the Bundles.")
    retry: Retry = Field(default=Retry(), description="Pauses after a failed request.")


class Settle(Keys):
    """When a changed study is taken."""

    quiet_s: Annotated[Duration, between("0s", "1d")] = Field(
        default=60.0,
        alias="quiet",
        description="A study is taken after this long without a change, or stable_age if longer.",
    )
    margin_s: Annotated[Duration, between("0s", "1h")] = Field(
        default=10.0, alias="margin", description="Added to the quiet time."
    )
    max_wait_s: Annotated[Duration, between("0s", "7d")] = Field(
        default=900.0,
        alias="max_wait",
        description="A study that goes on growing is published in between after this long.",
    )

    @model_validator(mode="after")
    def _waits_in_order(self) -> Settle:
        if self.max_wait_s < self.quiet_s + self.margin_s:
            raise mistake(("max_wait",), "expected at least quiet + margin")
        return self


class Log(Keys):
    """What is logged, to stderr."""

    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="'auto' writes text on a terminal and JSON lines elsewhere."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is written."
    )


class Config(Keys):
    """The whole file."""

    sources: Annotated[tuple[Source, ...], Entries] = Field(
        json_schema_extra={"minItems": 1}, description="The archives, one entry each."
    )
    target: Target = Field(description="The FHIR server.")
    ledger: LedgerUrl = Field(
        description="The database of what is dirty and what was published: an SQLite file or PostgreSQL. Back it up.",
        examples=["sqlite:////var/lib/dicom-fhir-indexer/ledger.db"],
    )
    ledger_password: Secret | None = Field(
        default=None,
        description="Password of the PostgreSQL user, from the environment.",
        examples=["${LEDGER_PASSWORD}"],
    )
    ledger_password_file: FilePath | None = Field(
        default=None,
        description="File with that password.",
        examples=["/etc/dicom-fhir-indexer/ledger-password"],
    )
    settle: Settle = Field(default=Settle(), description="When a changed study is taken.")
    instances: InstanceLevel = Field(
        default=Instances("full"),
        description="Whether ImagingStudy.series.instance is written: full (always), none, or {capped: N} (only for "
        "studies of at most N instances). The counts are exact in any case.",
    )
    mapping: Mapping = Field(default=Mapping(), description="What is written of a study.")
    patients: Patients = Field(default=Patients(), description="Whom studies refer to.")
    ownership: Literal["shared", "exclusive"] = Field(
        default="shared",
        description="Whether what others wrote into our resources survives our updates (shared), or each update "
        "replaces the resource whole (exclusive).",
    )
    conflict: Literal["ours", "theirs", "quarantine"] = Field(
        default="ours",
        description="What holds where others changed an element that changes in the archive, too (ownership: shared).",
    )
    sampled_instances: Count = Field(
        default=20,
        ge=1,
        le=1000,
        description="Most instances that are read over DICOMweb in a series of other objects than images.",
    )
    site_key: HexKey | None = Field(
        default=None,
        description="Key of the Patient ids, 64 or more hexadecimal digits, from the environment. Without it one is "
        "made at the first start and kept in the ledger. Another key means other Patient ids.",
        examples=["${SITE_KEY}"],
    )
    site_key_file: FilePath | None = Field(
        default=None, description="File with that key.", examples=["/etc/dicom-fhir-indexer/site-key"]
    )
    log: Log = Field(default=Log(), description="What is logged, to stderr.")

    @model_validator(mode="after")
    def _sources_agree(self) -> Config:
        names = [source.name for source in self.sources]
        for index, source in enumerate(self.sources):
            if source.name in names[:index]:
                raise mistake(("sources", index, "name"), "expected a name that no other source has")
            if source.stable_age_s + self.settle.margin_s > self.settle.max_wait_s:
                raise mistake(("sources", index, "stable_age"), "expected less than settle.max_wait - settle.margin")
        return self

    @property
    def ledger_url(self) -> str:
        """Address of the ledger with its password, for the database driver only."""
        url = self.ledger.get_secret_value()
        return with_password(url, self.ledger_password.get_secret_value()) if self.ledger_password else url

    @property
    def ledger_shown(self) -> str:
        """Address of the ledger without a password, for people."""
        return with_password(self.ledger.get_secret_value(), None)

    @property
    def site_key_bytes(self) -> bytes | None:
        """The configured site key."""
        return bytes.fromhex(self.site_key.get_secret_value()) if self.site_key else None
