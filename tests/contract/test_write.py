"""The whole write path, with ids of our own and with ids that the server gives, on every kind of FHIR server."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from indexer.bundle import BundleType
from indexer.mapping import Release
from indexer.model import ResourceKey
from indexer.plan import plan_withdrawal
from tests import proxy as faults
from tests.contract.server_ids import ServerIds
from tests.contract.target_cases import NAMES, Case, running
from tests.fakes.memory import study
from tests.servers.hapi import Hapi
from tests.servers.hapi import Release as HapiRelease
from tests.unit.world import World, configured, opened

NUMBER = {"system": "urn:others", "value": "7"}


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, hapi_of: Callable[[HapiRelease], Hapi]) -> Iterator[Case]:
    with running(request.param, hapi_of) as found:
        yield found


@pytest.fixture(params=["put", "server_ids"])
def strategy(request: pytest.FixtureRequest) -> Any:
    return None if request.param == "put" else ServerIds()


@pytest.fixture
def world(case: Case, strategy: Any, tmp_path: Path) -> Iterator[World]:
    """An installation of its own, with an address that no other has."""
    address = f"https://{uuid.uuid4()}.example/dicom-web"
    with opened(tmp_path) as ledger:
        made = World(ledger=ledger, target=case.server, addresses={"main": address})
        if strategy is not None:
            made.strategy = strategy
        made.sources = {"main": configured(made.source, release=Release(case.quirks.release))}
        made.reader = made.new_reader()
        yield made


def uids(count: int) -> list[str]:
    return [f"2.25.{uuid.uuid4().int}" for _ in range(count)]


def held(world: World, uid: str) -> dict[str, Any]:
    (resource,) = world.target.find_studies([uid])[uid]
    return resource.resource


@pytest.mark.parametrize("bundle_type", BundleType)
def test_studies_of_one_patient_are_published_and_kept_up_to_date(world: World, bundle_type: BundleType) -> None:
    world.bundle_type = bundle_type
    world.sender = world.new_sender()
    (first, second), number = uids(2), uuid.uuid4().hex
    world.publish(*[study(uid, patient_id=number) for uid in (first, second)])
    assert held(world, first)["subject"] == held(world, second)["subject"]
    assert world.verify().findings == []
    fhir_id = held(world, first)["id"]
    world.publish(study(first, patient_id=number, series=2))
    assert (held(world, first)["id"], held(world, first)["numberOfSeries"]) == (fhir_id, 2)
    assert world.verify().findings == []


def test_what_is_unchanged_is_not_sent(world: World, case: Case) -> None:
    (uid,), number = uids(1), uuid.uuid4().hex
    world.publish(study(uid, patient_id=number))
    written = case.proxy.written()
    world.publish(study(uid, patient_id=number))
    assert case.proxy.written() == written


def test_what_others_wrote_stays(world: World, case: Case) -> None:
    (uid,), number = uids(1), uuid.uuid4().hex
    world.publish(study(uid, patient_id=number))
    theirs = held(world, uid)
    written = {**theirs, "identifier": [*theirs["identifier"], NUMBER]}
    requests.put(f"{case.url}/ImagingStudy/{theirs['id']}", json=written, timeout=60).raise_for_status()
    world.publish(study(uid, patient_id=number, series=2))
    assert NUMBER in held(world, uid)["identifier"]
    assert held(world, uid)["numberOfSeries"] == 2
    assert world.verify().findings == []


def test_a_lost_answer_doubles_nothing(world: World, case: Case) -> None:
    world.make_ready()
    (uid,) = uids(1)
    case.proxy.clear()
    case.proxy.inject(faults.drop_reply(), when=faults.is_bundle)
    world.publish(study(uid, patient_id=uuid.uuid4().hex))
    assert case.proxy.faults_injected == 1
    assert world.verify().findings == []


def test_a_lost_ledger_doubles_nothing(world: World) -> None:
    (uid,), number = uids(1), uuid.uuid4().hex
    world.publish(study(uid, patient_id=number))
    before = held(world, uid)
    world.ledger.reset_target()
    world.publish(study(uid, patient_id=number, series=2))
    assert (held(world, uid)["id"], held(world, uid)["subject"]) == (before["id"], before["subject"])


def test_a_withdrawn_study_keeps_its_id_and_loses_what_cannot_be_retrieved(world: World) -> None:
    (uid,) = uids(1)
    world.publish(study(uid, patient_id=uuid.uuid4().hex))
    before, published = held(world, uid), world.ledger.published([uid])[uid]
    key = ResourceKey("ImagingStudy", uid)
    written = {name: value for name, value in before.items() if name not in ("meta", "text")}
    assert world.writer.write(plan_withdrawal(published, written))[key].is_accepted
    after = held(world, uid)
    assert (after["id"], after["identifier"], after["status"]) == (
        before["id"],
        before["identifier"],
        "entered-in-error",
    )
    assert after["subject"] == before["subject"]
    assert {"series", "endpoint"} & after.keys() == set()
