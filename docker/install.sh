#!/usr/bin/env bash
# Installs visavis for a server, from this checkout: system packages where it may, a virtual environment, the wheel.
#     docker/install.sh PREFIX [--extras gpu] [--python python3.12]
# The images are built with it and every change is tested with it, so what works there works here. Needs no compiler.
set -euo pipefail

usage() { sed -n '3p' "$0" | sed 's/^# *//' >&2; exit 2; }
source_folder=$(cd "$(dirname "$0")/.." && pwd)
prefix='' extras='' python=python3
while [ $# -gt 0 ]; do
  case $1 in
    --extras) extras=${2:?--extras needs a name, such as gpu}; shift 2 ;;
    --python) python=${2:?--python needs a program, such as python3.12}; shift 2 ;;
    -*) usage ;;
    *) [ -z "$prefix" ] || usage; prefix=$1; shift ;;
  esac
done
[ -n "$prefix" ] || usage

"$python" -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else 1)' ||
  { echo "visavis needs Python 3.11, 3.12 or 3.13; say which with --python python3.12" >&2; exit 1; }
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
  else
    echo "$python has no venv; on Debian: apt-get install python3-venv" >&2
    exit 1
  fi
fi

"$python" -m venv "$prefix"
"$prefix/bin/python" -m pip install --quiet --no-cache-dir --upgrade pip
"$prefix/bin/python" -m pip install --quiet --no-cache-dir "$source_folder${extras:+[$extras]}"
"$prefix/bin/visavis" --version
