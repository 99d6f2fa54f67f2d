"""A good configuration is read as it was meant."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from indexer import config
from indexer.config.units import DURATION, SIZE, Units
from indexer.errors import ConfigError
from indexer.model.choices import Instances

SECRET = "hunter2secretvalue"
MINIMAL = """\
sources:
  - name: main
    orthanc: http://127.0.0.1:8042/
target:
  fhir: http://localhost:8080/fhir/
ledger: sqlite:////var/lib/x/ledger.db
"""


def load(text: str, folder: Path, **environ: str) -> config.Loaded:
    path = folder / "config.yaml"
    path.write_text(text)
    path.chmod(0o640)
    return config.load(path, environ)


def one_source(*lines: str) -> str:
    return MINIMAL.replace("target:", "".join(f"    {line}\n" for line in lines) + "target:")


def test_defaults(tmp_path: Path) -> None:
    loaded = load(MINIMAL, tmp_path)
    (source,) = loaded.config.sources
    assert loaded.warnings == ()
    assert (source.name, source.orthanc) == ("main", "http://127.0.0.1:8042")
    assert (source.dicomweb, source.dicomweb_root) == (None, None)
    assert (source.read_dicomweb, source.issuer, source.issuer_systems) == (True, "read", {})
    assert (source.timeout_s, source.stable_age_s, source.readers, source.page_size) == (120, 60, 2, 1000)
    assert (source.zone, source.password, source.patient_id_system) == (None, None, None)
    feed = source.feed
    assert (feed.interval_s, feed.page, feed.hole_grace_s, feed.start) == (2, 1000, 60, "everything")
    target = loaded.config.target
    assert (target.fhir, target.release, target.strategy) == ("http://localhost:8080/fhir", "auto", "put")
    bundle = target.bundle
    assert (bundle.type, bundle.max_entries, bundle.max_bytes) == ("auto", 100, 4_194_304)
    assert (bundle.target_time_s, target.timeout_s) == (1, 120)
    assert (target.retry.initial_s, target.retry.max_s) == (1, 300)
    wanted = loaded.config.mapping
    assert (wanted.preset, wanted.elements.switches, wanted.meta_source) == ("base", {}, None)
    assert (wanted.coding_schemes, wanted.body_parts) == ({}, {})
    assert (source.accession_system, source.accession_systems, source.requires_access_token) == (None, {}, None)
    settle = loaded.config.settle
    assert (settle.quiet_s, settle.margin_s, settle.max_wait_s) == (60, 10, 900)
    assert (loaded.config.instances, loaded.config.sampled_instances) == (Instances("full"), 20)
    assert (loaded.config.log.format, loaded.config.log.level) == ("auto", "info")
    assert loaded.config.ledger_url == loaded.config.ledger_shown == "sqlite:////var/lib/x/ledger.db"
    assert loaded.config.site_key_bytes is None


def test_every_kind_of_value(tmp_path: Path) -> None:
    lines = (
        "dicomweb: https://pacs.example.org/dicom-web/",
        "dicomweb_root: /plugins/dw/",
        "timezone: Europe/Berlin",
        "patient_id_system: urn:oid:1.2.3.4",
        "issuer: ignore",
        "read_dicomweb: off",
        "issuer_systems: {Example Hospital: 'https://example.org/ids'}",
        "timeout: 1.5m",
        "feed: {interval: 500ms, start: now}",
    )
    source = load(one_source(*lines), tmp_path).config.sources[0]
    assert source.dicomweb == "https://pacs.example.org/dicom-web"
    assert source.dicomweb_root == "/plugins/dw"
    assert source.zone == ZoneInfo("Europe/Berlin")
    assert (source.patient_id_system, source.issuer, source.read_dicomweb) == (
        "urn:oid:1.2.3.4",
        "ignore",
        False,
    )
    assert source.issuer_systems == {"Example Hospital": "https://example.org/ids"}
    assert (source.timeout_s, source.feed.interval_s, source.feed.start) == (90, 0.5, "now")


@pytest.mark.parametrize(
    ("written", "level", "cap"),
    [
        ("full", "full", None),
        ("none", "none", None),
        ("{capped: 5000}", "capped", 5000),
        ("\n  capped: 7", "capped", 7),
    ],
)
def test_instances(written: str, level: str, cap: int | None, tmp_path: Path) -> None:
    instances = load(f"{MINIMAL}instances: {written}\n", tmp_path).config.instances
    assert (instances.level, instances.cap) == (level, cap)


@pytest.mark.parametrize("release", ["auto", "R4", "R4B", "R5", "R6"])
def test_releases(release: str, tmp_path: Path) -> None:
    text = MINIMAL.replace("ledger:", f"  release: {release}\nledger:")
    assert load(text, tmp_path).config.target.release == release


def test_accession_numbers(tmp_path: Path) -> None:
    lines = ("accession_system: urn:oid:1.2.3.6", "accession_systems: {RIS: 'urn:oid:1.2.3.7'}")
    source = load(one_source(*lines, "requires_access_token: no"), tmp_path).config.sources[0]
    assert (source.accession_system, source.accession_systems) == ("urn:oid:1.2.3.6", {"RIS": "urn:oid:1.2.3.7"})
    assert source.requires_access_token is False


def test_what_is_written_of_a_study(tmp_path: Path) -> None:
    text = f"""{MINIMAL}mapping:
  preset: eu-imaging
  elements: {{bodySite: off, referrer: '${{PERSONS}}'}}
  coding_schemes: {{99HOSPITAL: 'https://example.org/codes'}}
  body_parts: {{'Thorax a.p.': CHEST, 5: L SPINE}}
  meta_source: urn:oid:1.2.3
"""
    wanted = load(text, tmp_path, PERSONS="true").config.mapping
    assert wanted.preset == "eu-imaging"
    assert wanted.elements.switches == {"bodySite": False, "referrer": True}
    assert wanted.coding_schemes == {"99HOSPITAL": "https://example.org/codes"}
    assert wanted.body_parts == {"Thorax a.p.": "CHEST", "5": "L SPINE"}
    assert wanted.meta_source == "urn:oid:1.2.3"


def test_several_sources_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff" + MINIMAL.replace("target:", "  - name: 2024-01-01\n    orthanc: https://[::1]:8042\ntarget:")
    names = [source.name for source in load(text, tmp_path).config.sources]
    assert names == ["main", "2024-01-01"]


def test_variables_are_resolved_after_parsing(tmp_path: Path) -> None:
    lines = ("timezone: ${ZONE:-UTC}", "readers: ${READERS}", "username: a$b $${c}", "password: ${PASSWORD}")
    password = 'p: "#\n${READERS}'  # would change the file's encoding, and is not resolved through again
    loaded = load(one_source(*lines), tmp_path, READERS="4", PASSWORD=password, ZONE="")
    source = loaded.config.sources[0]
    assert (source.timezone, source.readers, source.username) == ("UTC", 4, "a$b ${c}")
    assert source.password is not None
    assert source.password.get_secret_value() == password
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    "written",
    ["./secret", "sub/../secret", "orthanc", "{folder}/secret", "${{CREDENTIALS_DIRECTORY}}/orthanc"],
)
def test_secrets_come_from_files_and_credentials(written: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for file in (tmp_path / "secret", credentials / "orthanc"):
        file.write_text(f"{SECRET} \n")
        file.chmod(0o600)
    lines = ("username: me", f"password_file: {written.format(folder=tmp_path)}")
    loaded = load(one_source(*lines), tmp_path, CREDENTIALS_DIRECTORY=str(credentials))
    source = loaded.config.sources[0]
    assert source.password is not None
    assert source.password.get_secret_value() == f"{SECRET} "  # only the end of the line is no part of it
    assert source.password_file is not None
    assert source.password_file.is_absolute()
    assert loaded.warnings == ()


def test_a_renewed_token_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    token.chmod(0o600)
    loaded = load(MINIMAL.replace("ledger:", "  bearer_file: ./token\nledger:"), tmp_path)
    assert loaded.config.target.bearer is not None
    assert loaded.config.target.bearer.get_secret_value() == "first"
    token.write_text("second")
    assert loaded.config.target.bearer_file is not None
    assert config.read_secret(loaded.config.target.bearer_file).get_secret_value() == "second"


def test_certificates_are_named_and_must_be_readable(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"\xff any bytes\n\n")
    assert load(one_source("ca_file: ./ca.pem"), tmp_path).config.sources[0].ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("url", "full", "shown"),
    [
        ("postgresql+psycopg://me@db.example:5432/indexer?sslmode=require",
         "postgresql+psycopg://me:a%2Fb%40c@db.example:5432/indexer?sslmode=require",
         "postgresql+psycopg://me@db.example:5432/indexer?sslmode=require"),
        ("postgresql+psycopg://me:other@[::1]/indexer",
         "postgresql+psycopg://me:a%2Fb%40c@[::1]/indexer",
         "postgresql+psycopg://me@[::1]/indexer"),
        ("postgresql://me@db.example/indexer",
         "postgresql://me:a%2Fb%40c@db.example/indexer",
         "postgresql://me@db.example/indexer"),
        ("sqlite:////var/lib/x y/ledger.db", "sqlite:////var/lib/x y/ledger.db", "sqlite:////var/lib/x y/ledger.db"),
    ],
)  # fmt: skip
def test_the_ledgers_password_stands_apart(url: str, full: str, shown: str, tmp_path: Path) -> None:
    text = MINIMAL.replace("sqlite:////var/lib/x/ledger.db", url) + "ledger_password: ${PW}\n"
    loaded = load(text, tmp_path, PW="a/b@c").config
    assert (loaded.ledger_url, loaded.ledger_shown) == (full, shown)


def test_the_site_key_is_bytes(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0F" * 32)
    assert load(f"{MINIMAL}site_key_file: ./key\n", tmp_path).config.site_key_bytes == b"\x0f" * 32


INLINE = [
    (one_source("username: me", f"password: {SECRET}"), "5: sources[0].password"),
    (one_source("username: me", f"password: ${{MISSING:-{SECRET}}}"), "5: sources[0].password"),
    (MINIMAL.replace("ledger:", f"  bearer: {SECRET}\nledger:"), "6: target.bearer"),
    (f"{MINIMAL}site_key: {'ab' * 32}\n", "7: site_key"),
    (f"{MINIMAL}ledger_password: {SECRET}\n", "7: ledger_password"),
    (MINIMAL.replace("sqlite:////var/lib/x/ledger.db", f"postgresql+psycopg://a:{SECRET}@h/d"), "6: ledger"),
]


@pytest.mark.parametrize(("text", "where"), INLINE)
def test_a_secret_in_the_file_is_a_warning(text: str, where: str, tmp_path: Path) -> None:
    (warning,) = load(text, tmp_path).warnings
    assert warning.startswith(f"{tmp_path}/config.yaml:{where}: a secret is written out here")
    (tmp_path / "config.yaml").chmod(0o644)
    _, second = config.load(tmp_path / "config.yaml", {}).warnings
    assert "every user of this machine can read the secret" in second
    assert SECRET not in warning + second


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            one_source("username: me", "password: ${PW}").replace("127.0.0.1", "10.0.0.1"),
            "unencrypted; use https",
        ),
        (MINIMAL.replace("ledger:", "  bearer: ${PW}\nledger:").replace("localhost", "fhir"), "unencrypted"),
        (MINIMAL.replace("localhost", "fhir.example.org"), "set dicomweb to the public address"),
        (
            one_source("username: me", "password_file: ./open"),
            "every user of this machine can read that file",
        ),
        (MINIMAL.replace("ledger:", "  bearer_file: ./open\nledger:"), "every user of this machine can read"),
    ],
)
def test_what_is_doubtful_is_a_warning(text: str, warning: str, tmp_path: Path) -> None:
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o644)
    assert any(warning in line for line in load(text, tmp_path, PW=SECRET).warnings)


def test_docker_secrets_are_open_to_their_own_container_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o444)
    text = one_source("username: me", "password_file: ./open")
    assert len(load(text, tmp_path).warnings) == 1
    monkeypatch.setattr("indexer.config.secrets._CONTAINER_SECRETS", str(tmp_path))
    assert load(text, tmp_path).warnings == ()


def test_secrets_never_show(tmp_path: Path) -> None:
    text = one_source("username: me", f"password: {SECRET}").replace("ledger:", f"  bearer: {SECRET}\nledger:")
    text = text.replace("sqlite:////var/lib/x/ledger.db", f"postgresql+psycopg://a:{SECRET}@h/d")
    text += f"ledger_password: {SECRET}\nsite_key: {SECRET.encode().hex() * 4}\n"
    loaded = load(text, tmp_path)
    shown = "\n".join(
        [repr(loaded), str(loaded), f"{loaded.config}", loaded.config.model_dump_json(), *loaded.warnings]
    )
    assert SECRET not in shown
    assert SECRET.encode().hex() not in shown
    assert SECRET not in loaded.config.ledger_shown
    assert SECRET in loaded.config.ledger_url


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    loaded = load(MINIMAL, tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        loaded.config.target.fhir = "http://elsewhere"


# Without a file


def test_from_urls(tmp_path: Path) -> None:
    first_try = config.from_urls("http://127.0.0.1:8042", "http://127.0.0.1:8080/fhir", tmp_path / "ledger.db")
    assert first_try.sources[0].name == "main"
    assert first_try.ledger_url == f"sqlite:///{tmp_path}/ledger.db"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state"),
        ({"XDG_STATE_HOME": "state", "HOME": "/home/me"}, "/home/me/.local/state"),
        ({"HOME": "/home/me"}, "/home/me/.local/state"),
        ({}, f"{Path.home()}/.local/state"),
    ],
)
def test_the_ledger_of_a_first_try(environ: dict[str, str], folder: str) -> None:
    first_try = config.from_urls("http://x", "http://y", None, environ=environ)
    assert first_try.ledger_url == f"sqlite:///{folder}/dicom-fhir-indexer/ledger.db"


def test_wrong_addresses_name_their_option() -> None:
    with pytest.raises(ConfigError) as caught:
        config.from_urls(f"http://me:{SECRET}@x", "nonsense", Path("/tmp/what?.db"))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["--orthanc", "--fhir", "--ledger"]
    assert SECRET not in str(caught.value)


# Units


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        *((DURATION, *row) for row in (("0s", 0), ("60s", 60), ("90s", 90), ("2m", 120), ("15m", 900), ("2h", 7200))),
        *((DURATION, *row) for row in (("2d", 172_800), ("250ms", 0.25))),
        *(
            (SIZE, *row)
            for row in (("10B", 10), ("500KB", 500_000), ("4MiB", 4_194_304), ("2GiB", 2**31), ("2GB", 2e9))
        ),
    ],
)
def test_values_are_shown_as_they_are_written(unit: Units, text: str, value: float) -> None:
    assert unit.show(value) == text
    assert unit.parse(text) == value


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [(DURATION, "1.5m", 90), (DURATION, "1d", 86_400), (SIZE, "1GiB", 2**30), (SIZE, "0.5MB", 500_000)],
)
def test_values_may_be_written_otherwise(unit: Units, text: str, value: float) -> None:
    assert unit.parse(text) == value


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        *((DURATION, text) for text in ("", "s", "10", "10 s", "-1s", "1e3s", "１s", "10S", "1s\n", "9" * 10 + "s")),
        *((SIZE, text) for text in ("", "MB", "10", "10 MB", "10mb", "10M", "٣MB")),
    ],
)
def test_values_without_their_unit(unit: Units, text: str) -> None:
    with pytest.raises(ValueError, match=f"expected a {unit.kind} with its unit"):
        unit.parse(text)
