#!/bin/sh
# Makes the virtual environment .venv with the locked dependencies (checked by hash) and this project in
# editable form. Does nothing when that is newer than the lock and pyproject.toml.
#
# Usage: scripts/install-python.sh
set -eu

cd "$(dirname "$0")/.."
lock=requirements/dev.txt
stamp=.venv/.installed

is_recent_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

is_up_to_date() {
    is_recent_python .venv/bin/python && [ -e "$stamp" ] \
        && [ "$stamp" -nt "$lock" ] && [ "$stamp" -nt pyproject.toml ]
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if is_recent_python "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "install-python: Python 3.11 or newer is needed (set PYTHON to its path)" >&2
    exit 69
}

pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }

is_up_to_date && exit 0
python=$(find_python)
echo "install-python: installing $lock into .venv"
is_recent_python .venv/bin/python || "$python" -m venv --clear .venv
rm -f "$stamp"
pip install --require-hashes --requirement "$lock"
pip install --no-deps --no-build-isolation --editable .
touch "$stamp"
