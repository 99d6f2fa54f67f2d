"""Random kills of the program and of both servers, while studies arrive, are corrected and deleted."""

import threading

from tests.chaos.archive_life import ArchiveLife
from tests.chaos.converge import Outcome, converge
from tests.chaos.interruptions import Daemon, Interruptible, Interruptions
from tests.chaos.rig import Rig, counted, go_on, heading, rig, table, told
from tests.servers.hapi import Release

PAUSES_S = {"program": 1.5, "Orthanc": 25.0, "FHIR server": 90.0}
"""Mean time between two interruptions."""


def run(minutes: float, seed: str, orthanc: str, release: Release) -> bool:
    """Interrupt everything for some minutes and print what came of it; whether nothing was lost or doubled."""
    command = f"python -m tests.chaos kills --minutes {minutes:g} --seed {seed} --orthanc {orthanc} --release {release}"
    with rig(orthanc, release) as servers:
        stop = threading.Event()
        site = servers.site()
        daemon = Daemon(site)
        processes: dict[str, Interruptible] = {
            "program": daemon,
            "Orthanc": servers.orthanc,
            "FHIR server": servers.hapi,
        }
        interruptions = [
            Interruptions(name=name, process=process, pause_s=PAUSES_S[name], seed=seed, stop=stop)
            for name, process in processes.items()
        ]
        life = ArchiveLife(orthanc=servers.orthanc, seed=seed, stop=stop)
        with daemon:
            go_on(60 * minutes, stop, [life.live, *(one.work for one in interruptions)])
            outcome = converge(site)
        print(heading("Random kills", command))
        print(_report(life, interruptions, outcome, servers, minutes))
        print("\n".join([*outcome.silent, *outcome.lost, *outcome.doubled]))
        return outcome.is_good


def _report(
    life: ArchiveLife, interruptions: list[Interruptions], outcome: Outcome, servers: Rig, minutes: float
) -> str:
    kills = {one.name: one.done["killed"] for one in interruptions}
    all_kinds = {f"{one.name} {kind}": count for one in interruptions for kind, count in one.done.items()}
    return table(
        {
            "servers": f"Orthanc {servers.orthanc.version}, HAPI {servers.hapi.release} on disk",
            "duration": f"{minutes:g} min",
            "kills (SIGKILL)": f"{sum(kills.values())}: {counted(kills)}",
            "all interruptions (ended: SIGTERM; held up: SIGSTOP)": counted(all_kinds),
            "changes of the archive": counted(life.done),
            **told(outcome),
        }
    )
