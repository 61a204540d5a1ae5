#!/usr/bin/env bash
# Paints a pavilion facade with known damage, surveys it, and prints found against true.
# Usage: bash demo.sh [OUTPUT_FOLDER]      (see install.sh for the settings)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
install_craquelure
exec "$venv/bin/craquelure" demo -o "${1:-$here/craquelure-demo}"
