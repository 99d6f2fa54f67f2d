"""What is shipped and documented about the configuration is what the program takes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from indexer import config
from indexer.config.keys import Keys
from indexer.config.model import Config
from tests.unit.test_config import MINIMAL, load

ROOT = Path(__file__).resolve().parents[2]


def _switched_on() -> Any:
    """Read the example with every key switched on."""
    text = re.sub(r"^( *)#( *)(?=[a-z][A-Za-z_]*:( |$))", r"\1\2", config.example(), flags=re.MULTILINE)
    return yaml.safe_load(text.replace("${SITE_KEY}", "ab" * 32))


def test_the_shipped_example_is_the_printed_one() -> None:
    shipped = (ROOT / "config" / "indexer.example.yaml").read_text()
    assert shipped == config.example(), "run: dicom-fhir-indexer config example > config/indexer.example.yaml"


def test_the_example_loads_as_it_stands(tmp_path: Path) -> None:
    assert load(config.example(), tmp_path).config.sources[0].name == "main"


def _groups_of(tree: Any, group: type[Keys]) -> Iterator[tuple[dict[str, Any], type[Keys]]]:
    """What a file has in each group, with the group."""
    for entry in tree if isinstance(tree, list) else [tree]:
        yield entry, group
        for name, value in entry.items():
            inner = group.group(name)
            if inner:
                yield from _groups_of(value, inner)


def test_the_example_names_every_key_and_shows_the_defaults() -> None:
    tree = _switched_on()
    Config.model_validate(tree)
    groups = list(_groups_of(tree, Config))
    assert [group for _, group in groups] == [group for _, group in Config.groups()]
    for shown, group in groups:
        assert list(shown) == list(group.fields())
        for name, field in group.fields().items():
            assert group.group(name) or field.examples or shown[name] == group.default(name), name


def test_the_schema_is_sound_and_takes_the_example() -> None:
    schema = config.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(config.example()))
    validator.validate(_switched_on())


@pytest.mark.parametrize(
    "wrong",
    [
        "colour: blue",
        "instances: some",
        "sampled_instances: 0",
        "log: {level: loud}",
        "settle: {quiet: 60}",
        "sampled_instances: many",
        "mapping: {preset: us_core}",
        "mapping: {elements: {basedOn: maybe}}",
        "mapping: {elements: {based_on: true}}",
        "mapping: {body_parts: {Thorax: 5}}",
    ],
)
def test_the_schema_finds_mistakes(wrong: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(config.json_schema()).validate(yaml.safe_load(f"{MINIMAL}{wrong}\n"))


@pytest.mark.parametrize("variable", ["sampled_instances: ${N}", "instances: none", "log: {level: '${LEVEL:-info}'}"])
def test_the_schema_takes_variables(variable: str) -> None:
    jsonschema.Draft202012Validator(config.json_schema()).validate(yaml.safe_load(f"{MINIMAL}{variable}\n"))


def test_every_key_has_a_description() -> None:
    for _, group in Config.groups():
        assert [name for name, field in group.fields().items() if not (field.description or "").endswith(".")] == []


def test_the_documented_keys_are_those_of_the_program() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    table = text.split("<!-- keys -->\n")[1]
    assert table == config.key_table(), (
        "replace the table with what this prints: python -c 'from indexer import config; print(config.key_table())'"
    )


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_every_shipped_file_loads(file: Path, tmp_path: Path) -> None:
    for name in ("orthanc-password", "fhir-token"):
        (tmp_path / name).write_text("secret")
    text = file.read_text().replace("/run/secrets/", f"{tmp_path}/")
    assert load(text, tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path)).config.sources
