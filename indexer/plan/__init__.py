"""Decides once what becomes of each resource on the FHIR server, from what was mapped and what is known. Pure."""

from __future__ import annotations

from indexer.plan.action import Action, Strategy, Verb, WritePlan
from indexer.plan.decide import bound_references, plan_endpoint, plan_withdrawal, plan_writes, study_lookup
from indexer.plan.mismatch import demographics_digest, is_mismatch
from indexer.plan.patients import PatientPolicy
from indexer.plan.study import MappedStudy, TargetState

__all__ = [
    "Action",
    "MappedStudy",
    "PatientPolicy",
    "Strategy",
    "TargetState",
    "Verb",
    "WritePlan",
    "bound_references",
    "demographics_digest",
    "is_mismatch",
    "plan_endpoint",
    "plan_withdrawal",
    "plan_writes",
    "study_lookup",
]
