"""Poll, note, drain, backfill, verify: the flow, over Protocols that it declares itself."""
