"""The configuration file's keys: names, kinds, defaults and what each one is for."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationInfo, field_validator, model_validator

from indexer.config.keys import Keys, key, mistake
from indexer.config.kinds import (
    Count,
    Duration,
    Entries,
    FilePath,
    HexKey,
    InstanceLevel,
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
from indexer.config.mapping import Mapping
from indexer.config.patients import Patients
from indexer.model import choices
from indexer.model.ledger_url import with_password


class Access(Keys):
    """How a server is reached, be it an archive or the FHIR server."""

    username: str | None = key(None, "User for HTTP Basic.", min_length=1, example="indexer")
    password: Secret | None = key(
        None, "Its password, from the environment. Written out here it is a warning.", example="${PASSWORD}"
    )
    password_file: FilePath | None = key(
        None,
        "File with the password. A bare name is looked up among the systemd credentials.",
        example="/etc/dicom-fhir-indexer/password",
    )
    bearer: Secret | None = key(
        None, "Bearer token, from the environment, in place of user and password.", example="${TOKEN}"
    )
    bearer_file: FilePath | None = key(
        None, "File with the bearer token, read anew at each request.", example="/run/secrets/token"
    )
    ca_file: FilePath | None = key(
        None, "PEM file of the authority that signed the server's certificate.", example="/etc/ssl/own-ca.pem"
    )
    timeout_s: Annotated[Duration, between("1s", "1h")] = key(
        120.0, "Longest time for one request, from start to end, besides that for what is sent and received."
    )
    least_rate: Annotated[Size, between("1KiB", "1GiB")] = key(
        10 * 1024, "Bytes per second at which a link must send and receive; a slower one counts as hanging."
    )


class Feed(Keys):
    """How a source's list of changes is followed."""

    interval_s: Annotated[Duration, between("100ms", "1h")] = key(2.0, "Pause between two looks at /changes.")
    page: Count = key(1000, "Changes asked for at once.", ge=1, le=10_000)
    hole_grace_s: Annotated[Duration, between("0s", "1d")] = key(
        60.0, "How long to wait for a missing number in the list. An Orthanc on PostgreSQL commits out of order."
    )
    start: Literal["everything", "now"] = key(
        "everything",
        "What the first start does: publish everything that the archive holds, or only what comes from now on.",
    )


class Source(Access):
    """One archive."""

    name: Name = key(
        ...,
        "Stable name of the source. It is part of the state: a renamed source is a new source.",
        example="main",
    )
    kind: Literal["orthanc"] = key("orthanc", "What kind of archive it is.")
    orthanc: Url = key(..., "Address of Orthanc's REST API.", example="http://127.0.0.1:8042")
    dicomweb: Url | None = key(
        None,
        "Public DICOMweb address, written to Endpoint.address. Without it: orthanc + dicomweb_root.",
        example="https://pacs.example.org/dicom-web",
    )
    dicomweb_root: RootPath | None = key(
        None,
        "Path of the DICOMweb plugin on the Orthanc server. Without it Orthanc is asked, and /dicom-web "
        "taken where it does not tell.",
        example="/dicom-web",
    )
    timezone: Zone | None = key(
        None,
        "IANA time zone of the archive's clocks, for studies that state none. Without any zone only the "
        "date is published.",
        example="Europe/Berlin",
    )
    patient_id_system: Uri | None = key(
        None,
        "identifier.system of a PatientID that names no issuer. Without it a urn:uuid: is made once for "
        "this source and kept in the ledger.",
        example="urn:oid:1.2.3.4",
    )
    issuer: choices.IssuerUse = key(
        "read",
        "Whether the issuer of a PatientID (0010,0021) tells equal numbers apart. 'ignore' only where all "
        "numbers come from one issuer: otherwise two people may become one Patient.",
    )
    read_dicomweb: bool = key(
        True,
        "Read one instance per series, by tools/find or over DICOMweb, for what Orthanc's database does not "
        "hold: the issuer of the patient number, laterality, procedure codes and others.",
    )
    read_files: choices.FileReading = key(
        "doubtful",
        "Which of these instances are read as files, up to their pixel data. 'doubtful': where Orthanc's answer may "
        "differ from the file (docs/feed.md, 'Reading a study'). 'all': exact in any case, several times slower.",
    )
    issuer_systems: dict[str, Uri] = key(
        {},
        "identifier.system for each issuer, by its name in the data.",
        example={"Example Hospital": "urn:oid:1.2.3.5"},
    )
    accession_system: Uri | None = key(
        None,
        "identifier.system of an accession number that names no issuer. Without it none is written.",
        example="urn:oid:1.2.3.6",
    )
    accession_systems: dict[str, Uri] = key(
        {},
        "identifier.system for each issuer of accession numbers, by its name in the data.",
        example={"Example Hospital RIS": "urn:oid:1.2.3.7"},
    )
    requires_access_token: bool | None = key(
        None,
        "Whether the DICOMweb service wants the reader's SMART access token. Only the preset smart tells "
        "it; without it the Endpoint does not claim that profile.",
        example=True,
    )
    stable_age_s: Annotated[Duration, between("0s", "1d")] = key(
        60.0, "Orthanc's StableAge. Orthanc does not tell it, so repeat it here."
    )
    readers: Count = key(2, "Studies read at the same time. More than 4 gain little.", ge=1, le=8)
    page_size: Count = key(1000, "Instances asked for in one request.", ge=10, le=10_000)
    feed: Feed = key(Feed(), "How the list of changes is followed.")

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

    type: choices.BundleChoice = key("auto", "'auto' asks the server: transaction where it is taken, batch otherwise.")
    max_entries: Count = key(100, "Most entries in one Bundle.", ge=1, le=5_000)
    max_bytes: Annotated[Size, between("64KiB", "1GiB")] = key(4 * 1024**2, "Largest Bundle.")
    target_time_s: Annotated[Duration, between("50ms", "1m")] = key(
        1.0, "Time that the bytes of a Bundle should take the server, besides what any Bundle takes."
    )


class Retry(Keys):
    """When a failed request is sent again."""

    initial_s: Annotated[Duration, between("50ms", "1h")] = key(1.0, "First pause; it doubles each time.")
    max_s: Annotated[Duration, between("50ms", "1d")] = key(300.0, "Longest pause.")

    @model_validator(mode="after")
    def _pauses_in_order(self) -> Retry:
        if self.max_s < self.initial_s:
            raise mistake(("max",), "expected at least as long as initial")
        return self


class Target(Access):
    """The FHIR server."""

    fhir: Url = key(..., "Base address of the FHIR server.", example="https://fhir.example.org/fhir")
    release: Literal["auto", choices.Release.R4, choices.Release.R4B, choices.Release.R5, choices.Release.R6] = key(
        "auto", "FHIR release; 'auto' asks the server. R6 is no release yet: the ballot 6.0.0-ballot5 is written."
    )
    strategy: Literal["put"] = key("put", "How resources are written: PUT by an id of our own.")
    bundle: BundleLimits = key(BundleLimits(), "Size and kind of the Bundles.")
    retry: Retry = key(Retry(), "Pauses after a failed request.")


class Settle(Keys):
    """When a changed study is taken."""

    quiet_s: Annotated[Duration, between("0s", "1d")] = key(
        60.0, "A study is taken after this long without a change, or stable_age if longer."
    )
    margin_s: Annotated[Duration, between("0s", "1h")] = key(10.0, "Added to the quiet time.")
    max_wait_s: Annotated[Duration, between("0s", "7d")] = key(
        900.0, "A study that goes on growing is published in between after this long."
    )

    @model_validator(mode="after")
    def _waits_in_order(self) -> Settle:
        if self.max_wait_s < self.quiet_s + self.margin_s:
            raise mistake(("max_wait",), "expected at least quiet + margin")
        return self


class Log(Keys):
    """What is logged, to stderr."""

    format: Literal["auto", "json", "text"] = key("auto", "'auto' writes text on a terminal and JSON lines elsewhere.")
    level: Literal["debug", "info", "warning", "error"] = key("info", "Least level that is written.")


class Config(Keys):
    """The whole file."""

    sources: Annotated[tuple[Source, ...], Entries] = key(
        ..., "The archives, one entry each.", json_schema_extra={"minItems": 1}
    )
    target: Target = key(..., "The FHIR server.")
    ledger: LedgerUrl = key(
        ...,
        "The database of what is dirty and what was published: an SQLite file or PostgreSQL. Back it up.",
        example="sqlite:////var/lib/dicom-fhir-indexer/ledger.db",
    )
    ledger_password: Secret | None = key(
        None, "Password of the PostgreSQL user, from the environment.", example="${LEDGER_PASSWORD}"
    )
    ledger_password_file: FilePath | None = key(
        None, "File with that password.", example="/etc/dicom-fhir-indexer/ledger-password"
    )
    settle: Settle = key(Settle(), "When a changed study is taken.")
    instances: InstanceLevel = key(
        choices.Instances("full"),
        "Whether ImagingStudy.series.instance is written: full (always), none, or {capped: N} (only for "
        "studies of at most N instances). The counts are exact in any case.",
    )
    mapping: Mapping = key(Mapping(), "What is written of a study.")
    patients: Patients = key(Patients(), "Whom studies refer to.")
    ownership: choices.Ownership = key(
        "shared",
        "Whether what others wrote into our resources survives our updates (shared), or each update "
        "replaces the resource whole (exclusive).",
    )
    conflict: Literal[choices.Conflict.OURS, choices.Conflict.THEIRS, choices.Conflict.QUARANTINE] = key(
        choices.Conflict.OURS,
        "What holds where others changed an element that changes in the archive, too (ownership: shared).",
    )
    sampled_instances: Count = key(
        20, "Most instances whose attributes are read in a series of other objects than images.", ge=1, le=1000
    )
    site_key: HexKey | None = key(
        None,
        "Key of the Patient ids, 64 or more hexadecimal digits, from the environment. Without it one is "
        "made at the first start and kept in the ledger. Another key means other Patient ids.",
        example="${SITE_KEY}",
    )
    site_key_file: FilePath | None = key(None, "File with that key.", example="/etc/dicom-fhir-indexer/site-key")
    log: Log = key(Log(), "What is logged, to stderr.")

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
