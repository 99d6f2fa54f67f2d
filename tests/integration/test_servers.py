"""Each real server starts, says who it is, and keeps or forgets its data as its class promises."""

from pathlib import Path

import pytest
import requests
import sqlalchemy
from pydicom.data import get_testdata_file

from tests.servers.hapi import Hapi
from tests.servers.medplum import Medplum
from tests.servers.orthanc import Orthanc, orthanc_versions
from tests.servers.postgres import Postgres

PATIENT = {"resourceType": "Patient", "id": "smoke"}


@pytest.mark.parametrize("version", orthanc_versions())
def test_orthanc_states_its_version_and_keeps_its_storage_over_a_kill(version: str) -> None:
    with Orthanc(version, username="indexer", password="loopback") as orthanc:
        assert orthanc.version.startswith(version)
        assert requests.get(f"{orthanc.url}/system", timeout=5).status_code == 401
        assert requests.get(f"{orthanc.dicomweb_url}/studies", auth=orthanc.auth, timeout=5).json() == []
        instance = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
        stored = requests.post(f"{orthanc.url}/instances", data=instance, auth=orthanc.auth, timeout=5).json()
        orthanc.kill()
        orthanc.start()
        studies = requests.get(f"{orthanc.url}/studies", auth=orthanc.auth, timeout=5).json()
        assert studies == [stored["ParentStudy"]]


def test_hapi_states_its_release_and_wipes(hapi_r4: Hapi) -> None:
    statement = requests.get(f"{hapi_r4.url}/metadata", timeout=30).json()
    assert statement["fhirVersion"] == "4.0.1"
    assert requests.put(f"{hapi_r4.url}/Patient/smoke", json=PATIENT, timeout=30).status_code == 201
    hapi_r4.wipe()
    assert requests.get(f"{hapi_r4.url}/Patient/smoke", timeout=30).status_code == 404


def test_medplum_answers_and_wipes() -> None:
    with Medplum() as medplum:
        assert requests.put(f"{medplum.url}/Patient/smoke", json=PATIENT, timeout=30).status_code == 200
        medplum.wipe()
        assert requests.get(f"{medplum.url}/Patient/smoke", timeout=30).status_code == 404


def test_postgres_gives_fresh_databases_that_survive_a_kill() -> None:
    with Postgres() as postgres:
        engine = sqlalchemy.create_engine(postgres.create_database(), poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE kept (n INTEGER)"))
        postgres.kill()
        postgres.start()
        assert sqlalchemy.inspect(engine).get_table_names() == ["kept"]
        other = sqlalchemy.create_engine(postgres.create_database(), poolclass=sqlalchemy.NullPool)
        assert sqlalchemy.inspect(other).get_table_names() == []
