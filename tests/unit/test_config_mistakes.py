"""Every mistake in a configuration file is named by line and key, with what is expected there."""

from pathlib import Path

import pytest

from indexer import config
from indexer.config.secrets import readable_by_all
from indexer.errors import ConfigError

GOOD = """\
sources:
  - name: main
    orthanc: http://127.0.0.1:8042
target:
  fhir: http://127.0.0.1:8080/fhir
ledger: sqlite:////tmp/ledger.db
"""
ENVIRON = {"GREETING": "hello", "EMPTY": ""}


def problems_of(text: str | bytes, folder: Path, **environ: str) -> list[str]:
    """Load a file that must be refused; the problems without the folder's name."""
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        config.load(path, {**ENVIRON, **environ})
    assert caught.value.exit_code == 78
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def source(line: str) -> str:
    """Add a line to the source; it stands in line 4."""
    return GOOD.replace("target:", f"    {line}\ntarget:")


def target(line: str) -> str:
    """Add a line to the target; it stands in line 6."""
    return GOOD.replace("ledger:", f"  {line}\nledger:")


def top(line: str) -> str:
    """Add lines at the end; the first stands in line 7."""
    return f"{GOOD}{line}\n"


def orthanc(address: str) -> str:
    """Another address of the source; it stands in line 3."""
    return GOOD.replace("http://127.0.0.1:8042", address)


def ledger(address: str) -> str:
    """Another address of the ledger; it stands in line 6."""
    return GOOD.replace("sqlite:////tmp/ledger.db", address)


def without(line: int) -> str:
    """Leave out one line."""
    return "".join(kept for number, kept in enumerate(GOOD.splitlines(keepends=True), 1) if number != line)


ONE_MISTAKE = [
    # What is missing
    (without(2).replace("    orthanc", "  - orthanc"), 2, "sources[0].name", "this key is missing"),
    (without(3), 2, "sources[0].orthanc", "this key is missing: Address of Orthanc's REST API"),
    (without(4).replace("  fhir", "#"), 1, "target", "this key is missing"),
    (without(5) + "", 4, "target", "the key has no value"),
    (GOOD.replace("fhir: http", "release: R4 #"), 4, "target.fhir", "this key is missing"),
    (without(6), 1, "ledger", "this key is missing"),
    ("target: {fhir: 'http://x'}\nledger: sqlite:////x\n", 1, "sources", "this key is missing"),
    ("sources: []\n" + GOOD.split("8042\n")[1], 1, "sources", "at least one entry"),
    (source("ca_file:"), 4, "sources[0].ca_file", "the key has no value"),
    (top("settle:"), 7, "settle", "the key has no value"),
    (top("settle: ~"), 7, "settle", "the key has no value"),
    # Unknown keys
    (GOOD.replace("orthanc:", "orthnac:"), 3, "sources[0].orthnac", "did you mean orthanc?"),
    (GOOD.replace("ledger:", "leger:"), 6, "leger", "did you mean ledger?"),
    (source("time_zone: Europe/Berlin"), 4, "sources[0].time_zone", "did you mean timezone?"),
    (source("patient-id-system: urn:oid:1.2"), 4, "sources[0].patient-id-system", "mean patient_id_system?"),
    (source("Timeout: 30s"), 4, "sources[0].Timeout", "did you mean timeout?"),
    (source("user: indexer"), 4, "sources[0].user", "did you mean username?"),
    (source("feed: {intervall: 2s}"), 4, "sources[0].feed.intervall", "did you mean interval?"),
    (target("settle: {quiet: 60s}"), 6, "target.settle", "it belongs at the top of the file"),
    (top("max_entries: 10"), 7, "max_entries", "it belongs under target.bundle"),
    (top("stable_age: 10s"), 7, "stable_age", "it belongs under sources"),
    (top("zzz: 1"), 7, "zzz", "known here: sources, target, ledger"),
    # Values
    (GOOD.replace("name: main", "name: Main"), 2, "sources[0].name", "small letters, digits or '-'"),
    (GOOD.replace("name: main", "name: -main"), 2, "sources[0].name", "not starting with '-'"),
    (GOOD.replace("name: main", f"name: {'a' * 64}"), 2, "sources[0].name", "1 to 63"),
    (GOOD.replace("name: main", "name: maîn"), 2, "sources[0].name", "small letters"),
    (GOOD.replace("name: main", "name: no"), 2, "sources[0].name", "expected text; put it in quotes"),
    (GOOD.replace("name: main", "name: 5"), 2, "sources[0].name", "expected text; put it in quotes"),
    (orthanc("127.0.0.1:8042"), 3, "sources[0].orthanc", "https://host:port"),
    (orthanc("ftp://host"), 3, "sources[0].orthanc", "https://host:port"),
    (orthanc("http://me:pw@host"), 3, "sources[0].orthanc", "without user name"),
    (orthanc("http://host/?a=b"), 3, "sources[0].orthanc", "without user name, '?'"),
    (orthanc("http://host:99999"), 3, "sources[0].orthanc", "https://host:port"),
    (orthanc("http://"), 3, "sources[0].orthanc", "https://host:port"),
    (orthanc('"http://a b"'), 3, "sources[0].orthanc", "https://host:port"),
    (GOOD.replace("/fhir", "/fhir?x=1"), 5, "target.fhir", "without user name, '?' and '#'"),
    (source("dicomweb: pacs.example.org/dicom-web"), 4, "sources[0].dicomweb", "https://host:port/path"),
    (source("dicomweb_root: dicom-web"), 4, "sources[0].dicomweb_root", "such as /dicom-web"),
    (source("dicomweb_root: /../x?y"), 4, "sources[0].dicomweb_root", "such as /dicom-web"),
    (source("timezone: CEST"), 4, "sources[0].timezone", "such as Europe/Berlin"),
    (source("timezone: /etc/localtime"), 4, "sources[0].timezone", "such as Europe/Berlin"),
    (source("timezone: Europe"), 4, "sources[0].timezone", "such as Europe/Berlin"),
    (source("patient_id_system: hospital"), 4, "sources[0].patient_id_system", "absolute URI"),
    (source("patient_id_system: urn:oid:1.02.3"), 4, "sources[0].patient_id_system", "after urn:oid:"),
    (source("patient_id_system: urn:uuid:xyz"), 4, "sources[0].patient_id_system", "a UUID"),
    (source("patient_id_system: 'urn:example:'"), 4, "sources[0].patient_id_system", "absolute URI"),
    (source("patient_id_system: 'http://a b'"), 4, "sources[0].patient_id_system", "absolute URI"),
    (source("issuer: maybe"), 4, "sources[0].issuer", "expected one of read, ignore"),
    (source("issuer_systems: {HOSP: hosp}"), 4, "sources[0].issuer_systems.HOSP", "absolute URI"),
    (source("issuer_systems: [a]"), 4, "sources[0].issuer_systems", "expected keys with values"),
    (source("accession_system: ris"), 4, "sources[0].accession_system", "absolute URI"),
    (source("accession_systems: {RIS: ris}"), 4, "sources[0].accession_systems.RIS", "absolute URI"),
    (source("requires_access_token: maybe"), 4, "sources[0].requires_access_token", "expected true or false"),
    (source("read_dicomweb: false"), 4, "sources[0].read_dicomweb", "issuer: ignore beside it"),
    (source("read_dicomweb: maybe"), 4, "sources[0].read_dicomweb", "expected true or false"),
    (source("read_dicomweb: [true]"), 4, "sources[0].read_dicomweb", "expected true or false"),
    (source("timeout: 120"), 4, "sources[0].timeout", "a duration with its unit"),
    (source("timeout: 2 minutes"), 4, "sources[0].timeout", "such as 500ms, 30s, 5m, 2h or 1d"),
    (source("timeout: -5s"), 4, "sources[0].timeout", "a duration with its unit"),
    (source("timeout: 2h"), 4, "sources[0].timeout", "expected between 1s and 1h"),
    (source("feed: {interval: 1:30}"), 4, "sources[0].feed.interval", "a duration with its unit"),
    (source("feed: {start: yesterday}"), 4, "sources[0].feed.start", "expected one of everything, now"),
    (source("feed: {page: 0}"), 4, "sources[0].feed.page", "expected 1 or more"),
    (source("feed: fast"), 4, "sources[0].feed", "expected keys with values"),
    (source("readers: 0"), 4, "sources[0].readers", "expected 1 or more"),
    (source("readers: 9"), 4, "sources[0].readers", "expected 8 or less"),
    (source("readers: two"), 4, "sources[0].readers", "expected a whole number"),
    (source("readers: yes"), 4, "sources[0].readers", "expected a whole number"),
    (source("readers: 2.5"), 4, "sources[0].readers", "expected a whole number"),
    (source("readers: [2]"), 4, "sources[0].readers", "expected a whole number"),
    (source(f"readers: {'9' * 5000}"), 4, "sources[0].readers", "expected a number"),
    (source("stable_age: 20m"), 4, "sources[0].stable_age", "less than settle.max_wait - settle.margin"),
    (target("release: STU3"), 6, "target.release", "expected one of auto, R4, R4B, R5, R6"),
    (target("release: r4b"), 6, "target.release", "did you mean R4B?"),
    (target("strategy: conditional"), 6, "target.strategy", "expected one of put"),
    (target("bundle: {type: message}"), 6, "target.bundle.type", "one of auto, transaction, batch"),
    (target("bundle: {max_bytes: 4M}"), 6, "target.bundle.max_bytes", "such as 500KB or 4MiB"),
    (target("bundle: {max_bytes: 4000000}"), 6, "target.bundle.max_bytes", "a size with its unit"),
    (target("bundle: {max_bytes: 1KB}"), 6, "target.bundle.max_bytes", "between 64KiB and 1GiB"),
    (target("bundle: {max_entries: 0}"), 6, "target.bundle.max_entries", "expected 1 or more"),
    (target("retry: {initial: 10m}"), 6, "target.retry.max", "at least as long as initial"),
    (ledger("/tmp/ledger.db"), 6, "ledger", "four slashes"),
    (ledger("sqlite:///ledger.db"), 6, "ledger", "four slashes"),
    (ledger("'sqlite:///:memory:'"), 6, "ledger", "four slashes"),
    (ledger("mysql://host/db"), 6, "ledger", "postgresql://"),
    (ledger("postgresql+psycopg://host"), 6, "ledger", "host:5432/database"),
    (ledger("postgresql+psycopg://h:x/d"), 6, "ledger", "host:5432/database"),
    (ledger("[a]"), 6, "ledger", "expected text"),
    (top("settle: {max_wait: 30s}"), 7, "settle.max_wait", "at least quiet + margin"),
    (top("instances: some"), 7, "instances", "full, none or {capped: N}"),
    (top("instances: {capped: 0}"), 7, "instances", "N of 1 or more"),
    (top("instances: {capped: true}"), 7, "instances", "N of 1 or more"),
    (top("instances: capped"), 7, "instances", "full, none or {capped: N}"),
    (top("sampled_instances: 0"), 7, "sampled_instances", "expected 1 or more"),
    (top("log: {format: xml}"), 7, "log.format", "expected one of auto, json, text"),
    (top("log: {level: verbose}"), 7, "log.level", "one of debug, info, warning, error"),
    (top("log: {level: off}"), 7, "log.level", "one of debug, info, warning, error"),
    (top("site_key: abcd"), 7, "site_key", "64 or more hexadecimal digits"),
    (top(f"site_key: {'é' * 64}"), 7, "site_key", "64 or more hexadecimal digits"),
    # Credentials and files
    (source("username: me"), 4, "sources[0].username", "a password or password_file beside it"),
    (source("password: hunter2"), 4, "sources[0].password", "expected a username beside it"),
    (source("{username: ''"), None, "", "not valid YAML"),
    (source("username: ''\n    password: x"), 4, "sources[0].username", "expected text, not empty"),
    (source("username: me\n    password: 1234"), 5, "sources[0].password", "put it in quotes"),
    (source("username: me\n    password: ''"), 5, "sources[0].password", "expected text, not empty"),
    (source("username: me\n    password: {a: b}"), 5, "sources[0].password", "expected text"),
    (source("username: me\n    password_file: nowhere/x"), 5, "sources[0].password_file", "no such file"),
    (source("username: me\n    password_file: orthanc"), 5, "sources[0].password_file", "systemd credential"),
    (source("username: me\n    password_file: [a]"), 5, "sources[0].password_file", "the path of a file"),
    (source("username: me\n    password_file: '  '"), 5, "sources[0].password_file", "the path of a file"),
    (source("ca_file: /nowhere/ca.pem"), 4, "sources[0].ca_file", "there is no such file"),
    (source(f"ca_file: /{'x' * 5000}"), 4, "sources[0].ca_file", "that this user can read: file name too long"),
    (source("ca_file: /"), 4, "sources[0].ca_file", "there is no such file"),
    (source("bearer: x\n    username: u\n    password: p"), 4, "sources[0].bearer", "either username and password or"),
    (target("bearer: x\n  username: u\n  password: p"), 6, "target.bearer", "either username and password or"),
    # Variables
    (source("timezone: ${NOWHERE}"), 4, "sources[0].timezone", "variable NOWHERE is not set"),
    (source("timezone: ${no where}"), 4, "sources[0].timezone", "expected ${NAME} or ${NAME:-default}"),
    (source("timezone: ${GREETING"), 4, "sources[0].timezone", "write $${ for a plain ${"),
    (source("timezone: ${GREETING}"), 4, "sources[0].timezone", "such as Europe/Berlin"),
    (source("username: me\n    password: ${EMPTY}"), 5, "sources[0].password", "expected text, not empty"),
    (source("username: me\n    password_file: ${HERE}/x"), 5, "sources[0].password_file", "HERE is not set"),
    # The group `mapping`
    (top("mapping: us-core"), 7, "mapping", "expected keys with values"),
    (top("mapping: {preset: us_core}"), 7, "mapping.preset", "did you mean us-core?"),
    (top("mapping: {preset: EU-Imagin}"), 7, "mapping.preset", "did you mean eu-imaging?"),
    (top("patients: {mode: merge}"), 7, "patients.mode", "expected one of match_or_create, match, create, logical"),
    *(
        (
            top(f"patients: {{mode: {mode}, without_number: study}}"),
            7,
            "patients.without_number",
            f"expected quarantine or absent: mode {mode} makes no Patient",
        )
        for mode in ("match", "logical")
    ),
    (top("mapping: {preset: ''}"), 7, "mapping.preset", "expected one of base, us-core, eu-imaging, mii"),
    (top("mapping: {preset: [base]}"), 7, "mapping.preset", "expected one of base, us-core"),
    (top("mapping:\n  elements:\n    body_site: false"), 9, "mapping.elements.body_site", "did you mean bodySite?"),
    (top("mapping: {elements: {basedon: off}}"), 7, "mapping.elements.basedon", "did you mean basedOn?"),
    (top("mapping: {elements: {deviceSubject: on}}"), 7, "mapping.elements.deviceSubject", "unknown key"),
    (top("mapping: {elements: {note: perhaps}}"), 7, "mapping.elements.note", "expected true or false"),
    (top("mapping: {elements: {note: }}"), 7, "mapping.elements.note", "the key has no value"),
    (top("mapping: {elements: [note]}"), 7, "mapping.elements", "expected keys with values"),
    (top("mapping: {referrer: true}"), 7, "mapping.referrer", "it belongs under mapping.elements"),
    (top("preset: mii"), 7, "preset", "it belongs under mapping"),
    (top("mapping: {coding_schemes: {99X: codes}}"), 7, "mapping.coding_schemes.99X", "absolute URI"),
    (top("mapping: {body_parts: {Thorax: Chest}}"), 7, "mapping.body_parts.Thorax", "such as CHEST"),
    (top("mapping: {body_parts: {Thorax: 7}}"), 7, "mapping.body_parts.Thorax", "expected text"),
    (top("mapping: {meta_source: here}"), 7, "mapping.meta_source", "absolute URI"),
    # The form of the file
    ("", 1, "", "the file is empty"),
    ("# nothing\n", 1, "", "the file is empty"),
    ("just words\n", 1, "", "expected keys with values"),
    ("- a\n- b\n", 1, "", "expected keys with values"),
    (GOOD + "\tlog: {}\n", 7, "", "cannot start any token"),
    (GOOD + "log: {format: json\n", 8, "", "not valid YAML"),
    (GOOD + "---\nlog: {}\n", 7, "", "expected a single document"),
    (source("timezone: UTC\n    timezone: UTC"), 5, "sources[0].timezone", "stands twice, first in line 4"),
    (top("ledger: sqlite:////other"), 7, "ledger", "stands twice, first in line 6"),
    (top("log: &log {}\nsettle: *log"), 8, "", "aliases (*name) are not taken"),
    (top("<<: {log: {}}"), 7, "", "expected plain words as keys"),
    (top("? [a]\n: b"), 7, "", "expected plain words as keys"),
    (top("log: !!python/object:os.system {}"), 7, "", "without a !tag"),
    (top("log: ! {}"), 7, "", "without a !tag"),
    (top("log: !!set {a}"), 7, "", "without a !tag"),
    (top("site_key: !!binary aGVsbG8="), 7, "", "without a !tag"),
    (source("readers: !!int two"), 4, "", "without a !tag"),
    (source("readers: 0b_"), 4, "sources[0].readers", "expected a number"),
    (top("log: " + "[" * 50 + "]" * 50), 7, "", "at most 24 levels"),
    (GOOD.encode() + b"log: \xff\n", 7, "", "expected text in UTF-8"),
    (GOOD + "log: \x00\n", 1, "", "control character"),
]


@pytest.mark.parametrize(("text", "line", "key", "expected"), ONE_MISTAKE)
def test_one_mistake(text: str | bytes, line: int | None, key: str, expected: str, tmp_path: Path) -> None:
    (problem,) = problems_of(text, tmp_path)
    where, _, rest = problem.partition(": ")
    assert line is None or where == f"config.yaml:{line}"
    assert rest.startswith(f"{key}: ") if key else True
    assert expected in rest


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
sources:
  - name: Main
    orthnac: http://127.0.0.1:8042
    readers: 0
    timezone: ${NOWHERE}
  - name: second
    orthanc: http://[::1]:8042
    password_file: /nowhere/password
    timezone: UTC
    timezone: UTC
target:
  release: R7
ledger: ledger.db
colour: blue
"""
    assert [problem.split(": ")[:2] for problem in problems_of(text, tmp_path)] == [
        ["config.yaml:2", "sources[0].name"],
        ["config.yaml:3", "sources[0].orthnac"],
        ["config.yaml:4", "sources[0].readers"],
        ["config.yaml:5", "sources[0].timezone"],
        ["config.yaml:8", "sources[1].password_file"],
        ["config.yaml:8", "sources[1].password_file"],
        ["config.yaml:10", "sources[1].timezone"],
        ["config.yaml:11", "target.fhir"],
        ["config.yaml:12", "target.release"],
        ["config.yaml:13", "ledger"],
        ["config.yaml:14", "colour"],
    ]


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("target:", "  - name: main\n    orthanc: http://127.0.0.1:9042\ntarget:")
    assert problems_of(text, tmp_path) == ["config.yaml:4: sources[1].name: expected a name that no other source has"]


def test_odd_keys_cannot_forge_a_line(tmp_path: Path) -> None:
    (problem,) = problems_of(top('"a\\nb\\e[31m": 1'), tmp_path)
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "one line of text"),
        (b"\n", "one line of text"),
        (b"one\ntwo\n", "one line of text"),
        (b"\xff\xfe", "text in UTF-8"),
        (b"x" * 70_000, "at most 64 KiB"),
    ],
)
def test_unfit_secret_files(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    (problem,) = problems_of(source("username: me\n    password_file: ./secret"), tmp_path)
    assert problem.startswith("config.yaml:5: sources[0].password_file: expected")
    assert expected in problem


@pytest.mark.parametrize("name", ["password", "bearer", "ledger_password", "site_key"])
def test_a_secret_has_one_origin(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("ab" * 32)
    both = f"{name}: {'cd' * 32}\n  {name}_file: ./secret"
    if name == "password":
        problems = problems_of(target(f"username: u\n  {both}"), tmp_path)
    elif name == "bearer":
        problems = problems_of(target(both), tmp_path)
    else:
        problems = problems_of(top(both.replace("\n  ", "\n")), tmp_path)
    assert [problem.split(": ", 2)[2] for problem in problems] == [f"expected only one of {name} and {name}_file"]


def test_a_missing_file_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: no such file") as caught:
        config.load(tmp_path / "nowhere.yaml", {})
    assert "--orthanc URL --fhir URL" in caught.value.hint


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        config.load(tmp_path, {})


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("#" * 1_048_577)
    with pytest.raises(ConfigError, match="at most 1 MiB"):
        config.load(path, {})


def test_read_secret_of_a_lost_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.read_secret(tmp_path / "token")


def test_a_file_that_vanished_is_open_to_nobody(tmp_path: Path) -> None:
    assert not readable_by_all(tmp_path / "vanished")


SECRET = "hunter2secretvalue"  # in no fixed text of ours


@pytest.mark.parametrize(
    "text",
    [
        source(f"username: me\n    password: {SECRET}\n    readers: 0"),
        source(f"username: me\n    password: [{SECRET}]"),
        source(f"username: me\n    password: '{SECRET}"),
        source(f"username: me\n    password: {SECRET}: x: y"),
        source(f"username: me\n    password: &{SECRET} *{SECRET}"),
        source(f"username: me\n    password: !{SECRET}!x y"),
        source(f"username: me\n    password: !{SECRET} y"),
        source(f"username: me\n    password: *{SECRET}"),
        source(f"username: me\n    password: ${{MISSING:-{SECRET}"),
        source(f"username: ''\n    password: ${{MISSING:-{SECRET}}}"),
        GOOD.replace("http://127", f"http://me:{SECRET}@127"),
        GOOD.replace("/fhir", f"/fhir?token={SECRET}"),
        ledger(f"postgresql+psycopg://me:{SECRET}@host:x/db"),
        ledger(f"postgres://me:{SECRET}@host/db"),
        target(f"bearer: {SECRET}\n  username: me"),
        target("bearer: ${TOKEN}\n  release: ${TOKEN}\n  timeout: ${TOKEN}\n  bundle: ${TOKEN}"),
        top(f"site_key: {SECRET}"),
        top("site_key: ${TOKEN}"),
        top("ledger_password: ${TOKEN}\ninstances: ${TOKEN}\nsampled_instances: ${TOKEN}"),
        source(f"timezone: {SECRET}"),
        source(f"patient_id_system: {SECRET}"),
        top(f"mapping: {{preset: {SECRET}, meta_source: {SECRET}, elements: {{note: {SECRET}}}}}"),
        top(f"mapping: {{coding_schemes: {{A: {SECRET}}}, body_parts: {{A: {SECRET}}}}}"),
    ],
)
def test_no_problem_quotes_a_value(text: str, tmp_path: Path) -> None:
    problems = problems_of(text, tmp_path, TOKEN=SECRET)
    assert SECRET not in "\n".join(problems)
