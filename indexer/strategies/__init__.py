"""How resources get their ids, and how a server is asked to write them. Pure; each fits `indexer.plan.Strategy`."""

from __future__ import annotations

from indexer.strategies.put import PutStrategy, endpoint_id, imaging_study_id, patient_id

__all__ = ["PutStrategy", "endpoint_id", "imaging_study_id", "patient_id"]
