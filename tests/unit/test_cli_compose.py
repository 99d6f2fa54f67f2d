"""What the configuration chooses is what the mapping is told, and what is sent."""

import time
from typing import Any, get_args

import pytest
import requests

from indexer import config, mapping
from indexer.cli.compose import RELEASES
from indexer.cli.servers import auth_of
from indexer.config.mapping import Elements, Preset
from indexer.config.model import Target
from indexer.errors import Unavailable, WrongServer
from indexer.mapping import DEFAULT_ELEMENTS, Element, Release, Rules
from indexer.model import EntryResult, TargetInfo
from indexer.strategies import imaging_study_id
from tests.fakes.memory import study
from tests.unit.cli_site import CommandLine

# A phantom's study has no Patient, which the flow cannot send yet.
NOT_OFFERED = {Element.DEVICE_SUBJECT}
VERSIONS = {"4.0.1": "R4", "4.3.0": "R4B", "5.0.0": "R5", "6.0.0-ballot5": "R6"}


def rules(line: CommandLine, **changes: Any) -> Rules:
    """The rules of the one source."""
    line.changes.update(changes)
    return line.site(config.load(line.config, {}).config).configured["main"].rules


def source(**keys: Any) -> list[dict[str, Any]]:
    return [{"name": "main", "orthanc": "http://127.0.0.1:8042", **keys}]


def test_every_preset_can_be_chosen() -> None:
    assert list(get_args(Preset)) == list(mapping.presets())


def test_every_release_can_be_chosen_and_recognised() -> None:
    assert set(get_args(Target.model_fields["release"].annotation)) == {"auto", *Release}
    assert set(RELEASES.values()) == set(Release)


def test_every_element_that_the_flow_can_send_has_a_switch_that_shows_the_default() -> None:
    shown = {field.alias: field.examples[0] for field in Elements.model_fields.values() if field.examples}
    assert shown == {str(one): one in DEFAULT_ELEMENTS for one in Element if one not in NOT_OFFERED}


def test_rules_of_a_small_configuration_are_those_of_the_mapping(line: CommandLine) -> None:
    made = rules(line)
    assert made == mapping.Rules(site_key=made.site_key, patient_id_system="urn:oid:1.2.3.4")


@pytest.mark.parametrize("name", get_args(Preset))
def test_rules_of_a_preset_need_nothing_that_is_not_offered(line: CommandLine, name: str) -> None:
    made = rules(line, mapping={"preset": name})
    assert made.preset == mapping.presets()[name]
    assert made.elements == mapping.elements_for(made.preset)
    assert not made.elements & NOT_OFFERED


def test_switches_go_over_those_of_the_preset(line: CommandLine) -> None:
    made = rules(line, mapping={"preset": "mii", "elements": {"encounter": False, "bodySiteText": True, "note": True}})
    of_preset = mapping.elements_for(mapping.presets()["mii"])
    assert Element.ENCOUNTER in of_preset
    assert made.elements == of_preset - {Element.ENCOUNTER} | {Element.BODY_SITE_TEXT, Element.NOTE}


def test_rules_know_the_systems_of_the_site(line: CommandLine) -> None:
    made = rules(
        line,
        sources=source(
            accession_system="urn:oid:1.2.6", accession_systems={"RIS": "urn:oid:1.2.7"}, requires_access_token=True
        ),
        mapping={
            "coding_schemes": {"99X": "urn:oid:1.2.8"},
            "body_parts": {"Thorax": "CHEST"},
            "meta_source": "urn:oid:1.2.9",
        },
    )
    assert (made.accession_system, made.accession_systems) == ("urn:oid:1.2.6", {"RIS": "urn:oid:1.2.7"})
    assert (made.coding_schemes, made.body_parts) == ({"99X": "urn:oid:1.2.8"}, {"Thorax": "CHEST"})
    assert (made.meta_source, made.requires_access_token) == ("urn:oid:1.2.9", True)


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({}, None),
        ({"username": "me", "password": "${PW}"}, "Basic bWU6c2VjcmV0"),
        ({"bearer": "${PW}"}, "Bearer secret"),
        ({"bearer_file": "./token"}, "Bearer renewed"),
    ],
)
def test_archives_and_the_fhir_server_know_us_by_the_same_keys(
    line: CommandLine, keys: dict[str, str], header: str | None
) -> None:
    token = line.home / "token"
    token.write_text("first")
    line.changes |= {"sources": source(**keys), "target": {"fhir": line.target.base_url, **keys}}
    read = config.load(line.config, {"PW": "secret"}).config
    token.write_text("renewed")
    for access in (read.sources[0], read.target):
        request = requests.Request("GET", "http://127.0.0.1/", auth=auth_of(access)).prepare()
        assert request.headers.get("Authorization") == header


@pytest.mark.parametrize("broken", [None, "", "\n", "two\nlines", "\0"])
def test_a_token_file_that_is_being_renewed(
    line: CommandLine, caplog: pytest.LogCaptureFixture, broken: str | None
) -> None:
    token = line.home / "token"
    token.write_text("first")
    line.changes |= {"sources": source(bearer_file="./token")}
    auth = auth_of(config.load(line.config, {}).config.sources[0])

    def header(content: str | None) -> str | None:
        token.unlink(missing_ok=True)
        if content is not None:
            token.write_text(content)
        return requests.Request("GET", "http://127.0.0.1/", auth=auth).prepare().headers.get("Authorization")

    sent = [header(content) for content in (broken, broken, "second", broken, "third")]

    assert sent == ["Bearer first", "Bearer first", "Bearer second", "Bearer second", "Bearer third"]
    assert [record.event for record in caplog.records] == ["token_unreadable"] * 2


@pytest.mark.parametrize(("version", "release"), VERSIONS.items())
def test_the_server_tells_its_release(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, version: str, release: str
) -> None:
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version=version))
    assert rules(line).release == release


@pytest.mark.parametrize("version", ["3.0.2", "4.1.0", "4", "", None])
def test_a_server_of_another_release_is_refused(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version=version))
    with pytest.raises(WrongServer, match=r"target\.release") as caught:
        rules(line)
    assert "R4, R4B, R5, R6" in caught.value.hint


def test_a_backfill_to_an_address_that_is_no_fhir_base_ends_at_once(line: CommandLine) -> None:
    line.source.put(study())
    line.target.script.always("info", WrongServer("fhir is no FHIR server", peer="fhir", hint="Set target.fhir."))
    assert line.err("backfill", code=78).endswith("fhir is no FHIR server\nSet target.fhir.\n")


@pytest.mark.parametrize("instances", ["full", "none", {"capped": 3}])
@pytest.mark.parametrize("release", list(Release))
def test_a_study_is_sent_shown_and_compared_in_every_release_without_its_instances_too(
    line: CommandLine, release: Release, instances: Any
) -> None:
    """R6 leaves counts out that its invariants would not bear; the ledger counts all the same."""
    line.changes |= {"target": {"fhir": line.target.base_url, "release": str(release)}, "instances": instances}
    line.source.put(study("1.2.3", series=2))
    line.out("backfill")
    count = "4" if release is not Release.R6 or instances == "full" else "?"
    assert f"Source: 2 series (CT), {count} instances" in line.out("show", "1.2.3")
    line.out("verify")
    series = line.target.imaging_study("1.2.3")["series"]
    assert ("instance" in series[0]) == (instances == "full")
    assert ["coding" in one["modality"] for one in series] == [release in (Release.R5, Release.R6)] * 2
    with line.opened() as ledger:
        published = ledger.published(["1.2.3"])["1.2.3"]
    assert (published.number_of_series, published.number_of_instances) == (2, 4)


@pytest.mark.parametrize(
    ("software", "changes", "retried"),
    [("memory", {}, ()), ("memory", {"instances": "none"}, ("1.2.3",)), ("a new version", {}, ("1.2.3",))],
    ids=["nothing changed", "the configuration", "the server"],
)
def test_what_the_server_refused_is_tried_again_when_the_setup_changes(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, software: str, changes: dict[str, Any], retried: tuple[str, ...]
) -> None:
    line.target.habits.refused[f"ImagingStudy/{imaging_study_id('1.2.3')}"] = 422
    line.source.put(study())
    line.out("backfill", code=1)
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version="4.0.1", software=software))
    line.changes |= changes
    site = line.site(config.load(line.config, {}).config)
    site.drain()
    assert site.ledger.retries_due(time.time()) == retried


def test_what_the_server_takes_at_once_is_still_known_after_a_restart(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = line.target.send

    def gateway(bundle: tuple[bytes | memoryview, ...], count: int) -> tuple[EntryResult, ...]:
        if count > 20:
            raise Unavailable("a gateway gave up", peer="fhir", status=504)
        return send(bundle, count)

    monkeypatch.setattr(line.target, "send", gateway)
    for number in range(30):
        line.source.put(study(f"1.2.{number}", patient_id=f"P{number}"))
    line.out("backfill")
    line.out("verify")
    site = line.site(config.load(line.config, {}).config)
    assert site.health["fhir"].capacities.limit("send", 100) == 100
    site.drain()
    assert 5 <= site.health["fhir"].capacities.limit("send", 100) <= 20
