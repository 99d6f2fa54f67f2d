"""What learns of changes and marks studies dirty: the feed, a backfill."""
