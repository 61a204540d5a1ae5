# Makes the virtual environment that demo.sh and test.sh run in. Sourced by them; not run by itself.
#
#   CRAQUELURE_VENV         where it goes (default: .venv beside this file)
#   CRAQUELURE_TORCH_INDEX  package index to take torch and torchvision from; "pip" means pip's own settings.
#                           Default: the CPU index of pytorch.org, or pip's own where an NVIDIA GPU is found.
#   CRAQUELURE_PYTHON       the Python to make it with (default: python3)

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${CRAQUELURE_VENV:-$here/.venv}"
python="${CRAQUELURE_PYTHON:-python3}"
cpu_index="https://download.pytorch.org/whl/cpu"

say() { printf '%s\n' "$*" >&2; }
stop() { say "Error: $*"; exit 2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi; }

need_python() {
  command -v "$python" >/dev/null || apt_install python3 || stop "no $python here. Install Python 3.10 or newer."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || stop "$("$python" --version) is too old. Set CRAQUELURE_PYTHON to a Python 3.10 or newer."
  "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv \
    || stop "$python cannot make virtual environments. Install the package python3-venv."
}

apt_install() {
  command -v apt-get >/dev/null || return 1
  say "Installing $* with apt-get"
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# QGIS for the tests, and an environment on its Python with what drives it. About 350 MB to download.
# Without root or apt-get the tests of the plugin skip and say so; CRAQUELURE_REQUIRE_QGIS=1 makes that a failure.
install_qgis() {
  if ! { command -v qgis && command -v xvfb-run && command -v xauth && /usr/bin/python3 -c "import qgis.core"; } \
      >/dev/null 2>&1; then
    apt_install qgis python3-qgis xvfb xauth python3-venv || {
      [ -z "${CRAQUELURE_REQUIRE_QGIS:-}" ] || stop "QGIS could not be installed."
      say "QGIS is not here and could not be installed: the tests of the plugin are skipped"
      return 0
    }
  fi
  [ -x "$venv/qgis/bin/pip" ] || /usr/bin/python3 -m venv --system-site-packages "$venv/qgis" \
    || stop "no virtual environment could be made in $venv/qgis."
  "$venv/qgis/bin/pip" install --quiet --disable-pip-version-check "pytest==9.2.0" "pytest-qgis==5.0.2" \
    "pytest-qt==4.5.0" || stop "pytest for QGIS could not be installed."
}

torch_from() {  # torch_from INDEX: "pip" for pip's own settings
  local options=(--quiet --disable-pip-version-check -c "$here/constraints.txt")
  [ "$1" = pip ] || options+=(--index-url "$1" --timeout 15 --retries 1)
  # torch first and torchvision without dependencies: torchvision alone would pull a CUDA build of torch
  "$venv/bin/pip" install "${options[@]}" torch && "$venv/bin/pip" install "${options[@]}" --no-deps torchvision
}

install_torch() {
  if [ -n "${CRAQUELURE_TORCH_INDEX:-}" ]; then
    torch_from "$CRAQUELURE_TORCH_INDEX" || stop "torch could not be installed from $CRAQUELURE_TORCH_INDEX."
  elif command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then
    say "An NVIDIA GPU is here: installing torch with CUDA (about 2.7 GB)"
    torch_from pip || stop "torch could not be installed."
  else
    say "No NVIDIA GPU here: installing torch for the CPU (about 200 MB)"
    torch_from "$cpu_index" 2>/dev/null || {
      say "$cpu_index cannot be used from here; taking torch from pip's own index instead"
      torch_from pip || stop "torch could not be installed. Set CRAQUELURE_TORCH_INDEX to an index that has it."
    }
  fi
}

install_craquelure() {  # install_craquelure [EXTRA]
  need_python
  [ -x "$venv/bin/pip" ] || "$python" -m venv "$venv" || stop "no virtual environment could be made in $venv."
  "$venv/bin/python" -c 'import torch, importlib.util as u, sys; sys.exit(u.find_spec("torchvision") is None)' 2>/dev/null \
    || install_torch
  say "Installing Craquelure and what it needs (about 150 MB)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -c "$here/constraints.txt" -e "$here${1:+[$1]}" \
    || stop "the packages could not be installed."
}

# What the hand-over is opened with in the tests, as COMMAND=PACKAGE of Debian and Ubuntu; and a font with Chinese.
test_programs=(soffice=libreoffice-calc-nogui pdftotext=poppler-utils chromium-headless-shell=chromium-headless-shell
  fc-list=fontconfig)
test_font=fonts-wqy-microhei

install_programs() {
  local missing=() pair
  for pair in "${test_programs[@]}"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  command -v fc-list >/dev/null && fc-list :lang=zh | grep -q . || missing+=("$test_font")
  [ "${#missing[@]}" = 0 ] || apt_install "${missing[@]}" \
    || say "These programs could not be installed: ${missing[*]}. The tests that open files in them are skipped."
}
