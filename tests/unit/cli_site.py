"""The command line over an archive and a FHIR server in memory."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from indexer import cli
from indexer.cli.compose import Site
from indexer.cli.servers import Archive
from indexer.ledger import Ledger, open_ledger
from indexer.mapping import Rules
from tests.fakes.listing import ListedArchive
from tests.fakes.memory import MemorySource, MemoryTarget


@dataclass(kw_only=True)
class CommandLine:
    """Calls commands in this process; each call composes its objects anew, as a process would.

    Attributes
    ----------
    changes
        Keys that are merged into the top level of the configuration.
    others
        Archives beside the source, in the order in which they are configured after it.
    """

    home: Path
    capsys: pytest.CaptureFixture[str]
    source: ListedArchive = field(default_factory=lambda: MemorySource(time.time))
    target: MemoryTarget = field(default_factory=MemoryTarget)
    changes: dict[str, Any] = field(default_factory=dict)
    others: list[ListedArchive] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The configuration file, written anew."""
        content = {
            "sources": [_source(archive.name) for archive in (self.source, *self.others)],
            "target": {"fhir": self.target.base_url, "retry": {"initial": "50ms", "max": "1s"}},
            "ledger": f"sqlite:///{self.home / 'ledger.db'}",
            **self.changes,
        }
        path = self.home / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def call(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command."""
        self.capsys.readouterr()
        code = cli.main([*arguments, "--config", str(self.config)])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def out(self, *arguments: str, code: int = 0) -> str:
        """Stdout of a command that ends so."""
        ended, out, err = self.call(*arguments)
        assert ended == code, err
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.out(*arguments, code=code))

    def err(self, *arguments: str, code: int = 0) -> str:
        """Stderr of a command that ends so."""
        ended, _, err = self.call(*arguments)
        assert ended == code, err
        return err

    def opened(self) -> AbstractContextManager[Ledger]:
        """The ledger, as another process would open it."""
        return open_ledger(f"sqlite:///{self.home / 'ledger.db'}", self.target.base_url)

    def site(self, config: Any, **options: bool) -> Site:
        """What the commands compose, with the servers in memory."""
        made = _MemorySite(config, [self.source, *self.others], self.target, **options)
        self.sites.append(made)
        return made

    def close(self) -> None:
        """Close what the commands left to the end of their process."""
        for site in self.sites:
            if "ledger" in vars(site):
                site.ledger.close()


def _source(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "orthanc": f"http://127.0.0.1:8042/{name}",
        "patient_id_system": "urn:oid:1.2.3.4",
        "feed": {"interval": "100ms"},
    }


class _MemorySite(Site):
    def __init__(self, config: Any, archives: list[ListedArchive], target: MemoryTarget, **options: bool) -> None:
        super().__init__(config, **options)
        self._archives, self._memory_target = {archive.name: archive for archive in archives}, target

    @cached_property
    def archives(self) -> dict[str, Archive]:
        return {name: _archive(archive) for name, archive in self._archives.items()}

    @cached_property
    def target(self) -> MemoryTarget:
        return self._memory_target

    def _samples(self, source: Any, rules: Rules) -> ListedArchive | None:
        return self._archives[source.name] if source.read_dicomweb else None


def _archive(archive: ListedArchive) -> Archive:
    feed = archive if isinstance(archive, MemorySource) else None
    return Archive(source=archive, feed=feed, dicomweb_root=lambda: "/dicom-web")


def command_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """A command line for one test."""
    one = CommandLine(home=home, capsys=capsys)
    for name in ("compose.Site", "servers.Servers"):
        monkeypatch.setattr(f"indexer.cli.{name}", one.site)
    monkeypatch.setattr("indexer.log.configure", lambda *_: None)
    yield one
    one.close()


def assert_says(text: str, *parts: str) -> None:
    assert [part for part in parts if part not in text] == [], text
