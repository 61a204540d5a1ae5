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
if [ "$#" = 0 ]; then  # two files of tests at a time, each computing with one thread
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
  set -- -n 2 --dist loadfile --durations=15
fi
"$venv/bin/python" -m pytest "$@"
