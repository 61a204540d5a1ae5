#!/usr/bin/env bash
# The journeys on other versions of QGIS, each in a chroot of its own. On request only: it needs root, debootstrap
# and about 3 GB per version.
#
#   bash tests/matrix/run.sh 3.40        Debian trixie
#   bash tests/matrix/run.sh 3.44        Debian trixie-backports
#
#   CRAQUELURE_MATRIX         where the chroots lie (default: /var/tmp/craquelure-matrix)
#   CRAQUELURE_DEBIAN_MIRROR  package archive (default: http://deb.debian.org/debian)
set -euo pipefail

mirror="${CRAQUELURE_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
where="${CRAQUELURE_MATRIX:-/var/tmp/craquelure-matrix}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

case "${1:-}" in
  3.40) suite=trixie; backports= ;;
  3.44) suite=trixie; backports=trixie-backports ;;
  *) echo "Usage: bash tests/matrix/run.sh 3.40|3.44" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "A chroot needs root." >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "Install debootstrap first." >&2; exit 2; }

root="$where/$1"
if [ ! -e "$root/ready" ]; then
  rm -rf "$root"
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

mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"
trap 'umount "$root/proc" "$root/dev"' EXIT
rm -rf "$root/craquelure"
mkdir "$root/craquelure"
git -C "$here" archive HEAD | tar -x -C "$root/craquelure"
settings=(CRAQUELURE_REQUIRE_QGIS=1 OMP_NUM_THREADS=1 HOME=/root "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
[ -z "${CRAQUELURE_TORCH_INDEX:-}" ] || settings+=("CRAQUELURE_TORCH_INDEX=$CRAQUELURE_TORCH_INDEX")
chroot "$root" env -i "${settings[@]}" bash -c '
  set -euo pipefail
  cd /craquelure
  source install.sh
  install_craquelure test
  install_qgis
  "$venv/bin/python" -m pytest -q tests/plugin'
