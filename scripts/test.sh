#!/bin/sh
# Runs every test with branch coverage, also of the program's own processes, and refuses too little of it: 90 % of all,
# 100 % of what is pure. One process more than there are cores, because some tests wait, and four at most, because each
# starts servers of its own (tests/distribution.py); `-n 0` is all in one.
#
# Usage: scripts/test.sh [pytest options]
set -eu

cd "$(dirname "$0")/.."
pure='indexer/schedule.py,indexer/batched.py,indexer/halving.py,indexer/http_status.py,indexer/visible.py,indexer/capacity.py,indexer/orthanc/position.py,indexer/difference.py,indexer/bundle/*,indexer/mapping/*,indexer/merge/*,indexer/plan/*,indexer/strategies/*,indexer/model/*'
processes=$(($(nproc) + 1))
rm -f .coverage .coverage.*
.venv/bin/python -m coverage run -m pytest --numprocesses "$processes" --maxprocesses 4 "$@"
.venv/bin/python -m coverage combine --quiet
.venv/bin/python -m coverage report --skip-covered --skip-empty --fail-under=90
.venv/bin/python -m coverage report --skip-covered --skip-empty --fail-under=100 --include="$pure"
