"""The FHIR servers that the contract suite runs on, their quirks, and resources in the encoding of each release."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from indexer.bundle import Entry
from indexer.fhir import FhirServer
from indexer.sync.protocols import FhirTarget
from indexer.transport import Transport
from tests.fakes.fhir import FakeFhir
from tests.fakes.fhir_store import Habits
from tests.fakes.memory import MemoryTarget
from tests.proxy import Proxy
from tests.resources import put_entry
from tests.servers.hapi import Hapi, Release
from tests.servers.medplum import Medplum

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What this server does where servers differ.

    Attributes
    ----------
    fhir_version
        As its statement says, None where it has none.
    keeps_version
        An identical PUT makes no new version.
    bad_entry
        A resource with an unknown code: refuses its whole Bundle, only its entry, or is taken as it is.
    checks_references
        A reference to a resource that does not exist is refused.
    transaction_limit
        Most entries of a transaction.
    creates_despite_if_match
        If-Match on an id that does not exist creates the resource.
    links_pages
        A search of more than one page says where the next one is.
    unescapes
        ``\\,`` and the like in the value of a search stand for the character itself.
    """

    release: Literal["R4", "R5"] = "R4"
    fhir_version: str | None
    keeps_version: bool = True
    bad_entry: Literal["whole", "entry", "taken"] = "whole"
    checks_references: bool = True
    transaction_limit: int | None = None
    creates_despite_if_match: bool = False
    links_pages: bool = True
    unescapes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A running server, reached through the recording proxy; the one in memory has none."""

    quirks: Quirks
    server: FhirTarget
    proxy: Proxy | None

    @property
    def url(self) -> str:
        return self.proxy.url

    def patient(self, family: str = "Prüfung", fhir_id: str | None = None) -> Json:
        number = {"system": "urn:oid:1.2.3", "value": f"N{uuid.uuid4().hex[:8]}"}
        name = fhir_id or str(uuid.uuid4())
        return {"resourceType": "Patient", "id": name, "identifier": [number], "name": [{"family": family}]}

    def endpoint(self) -> Json:
        kinds = "http://terminology.hl7.org/CodeSystem"
        connection = {"system": f"{kinds}/endpoint-connection-type", "code": "dicom-wado-rs"}
        payload = [{"coding": [{"system": f"{kinds}/endpoint-payload-type", "code": "any"}]}]
        is_r5 = self.quirks.release == "R5"
        return {
            "resourceType": "Endpoint",
            "id": str(uuid.uuid4()),
            "status": "active",
            "connectionType": [{"coding": [connection]}] if is_r5 else connection,
            **({"payload": [{"type": payload}]} if is_r5 else {"payloadType": payload}),
            "address": "https://pacs.example.org/dicom-web",
        }

    def study(self, subject: Json, endpoint: Json | None = None, *, uid: str | None = None, instances: int = 1) -> Json:
        uid = uid or f"2.25.{uuid.uuid4().int}"
        modality = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
        sop_class = {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"}
        series = {
            "uid": f"{uid}.1",
            "modality": {"coding": [modality]} if self.quirks.release == "R5" else modality,
            "numberOfInstances": instances,
            "instance": [{"uid": f"{uid}.1.{n}", "sopClass": sop_class, "number": n} for n in range(instances)],
        }
        return {
            "resourceType": "ImagingStudy",
            "id": str(uuid.uuid4()),
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
            "status": "available",
            "subject": {"reference": f"Patient/{subject['id']}"},
            **({"endpoint": [{"reference": f"Endpoint/{endpoint['id']}"}]} if endpoint else {}),
            "numberOfSeries": 1,
            "numberOfInstances": instances,
            "series": [series],
        }


def entry(resource: Json, *, if_match: str | None = None) -> Entry:
    """A resource as an entry, without what only bisecting needs."""
    return put_entry(resource, if_match=if_match)


def reference(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def uid_of(study: Json) -> str:
    return str(study["identifier"][0]["value"]).removeprefix("urn:oid:")


HAPI_R4 = Quirks(fhir_version="4.0.1", creates_despite_if_match=True)
HAPI_R5 = Quirks(fhir_version="5.0.0", creates_despite_if_match=True, release="R5")
MEDPLUM = Quirks(
    fhir_version=None,
    keeps_version=False,
    bad_entry="taken",
    checks_references=False,
    links_pages=False,
    unescapes=False,
    transaction_limit=50,
)
# The fake can have the quirks of each, so that faults are tried against all of them.
FAKE_LIKE_HAPI = Quirks(fhir_version="4.0.1")
FAKE_LIKE_OTHERS = Quirks(
    fhir_version="5.0.0", release="R5", keeps_version=False, bad_entry="entry", transaction_limit=50
)
IN_MEMORY = Quirks(fhir_version="4.0.1", keeps_version=False, bad_entry="entry")
MEMORY = "memory"
NAMES = ("fake-like-hapi", "fake-like-others", "hapi-r4", "hapi-r5", "medplum")
BAD_ID = f"bad-{uuid.uuid4()}"


@contextmanager
def running(name: str, hapi_of: Callable[[Release], Hapi]) -> Iterator[Case]:
    """A server, started if it is no HAPI, and the proxy before it."""
    if name == MEMORY:
        target = MemoryTarget()
        target.habits.refused[f"ImagingStudy/{BAD_ID}"] = 422
        yield Case(quirks=IN_MEMORY, server=target, proxy=None)
        return
    with _started(name, hapi_of) as (url, quirks), Proxy(url) as proxy:
        transport = Transport(proxy.url, peer="fhir", timeout_s=60)
        yield Case(quirks=quirks, server=FhirServer(transport), proxy=proxy)
        transport.close()


@contextmanager
def _started(name: str, hapi_of: Callable[[Release], Hapi]) -> Iterator[tuple[str, Quirks]]:
    if name == "medplum":
        with Medplum() as medplum:
            yield medplum.url, MEDPLUM
    elif name == "hapi-r4":
        yield hapi_of("r4").url, HAPI_R4
    elif name == "hapi-r5":
        yield hapi_of("r5").url, HAPI_R5
    else:
        quirks = FAKE_LIKE_HAPI if name == "fake-like-hapi" else FAKE_LIKE_OTHERS
        habits = Habits(
            keeps_version=quirks.keeps_version,
            refuses_whole=quirks.bad_entry == "whole",
            refused={f"ImagingStudy/{BAD_ID}": 422},
            transaction_limit=quirks.transaction_limit,
        )
        with FakeFhir(habits, fhir_version=str(quirks.fhir_version)) as fake:
            yield fake.url, quirks
