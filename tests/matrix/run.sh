#!/usr/bin/env bash
# The journeys on other versions of QGIS, each in a chroot of its own. On request only: it needs root, debootstrap
# and about 3 GB per version.
#
#   bash tests/matrix/run.sh 3.40 [PYTEST ARGUMENTS]     Debian trixie
#   bash tests/matrix/run.sh 3.44 [PYTEST ARGUMENTS]     Debian trixie with its backports
#
#   CRAQUELURE_MATRIX         where the chroots lie (default: /var/tmp/craquelure-matrix)
#   CRAQUELURE_DEBIAN_MIRROR  package archive (default: http://deb.debian.org/debian)
#   CRAQUELURE_MATRIX_ENGINE  a Python of this machine whose environment has what the engine needs; the tests and
#                             the engine run in it. Default: an environment is installed in the chroot, with torch
#                             from CRAQUELURE_TORCH_INDEX.
#   CRAQUELURE_MATRIX_BIND    files and folders of this machine that are shown at the same place in the chroot,
#                             read-only: pip's configuration, certificates, a folder of wheels. Settings of pip
#                             (PIP_...) are passed on too.
#   CRAQUELURE_SCREENSHOTS    where the screenshots go
set -euo pipefail

mirror="${CRAQUELURE_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
where="${CRAQUELURE_MATRIX:-/var/tmp/craquelure-matrix}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

case "${1:-}" in
  3.40) suite=trixie; backports= ;;
  3.44) suite=trixie; backports=trixie-backports ;;
  *) echo "Usage: bash tests/matrix/run.sh 3.40|3.44 [PYTEST ARGUMENTS]" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "A chroot needs root." >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "Install debootstrap first." >&2; exit 2; }

root="$where/$1"
shift
if [ ! -e "$root/ready" ]; then
  rm -rf --one-file-system "$root"
  mkdir -p "$root"
  debootstrap --variant=minbase "$suite" "$root" "$mirror"
  if [ -n "$backports" ]; then
    echo "deb $mirror $backports main" > "$root/etc/apt/sources.list.d/backports.list"
  fi
  chroot "$root" apt-get update -qq
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    ${backports:+-t "$backports"} qgis python3-qgis xvfb xauth python3-venv ca-certificates libegl1
  touch "$root/ready"
fi

mounted=()
let_go() { for ((at = ${#mounted[@]} - 1; at >= 0; at--)); do umount "${mounted[at]}"; done; }
trap let_go EXIT
show() {  # show PATH [OPTIONS]: the same file or folder at the same place in the chroot
  if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root$(dirname "$1")"; [ -e "$root$1" ] || touch "$root$1"; fi
  mount --bind "$1" "$root$1"
  mounted+=("$root$1")
  [ -z "${2:-}" ] || mount -o "remount,bind,$2" "$root$1"
}
show /proc
show /dev
for path in ${CRAQUELURE_MATRIX_BIND:-}; do show "$path" ro; done

rm -rf --one-file-system "$root/craquelure"
mkdir "$root/craquelure"
git -C "$here" archive HEAD | tar -x -C "$root/craquelure"
settings=(CRAQUELURE_REQUIRE_QGIS=1 OMP_NUM_THREADS=1 HOME=/root "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
while IFS='=' read -r name value; do settings+=("$name=$value"); done < <(env | grep '^PIP_' || true)
[ -z "${CRAQUELURE_TORCH_INDEX:-}" ] || settings+=("CRAQUELURE_TORCH_INDEX=$CRAQUELURE_TORCH_INDEX")
if [ -n "${CRAQUELURE_SCREENSHOTS:-}" ]; then
  mkdir -p "$CRAQUELURE_SCREENSHOTS"
  show "$(realpath "$CRAQUELURE_SCREENSHOTS")"
  settings+=("CRAQUELURE_SCREENSHOTS=$(realpath "$CRAQUELURE_SCREENSHOTS")")
fi
if [ -n "${CRAQUELURE_MATRIX_ENGINE:-}" ]; then
  # An environment of the chroot's own on the same Python: this checkout first, then the packages of the other.
  read -r base packages < <("$CRAQUELURE_MATRIX_ENGINE" -I -c \
    'import sys, sysconfig; print(sys.base_prefix, sysconfig.get_path("purelib"))')
  show "$base" ro
  show "$packages" ro
  version="$("$CRAQUELURE_MATRIX_ENGINE" -I -c 'import sys; print("python%d.%d" % sys.version_info[:2])')"
  chroot "$root" "$base/bin/$version" -m venv --without-pip /craquelure/.venv
  printf '%s\n' /craquelure "$packages" > "$root/craquelure/.venv/lib/$version/site-packages/matrix.pth"
  install=true
else
  install='install_craquelure test'
fi
chroot "$root" env -i "${settings[@]}" bash -c "
  set -euo pipefail
  cd /craquelure
  source install.sh
  $install
  install_qgis
  \"\$venv/bin/python\" -m pytest -q \"\${@:-tests/plugin}\"" matrix "$@"
