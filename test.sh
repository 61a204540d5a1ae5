#!/usr/bin/env bash
# Runs every check: format, lint, types, layers, tests. Arguments go to pytest.
# Tests on data beside the project need CRAQUELURE_DATA; without it they skip and say so.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
install_craquelure test
install_programs
install_qgis
cd "$here"
"$venv/bin/ruff" format --check .
"$venv/bin/ruff" check .
"$venv/bin/mypy"
"$venv/bin/lint-imports"
[ "$#" -gt 0 ] || set -- -n 2 --dist loadfile --durations=15  # most tests compute with one thread
"$venv/bin/python" -m pytest "$@"
