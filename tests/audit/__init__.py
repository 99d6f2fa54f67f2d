"""Longer campaigns; each is named on the command line: ``python -m pytest tests/audit/audit_mapping.py``."""
