"""Starts one server by hand, prints its addresses and waits for Ctrl-C; or prepares the downloads.

``python -m tests.servers orthanc | hapi | medplum | postgres | prepare``
"""

import argparse
import signal

from tests.servers.hapi import Hapi, prepare_hapi
from tests.servers.medplum import Medplum, prepare_medplum
from tests.servers.orthanc import Orthanc, orthanc_versions, prepare_orthanc
from tests.servers.postgres import Postgres
from tests.servers.process import Server


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers")
    kinds = parser.add_subparsers(dest="kind", required=True)
    orthanc = kinds.add_parser("orthanc", help="an Orthanc with DICOMweb")
    orthanc.add_argument("--version", choices=orthanc_versions(), default=orthanc_versions()[-1])
    orthanc.add_argument("--stable-age", type=int, default=1, metavar="SECONDS")
    hapi = kinds.add_parser("hapi", help="a HAPI FHIR server")
    hapi.add_argument("--release", choices=("r4", "r4b", "r5"), default="r4")
    hapi.add_argument("--base-path", default="/fhir")
    medplum = kinds.add_parser("medplum", help="Medplum's FHIR router")
    for kind in (orthanc, hapi, medplum):
        kind.add_argument("--port", type=int, default=0, help="HTTP port; 0, the default, for a free one")
    kinds.add_parser("postgres", help="a PostgreSQL server")
    prepare = kinds.add_parser("prepare", help="download and build what is not in the cache yet")
    prepare.add_argument("what", nargs="?", choices=("all", "orthanc", "hapi", "medplum"), default="all")
    return parser.parse_args()


def _server(arguments: argparse.Namespace) -> Server:
    match arguments.kind:
        case "orthanc":
            return Orthanc(arguments.version, stable_age_s=arguments.stable_age, http_port=arguments.port)
        case "hapi":
            return Hapi(arguments.release, base_path=arguments.base_path, port=arguments.port)
        case "medplum":
            return Medplum(port=arguments.port)
        case _:
            return Postgres()


def _run(server: Server) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with server:
            for line in server.addresses():
                print(line, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("stopped")


def _prepare(what: str) -> None:
    if what in {"all", "orthanc"}:
        for version in orthanc_versions():
            prepare_orthanc(version)
    if what in {"all", "hapi"}:
        prepare_hapi()
    if what in {"all", "medplum"}:
        prepare_medplum()
    print("all is in the cache")


def main() -> None:
    """Run the command line."""
    arguments = _arguments()
    if arguments.kind == "prepare":
        _prepare(arguments.what)
    else:
        _run(_server(arguments))


if __name__ == "__main__":
    main()
