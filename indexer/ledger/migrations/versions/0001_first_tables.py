"""The first schema; a new ledger is made from `indexer.ledger.schema` and needs no step.

Revision ID: 0001
Revises: none
"""

revision = "0001"
down_revision = None
