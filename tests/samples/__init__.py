"""Synthetic studies, the public files of pydicom, and ways to send them to an Orthanc."""

from tests.samples.clinical import clinical_study
from tests.samples.datasets import by_turns, generate, instance, to_bytes
from tests.samples.demo import demo_studies, late_study
from tests.samples.public import public_files, store_files
from tests.samples.senders import delete, modify, store_anew, store_dimse, store_rest, store_stow

__all__ = [
    "by_turns",
    "clinical_study",
    "delete",
    "demo_studies",
    "generate",
    "instance",
    "late_study",
    "modify",
    "public_files",
    "store_anew",
    "store_dimse",
    "store_files",
    "store_rest",
    "store_stow",
    "to_bytes",
]
