"""What every FHIR server must do for us, shown on fakes and on real ones; where they differ, `Quirks` says how."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from indexer.bundle import BundleType, Entry, EntryStatus, TypePolicy, build, judge, strip
from indexer.errors import AnswerLost, Conflict, ProtocolViolation, Refused
from indexer.fhir import server as fhir_server
from indexer.model import EntryResult, Lookup, successor
from tests import proxy as faults
from tests.contract.target_cases import BAD_ID, MEMORY, NAMES, Case, entry, reference, running, uid_of
from tests.servers.hapi import Hapi, Release

BATCH, TRANSACTION = BundleType.BATCH, BundleType.TRANSACTION
ACCEPTED, CONFLICT, REFUSED = EntryStatus.ACCEPTED, EntryStatus.CONFLICT, EntryStatus.REFUSED


@pytest.fixture(scope="module", params=[*NAMES, MEMORY])
def case(request: pytest.FixtureRequest, hapi_of: Callable[[Release], Hapi]) -> Iterator[Case]:
    with running(request.param, hapi_of) as found:
        yield found


over_http = pytest.mark.parametrize("case", NAMES, indirect=True, scope="module")


def send(case: Case, bundle_type: BundleType, *entries: Entry) -> tuple[EntryResult, ...]:
    bundle = build(entries, bundle_type)
    return case.server.send(bundle.pieces, bundle.count)


def judgements(case: Case, bundle_type: BundleType, *resources: dict[str, Any]) -> list[EntryStatus]:
    return [judge(one).entry_status for one in send(case, bundle_type, *map(entry, resources))]


def read(case: Case, resource: dict[str, Any]) -> dict[str, Any] | None:
    (found,) = case.server.fetch([reference(resource)])
    return {key: value for key, value in found.resource.items() if key != "meta"} if found else None


def version(case: Case, resource: dict[str, Any]) -> str | None:
    (found,) = case.server.fetch([reference(resource)])
    assert found is not None
    return found.version_id


def test_info(case: Case) -> None:
    assert case.server.info().fhir_version == case.quirks.fhir_version
    assert case.server.base_url.startswith("http://")
    assert not case.server.base_url.endswith("/")


@pytest.mark.parametrize("bundle_type", BundleType)
def test_what_was_sent_can_be_read_and_an_update_replaces_it(case: Case, bundle_type: BundleType) -> None:
    patient, endpoint = case.patient("First"), case.endpoint()
    resources = [case.study(patient, endpoint), patient, case.study(patient, endpoint, instances=3), endpoint]
    assert judgements(case, bundle_type, *resources) == [ACCEPTED] * 4
    assert [read(case, one) for one in resources] == resources
    before, changed = version(case, patient), {**patient, "name": [{"family": "Second"}]}
    assert judgements(case, bundle_type, changed) == [ACCEPTED]
    assert read(case, patient) == changed
    assert version(case, patient) != before


def test_version_of_an_entry_is_that_of_the_resource(case: Case) -> None:
    patient = case.patient()
    (first,), (identical,) = send(case, BATCH, entry(patient)), send(case, BATCH, entry(patient))
    assert judge(identical).entry_status is ACCEPTED
    assert identical.version_id == version(case, patient)
    assert (identical.version_id == first.version_id) is case.quirks.keeps_version


def test_known_version_is_demanded(case: Case) -> None:
    patient, other = case.patient("First"), case.patient("Other")
    judgements(case, BATCH, patient)
    known = version(case, patient)
    second = {**patient, "name": [{"family": "Second"}]}
    assert judge(send(case, BATCH, entry(second, if_match=known))[0]).entry_status is ACCEPTED
    stale = send(case, BATCH, entry({**patient, "name": [{"family": "Third"}]}, if_match=known), entry(other))
    assert [judge(one).entry_status for one in stale] == [CONFLICT, ACCEPTED]
    with pytest.raises(Conflict):
        send(case, TRANSACTION, entry({**patient, "name": [{"family": "Fourth"}]}, if_match=known))
    assert read(case, patient) == second


def test_known_version_of_what_is_gone(case: Case) -> None:
    patient = case.patient()
    (result,) = send(case, BATCH, entry(patient, if_match="1"))
    assert (judge(result).entry_status is ACCEPTED) is case.quirks.creates_despite_if_match


@pytest.mark.parametrize("bundle_type", BundleType)
def test_bad_entry(case: Case, bundle_type: BundleType) -> None:
    good, patient = case.patient("Good"), case.patient("Shared")
    bad = {**case.study(patient), "id": BAD_ID, "status": "nonsense"}
    judgements(case, BATCH, patient)
    if case.quirks.bad_entry == "taken":
        assert judgements(case, bundle_type, good, bad) == [ACCEPTED, ACCEPTED]
        return
    if case.quirks.bad_entry == "whole" or bundle_type is TRANSACTION:
        with pytest.raises(Refused) as raised:
            send(case, bundle_type, entry(good), entry(bad))
        outcome = raised.value.outcome
        assert read(case, good) is None
    else:
        first, second = send(case, bundle_type, entry(good), entry(bad))
        outcome = second.outcome
        assert [judge(first).entry_status, judge(second).entry_status] == [ACCEPTED, REFUSED]
    text = strip(outcome, [good, bad])
    assert text
    assert "nonsense" not in text


def test_missing_patient_spoils_its_study_in_a_batch_and_all_of_a_transaction(case: Case) -> None:
    orphan, good, other = case.study(case.patient()), case.patient(), case.patient()
    if not case.quirks.checks_references:
        assert judgements(case, BATCH, good, orphan) == [ACCEPTED, ACCEPTED]
        assert judgements(case, TRANSACTION, good, orphan) == [ACCEPTED, ACCEPTED]
        return
    assert judgements(case, BATCH, good, orphan) == [ACCEPTED, REFUSED]
    with pytest.raises(Refused):
        send(case, TRANSACTION, entry(other), entry(orphan))
    assert case.server.fetch([reference(other), reference(orphan)]) == (None, None)


def test_transaction_limit_is_learnt(case: Case) -> None:
    patients = [entry(case.patient()) for _ in range(60)]
    policy = TypePolicy()
    if case.quirks.transaction_limit is not None:
        with pytest.raises(Refused):
            send(case, policy.choose(len(patients)), *patients)
        assert {judge(one).entry_status for one in send(case, BATCH, *patients)} == {ACCEPTED}
        policy = policy.only_batch_took(len(patients))
    some = patients[: policy.max_entries(len(patients))]
    assert policy.choose(len(some)) is TRANSACTION
    assert {judge(one).entry_status for one in send(case, TRANSACTION, *some)} == {ACCEPTED}


@over_http
def test_fetch_says_what_is_not_there_and_deleted_comes_back(case: Case) -> None:
    present, deleted, missing = case.patient(), case.patient(), case.patient()
    judgements(case, BATCH, present, deleted)
    assert requests.delete(f"{case.url}/{reference(deleted)}", timeout=30).ok
    found = case.server.fetch([reference(one) for one in (missing, present, deleted)])
    assert [one.resource["id"] if one else None for one in found] == [None, present["id"], None]
    assert judgements(case, BATCH, deleted) == [ACCEPTED]
    assert read(case, deleted) == deleted


def test_find_studies(case: Case) -> None:
    patient = case.patient()
    twin = case.study(patient)
    studies = [*(case.study(patient) for _ in range(60)), twin, case.study(patient, uid=uid_of(twin))]
    uids = [uid_of(one) for one in studies[:61]]
    assert case.server.find_studies(uids) == {}
    judgements(case, BATCH, patient, *studies)
    found = case.server.find_studies([*uids, "2.25.1"])
    # Found at once though the same was searched a moment ago: truth must not come from a cache.
    assert {uid: len(some) for uid, some in found.items()} == dict.fromkeys(uids[:60], 1) | {uid_of(twin): 2}
    assert {one.resource["id"] for some in found.values() for one in some} == {one["id"] for one in studies}
    assert found[uids[0]][0].version_id == version(case, studies[0])


@over_http
def test_find_studies_over_pages(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = case.patient()
    studies = [case.study(patient) for _ in range(7)]
    judgements(case, BATCH, patient, *studies)
    monkeypatch.setattr(fhir_server, "_PAGE", "3")
    case.proxy.clear()
    if not case.quirks.links_pages:
        with pytest.raises(ProtocolViolation, match="found 7 resources, but returned 3"):
            case.server.find_studies([uid_of(one) for one in studies])
        return
    assert len(case.server.find_studies([uid_of(one) for one in studies])) == 7
    assert len(case.proxy.requests) == 3


def test_look_up_by_identifier(case: Case) -> None:
    odd = {"system": "urn:oid:1.2.3", "value": "A,1|2$3\\4"}
    patients = [case.patient(), {**case.patient(), "identifier": [odd]}]
    doubled = {**case.patient(), "identifier": patients[0]["identifier"]}
    other = {**case.patient(), "identifier": [{**patients[0]["identifier"][0], "system": "urn:oid:9"}]}
    send(case, BATCH, *map(entry, [*patients, doubled, other]))
    asked = [lookup(patients[0]), lookup(patients[1]), Lookup("Patient", "urn:oid:1.2.3", "nobody")]
    found = case.server.look_up(asked)
    assert list(found) == asked
    assert [set(map(reference, some)) for some in found.values()] == [
        {reference(patients[0]), reference(doubled)},
        {reference(patients[1])} if case.quirks.unescapes else set(),
        set(),
    ]
    anywhere = case.server.look_up([Lookup("Patient", None, asked[0].value)])
    (bearers,) = anywhere.values()
    assert set(map(reference, bearers)) == {reference(patients[0]), reference(doubled), reference(other)}


def test_look_up_says_by_whom_a_patient_was_replaced(case: Case) -> None:
    stands, merged = case.patient(), case.patient()
    merged["active"], merged["link"] = False, [{"other": {"reference": reference(stands)}, "type": "replaced-by"}]
    send(case, BATCH, entry(stands))
    send(case, BATCH, entry(merged))
    ((bearer,),) = case.server.look_up([lookup(merged)]).values()
    assert (reference(bearer), successor(bearer)) == (reference(merged), reference(stands))


@over_http
def test_look_up_of_several_types_in_few_requests_without_a_number_in_a_url(case: Case) -> None:
    patients = [case.patient() for _ in range(8)]
    studies = [case.study(patient) for patient in patients]
    send(case, BATCH, *map(entry, patients))
    send(case, BATCH, *map(entry, studies))
    case.proxy.clear()
    found = case.server.look_up([*map(lookup, patients), *map(lookup, studies)])
    assert references(found) == {lookup(one): [reference(one)] for one in [*patients, *studies]}
    assert [(one.method, one.query) for one in case.proxy.requests] == [("POST", ""), ("POST", "")]


@over_http
def test_look_up_follows_no_page(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that the server makes may hold the numbers: fewer are asked for instead."""
    patients = [case.patient() for _ in range(6)]
    send(case, BATCH, *map(entry, patients))
    monkeypatch.setattr(fhir_server, "_PAGE", "2")
    case.proxy.clear()
    found = case.server.look_up([*map(lookup, patients)])
    assert references(found) == {lookup(one): [reference(one)] for one in patients}
    assert len(case.proxy.requests) > 1
    assert {(one.method, one.query) for one in case.proxy.requests} == {("POST", "")}


def references(found: Mapping[Lookup, tuple[dict[str, Any], ...]]) -> dict[Lookup, list[str]]:
    return {one: [*map(reference, bearers)] for one, bearers in found.items()}


def lookup(resource: dict[str, Any]) -> Lookup:
    identifier = resource["identifier"][0]
    return Lookup(resource["resourceType"], identifier["system"], identifier["value"])


def test_studies_at(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    patient, endpoint, other = case.patient(), case.endpoint(), case.endpoint()
    assert list(case.server.studies_at(endpoint["id"])) == []
    studies = [case.study(patient, endpoint) for _ in range(7)]
    judgements(case, BATCH, patient, endpoint, other, *studies, case.study(patient, other), case.study(patient))
    monkeypatch.setattr(fhir_server, "_PAGE", "3" if case.quirks.links_pages else "100")
    assert sorted(case.server.studies_at(endpoint["id"])) == sorted(one["id"] for one in studies)


def test_large_study(case: Case) -> None:
    patient = case.patient()
    study = case.study(patient, instances=3000)
    assert judgements(case, TRANSACTION, patient, study) == [ACCEPTED, ACCEPTED]
    assert read(case, study) == study


@over_http
@pytest.mark.parametrize("fault", [faults.drop_reply(), faults.cut(10), faults.fewer_entries(), faults.not_json()])
def test_committed_but_the_answer_was_lost(case: Case, fault: faults.Fault) -> None:
    patient = case.patient()
    study = case.study(patient)
    case.proxy.clear()
    case.proxy.inject(fault, when=faults.is_bundle)
    with pytest.raises(AnswerLost):
        send(case, TRANSACTION, entry(patient), entry(study))
    assert case.proxy.faults_injected == 1
    assert [read(case, patient), read(case, study)] == [patient, study]
    assert judgements(case, TRANSACTION, patient, study) == [ACCEPTED, ACCEPTED]
    assert [one.resource["id"] for one in case.server.find_studies([uid_of(study)])[uid_of(study)]] == [study["id"]]


def test_writers_that_meet(case: Case) -> None:
    """Two transactions at once that share a new Patient: one lands, the other lands too or is to be repeated."""
    patient = case.patient()
    studies = [case.study(patient) for _ in range(3)]
    failed: list[dict[str, Any]] = []

    def write(study: dict[str, Any]) -> None:
        try:
            assert judgements(case, TRANSACTION, patient, study) == [ACCEPTED, ACCEPTED]
        except Conflict:
            failed.append(study)

    with ThreadPoolExecutor(len(studies)) as writers:
        list(writers.map(write, studies))
    assert len(failed) < len(studies)
    for study in failed:
        write(study)
    assert set(case.server.find_studies([uid_of(one) for one in studies])) == {uid_of(one) for one in studies}
