"""The whole write path, with ids of our own and with ids that the server gives, on every kind of FHIR server."""

import functools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from indexer.bundle import BundleType
from indexer.mapping import Release
from indexer.model import ResourceKey, Study
from indexer.plan import plan_withdrawal
from tests import proxy as faults
from tests.contract.server_ids import ServerIds
from tests.contract.target_cases import NAMES, Case, running
from tests.fakes.memory import study
from tests.servers.hapi import Hapi
from tests.unit.world import World, configured, opened

NUMBER = {"system": "urn:others", "value": "7"}


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, hapi_of: Callable[[str], Hapi]) -> Iterator[Case]:
    with running(request.param, hapi_of) as found:
        yield found


@pytest.fixture(params=[None, ServerIds()], ids=["put", "server_ids"])
def world(case: Case, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An installation of its own, with an address that no other has."""
    address = f"https://{uuid.uuid4()}.example/dicom-web"
    with opened(tmp_path) as ledger:
        made = World(ledger=ledger, target=case.server, addresses={"main": address})
        made.strategy = request.param or made.strategy
        made.sources["main"] = configured(made.source, release=Release(case.quirks.release))
        yield made


@pytest.fixture
def uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


@pytest.fixture
def one(uid: str) -> Callable[..., Study]:
    """That study in a new state, of a patient whom no other test has."""
    return functools.partial(study, uid, patient_id=uuid.uuid4().hex)


@pytest.mark.parametrize("bundle_type", BundleType)
def test_studies_of_one_patient_are_published_and_kept_up_to_date(
    world: World, uid: str, one: Callable[..., Study], bundle_type: BundleType
) -> None:
    world.send_by(bundle_type=bundle_type)
    second = replace(one(), study_instance_uid=f"{uid}.1")
    world.publish(one(), second)
    before = world.study(uid)
    assert before["subject"] == world.study(second.study_instance_uid)["subject"]
    assert world.verify().findings == []
    world.publish(one(series=2))
    assert (world.study(uid)["id"], world.study(uid)["numberOfSeries"]) == (before["id"], 2)
    assert world.verify().findings == []


def test_what_is_unchanged_is_not_sent(world: World, case: Case, one: Callable[..., Study]) -> None:
    world.publish(one())
    written = case.proxy.written()
    world.publish(one())
    assert case.proxy.written() == written


def test_what_others_wrote_stays(world: World, case: Case, uid: str, one: Callable[..., Study]) -> None:
    world.publish(one())
    theirs = world.study(uid)
    written = {**theirs, "identifier": [*theirs["identifier"], NUMBER]}
    requests.put(f"{case.url}/ImagingStudy/{theirs['id']}", json=written, timeout=60).raise_for_status()
    world.publish(one(series=2))
    assert NUMBER in world.study(uid)["identifier"]
    assert world.study(uid)["numberOfSeries"] == 2
    assert world.verify().findings == []


def test_a_lost_answer_doubles_nothing(world: World, case: Case, one: Callable[..., Study]) -> None:
    world.make_ready()
    case.proxy.clear()
    case.proxy.inject(faults.drop_reply(), when=faults.is_bundle)
    world.publish(one())
    assert case.proxy.faults_injected == 1
    assert world.verify().findings == []


def test_a_lost_ledger_doubles_nothing(world: World, uid: str, one: Callable[..., Study]) -> None:
    world.publish(one())
    before = world.study(uid)
    world.ledger.reset_target()
    world.publish(one(series=2))
    assert (world.study(uid)["id"], world.study(uid)["subject"]) == (before["id"], before["subject"])


def test_a_withdrawn_study_keeps_its_id_and_loses_what_cannot_be_retrieved(
    world: World, uid: str, one: Callable[..., Study]
) -> None:
    world.publish(one())
    before, published = world.study(uid), world.ledger.published([uid])[uid]
    written = {name: value for name, value in before.items() if name not in ("meta", "text")}
    assert world.writer.write(plan_withdrawal(published, written))[ResourceKey("ImagingStudy", uid)].is_accepted
    after = world.study(uid)
    kept = ("id", "identifier", "subject")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert after["status"] == "entered-in-error"
    assert {"series", "endpoint"} & after.keys() == set()
