"""What is shipped and documented about the configuration is what the program takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from indexer import config
from indexer.config.fields import default_of, fields_at, group_of
from indexer.config.model import Config

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = """\
sources:
  - name: main
    orthanc: http://127.0.0.1:8042/
target:
  fhir: http://localhost:8080/fhir/
ledger: sqlite:////var/lib/x/ledger.db
"""


def _load(text: str, folder: Path, **environ: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return config.load(path, environ).config


def _switched_on() -> Any:
    """Read the example with every key switched on."""
    text = re.sub(r"^( *)#( *)(?=[a-z][A-Za-z_]*:( |$))", r"\1\2", config.example(), flags=re.MULTILINE)
    return yaml.safe_load(text.replace("${SITE_KEY}", "ab" * 32))


def test_the_shipped_example_is_the_printed_one() -> None:
    shipped = (ROOT / "config" / "indexer.example.yaml").read_text()
    assert shipped == config.example(), "run: dicom-fhir-indexer config example > config/indexer.example.yaml"


def test_the_example_loads_as_it_stands(tmp_path: Path) -> None:
    assert _load(config.example(), tmp_path).sources[0].name == "main"


def _keys(tree: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    if isinstance(tree, list):
        return set().union(*(_keys(value, path) for value in tree))
    if isinstance(tree, dict) and (path == () or _is_group(path)):
        return {(*path, key) for key in tree} | set().union(*(_keys(tree[key], (*path, key)) for key in tree))
    return set()


def _is_group(path: tuple[str | int, ...]) -> bool:
    model: Any = Config
    for step in path:
        model = model and group_of(model, str(step))
    return bool(model)


def _all_keys(path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    keys = set()
    for key in fields_at(path):
        keys.add((*path, key))
        if _is_group((*path, key)):
            keys |= _all_keys((*path, key))
    return keys


def test_the_example_names_every_key_and_shows_the_defaults() -> None:
    tree = _switched_on()
    assert _keys(tree) == _all_keys()
    Config.model_validate(tree)
    for path in _all_keys():
        value = tree
        for step in path:
            value = value[0][step] if isinstance(value, list) else value[step]
        model: Any = Config
        for step in path[:-1]:
            model = group_of(model, str(step))
        name = next(name for name, field in model.model_fields.items() if (field.alias or name) == path[-1])
        if not group_of(model, name) and not model.model_fields[name].examples:
            assert value == default_of(model, name)


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
    for path in _all_keys():
        assert (fields_at(path[:-1])[str(path[-1])].description or "").endswith("."), path


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
    assert _load(text, tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path)).sources
