"""Random kills of the program and of both servers, while studies arrive, are corrected and deleted."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.chaos.archive_life import ArchiveLife
from tests.chaos.converge import Outcome, converge
from tests.chaos.rig import Rig, counted, heading, rig, table, told
from tests.chaos.victims import Daemon, Murderer

PAUSES_S = {"program": 3.0, "Orthanc": 25.0, "FHIR server": 90.0}
"""Mean time between two strokes."""


def run(minutes: float, seed: str, orthanc: str, release: str) -> bool:
    """Let it storm for some minutes and print what came of it; whether nothing was lost or doubled."""
    command = f"python -m tests.chaos kills --minutes {minutes:g} --seed {seed} --orthanc {orthanc} --release {release}"
    with rig(orthanc, release) as servers:
        stop = threading.Event()
        site = servers.site()
        daemon = Daemon(site)
        victims = {"program": daemon, "Orthanc": servers.orthanc, "FHIR server": servers.hapi}
        murderers = [
            Murderer(name=name, victim=victim, pause_s=PAUSES_S[name], seed=seed, stop=stop)
            for name, victim in victims.items()
        ]
        life = ArchiveLife(orthanc=servers.orthanc, seed=seed, stop=stop)
        daemon.start()
        _storm(minutes, stop, life, murderers)
        outcome = converge(site)
        daemon.stop()
        print(heading("Random kills", command))
        print(_report(life, murderers, outcome, servers, minutes))
        print("\n".join([*outcome.lost, *outcome.doubled]))
        return outcome.is_good


def _storm(minutes: float, stop: threading.Event, life: ArchiveLife, murderers: list[Murderer]) -> None:
    end = time.monotonic() + 60 * minutes
    with ThreadPoolExecutor(1 + len(murderers)) as pool:
        loops = [pool.submit(life.live), *(pool.submit(murderer.work) for murderer in murderers)]
        while time.monotonic() < end and not any(loop.done() for loop in loops):
            time.sleep(1)
        stop.set()
    for loop in loops:
        loop.result()


def _report(life: ArchiveLife, murderers: list[Murderer], outcome: Outcome, servers: Rig, minutes: float) -> str:
    kills = {murderer.name: murderer.done["killed"] for murderer in murderers}
    strokes = {f"{one.name} {kind}": count for one in murderers for kind, count in one.done.items()}
    return table(
        {
            "servers": f"Orthanc {servers.orthanc.version}, HAPI {servers.hapi.release} on disk",
            "duration": f"{minutes:g} min",
            "kills (SIGKILL)": f"{sum(kills.values())}: {counted(kills)}",
            "all strokes (ended: SIGTERM; held up: SIGSTOP)": counted(strokes),
            "changes of the archive": counted(life.done),
            **told(outcome),
        }
    )
