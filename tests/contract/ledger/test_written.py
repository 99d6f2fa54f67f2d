"""What we wrote: recorded before it is sent, confirmed when it arrived; and whose a Patient is."""

from dataclasses import replace

from indexer.ledger import SqlLedger, open_ledger
from indexer.model import Deferred, Written
from tests.contract.ledger.values import TARGET, execute, mark, patient, published, settled, take_one

STUDY, PATIENT = "ImagingStudy/s", "Patient/p"


def written(ledger: SqlLedger, *references: str) -> dict[str, Written]:
    """What was written, read by writing once more."""
    return dict(ledger.record_pending(dict.fromkeys(references, b"next")))


def test_what_is_sent_is_pending_until_it_is_confirmed(ledger: SqlLedger) -> None:
    ledger.mark([mark()], 1000.0)
    task = take_one(ledger, 1000.0)
    assert ledger.record_pending({STUDY: b"one", PATIENT: b"two"}) == {}
    ledger.settle([replace(settled(task), written=(STUDY,))], 1001.0)
    assert written(ledger, STUDY, PATIENT) == {STUDY: Written(confirmed=b"one"), PATIENT: Written(pending=b"two")}
    assert written(ledger, STUDY) == {STUDY: Written(confirmed=b"one", pending=b"next")}


def test_a_study_that_was_put_off_confirms_its_patient(ledger: SqlLedger) -> None:
    ledger.mark([mark()], 1000.0)
    ledger.record_pending({STUDY: b"one", PATIENT: b"two"})
    put_off = Deferred(
        task=take_one(ledger, 1000.0), due_in_s=1.0, cause="retry", patient=patient(), written=(PATIENT,)
    )
    ledger.settle([put_off], 1001.0)
    assert written(ledger, STUDY, PATIENT) == {STUDY: Written(pending=b"one"), PATIENT: Written(confirmed=b"two")}


def test_what_was_not_sent_anew_is_not_forgotten(ledger: SqlLedger) -> None:
    """A study that is unchanged on the server is settled without a new intention."""
    ledger.mark([mark()], 1000.0)
    ledger.record_pending({STUDY: b"one"})
    for now in (1001.0, 1002.0):
        ledger.mark([mark()], now)
        ledger.settle([replace(settled(take_one(ledger, now)), written=(STUDY,))], now)
    assert written(ledger, STUDY) == {STUDY: Written(confirmed=b"one")}


def test_an_endpoint_confirms_what_was_written_of_it(ledger: SqlLedger) -> None:
    ledger.record_pending({"Endpoint/e": b"one"})
    ledger.put_endpoint("main", "e", "f" * 64)
    assert written(ledger, "Endpoint/e") == {"Endpoint/e": Written(confirmed=b"one")}


def test_another_target_holds_nothing_of_us(ledger: SqlLedger) -> None:
    ledger.record_pending({STUDY: b"one"})
    ledger.open_target("http://other.example/fhir")
    assert written(ledger, STUDY) == {}
    ledger.open_target(TARGET)
    assert written(ledger, STUDY) == {STUDY: Written(pending=b"one")}


def test_a_target_that_was_replaced_leaves_nothing_behind(ledger: SqlLedger) -> None:
    ledger.record_pending({STUDY: b"one"})
    ledger.reset_target(TARGET)
    assert execute(ledger, "SELECT * FROM written") == []


def test_many_are_written_at_once(ledger: SqlLedger) -> None:
    many = {f"ImagingStudy/{number}": b"one" for number in range(2500)}
    assert ledger.record_pending(many) == {}
    assert ledger.record_pending(many) == dict.fromkeys(many, Written(pending=b"one"))


def test_whose_a_patient_is_and_what_is_shared(ledger: SqlLedger) -> None:
    ledger.mark([mark()], 1000.0)
    theirs = patient(is_ours=False, version_id="7", is_shared=True)
    study = published(is_shared=True)
    ledger.settle([replace(settled(take_one(ledger, 1000.0)), published=study, patient=theirs)], 1001.0)
    assert ledger.patients(["key"]) == {"key": theirs}
    assert ledger.published(["1.2.3"]) == {"1.2.3": study}


def test_a_patient_that_is_gone_is_forgotten(ledger: SqlLedger) -> None:
    ledger.mark([mark()], 1000.0)
    ledger.settle([replace(settled(take_one(ledger, 1000.0)), patient=patient())], 1001.0)
    ledger.forget_patients(["key", "other"])
    assert ledger.patients(["key"]) == {}
    assert ledger.published(["1.2.3"])["1.2.3"].patient_key == "key"


def test_a_ledger_of_the_first_schema_is_brought_up(new_url: str) -> None:
    """Its Patients were all made by us, and nothing is known of what others wrote."""
    with open_ledger(new_url) as ledger:
        ledger.open_target(TARGET)
        ledger.mark([mark()], 1000.0)
        ledger.settle([replace(settled(take_one(ledger, 1000.0)), patient=patient())], 1001.0)
        _downgrade(ledger)
    with open_ledger(new_url) as ledger:
        ledger.open_target(TARGET)
        assert ledger.published(["1.2.3"]) == {"1.2.3": published()}
        assert ledger.patients(["key"]) == {"key": patient()}
        assert ledger.record_pending({STUDY: b"one"}) == {}


def _downgrade(ledger: SqlLedger) -> None:
    """Make the tables those of schema 0001 again, as an earlier version left them."""
    execute(ledger, "DROP TABLE written")
    for table, columns in {"published": ["is_shared"], "patient": ["is_ours", "version_id", "is_shared"]}.items():
        for column in columns:
            execute(ledger, f"ALTER TABLE {table} DROP COLUMN {column}")
    execute(ledger, "UPDATE alembic_version SET version_num = '0001'")
