#!/usr/bin/env bash
# usage: scripts/setup.sh [--lint]
# Installs the Debian packages that Ember is built and tested with, as far as they are missing.
#   --lint   also clang-tidy, for scripts/lint.sh
#   -h       this text
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config clang-format
  libhwy-dev libcli11-dev nlohmann-json3-dev libfmt-dev libstb-dev libtinyxml2-dev zlib1g-dev
  libonnx-dev libprotobuf-dev doctest-dev libbenchmark-dev
  python3 python3-numpy python3-h5py python3-onnx python3-pip python3-venv ca-certificates
)

case "${1:-}" in
  '') ;;
  --lint) packages+=(clang-tidy) ;;
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;;
  *) echo "error: $0: unknown argument $1 (see -h)" >&2; exit 64 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "error: $0 knows Debian and its kin only; install what these packages hold: ${packages[*]}" >&2
  exit 69
fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort)
mapfile -t missing < <(comm -13 <(echo "$installed") <(printf '%s\n' "${packages[@]}" | sort))
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "error: missing packages and no sudo; as root: apt-get install ${missing[*]}" >&2
    exit 69
  fi
  as_root=(sudo)
fi

echo "Installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${missing[@]}"
}
if ! install >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "error: apt-get failed; its last lines stand above. Missing: ${missing[*]}" >&2
  exit 69
fi
