#!/usr/bin/env bash
# Tries what docker/install.sh makes, as an image would run it: another folder for what it writes, an installation that it
# may not change, SIGTERM at the end. Then lists the installation's packages and asks for their known vulnerabilities.
#     docker/check_install.sh PREFIX TOOLS        TOOLS: the bin folder that has cyclonedx-py and pip-audit
set -euo pipefail
prefix=${1:?a folder to install into} tools=${2:?the folder of cyclonedx-py and pip-audit}
here=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$prefix"
"$here/docker/install.sh" "$prefix"
prefix=$(cd "$prefix" && pwd)
work=$(mktemp -d)
server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
find "$prefix" -type d -exec chmod a-w {} +  # root may write all the same; anybody else sees a read-only installation

cd "$work" # not the checkout: only what is installed may be found
export VISAVIS_DATA_DIR=$work/data NUMBA_CACHE_DIR=$work/compiled HOME=$work
"$prefix/bin/visavis" doctor --json >"$work/doctor.json" || { cat "$work/doctor.json"; exit 1; }
"$prefix/bin/visavis" serve --port 0 >"$work/serve.log" 2>&1 &
server=$!
address=''
for _ in $(seq 240); do
  address=$(grep -oE 'http://localhost:[0-9]+' "$work/serve.log" | head -1) && break
  kill -0 "$server" 2>/dev/null || { cat "$work/serve.log"; exit 1; }
  sleep 0.5
done
"$prefix/bin/python" - "$address" <<'PYTHON'
import json, sys, urllib.request

def get(path):
    with urllib.request.urlopen(sys.argv[1] + path, timeout=10) as answer:
        return answer.read()

assert json.loads(get("/healthz"))["status"] == "ok"
assert b"<html" in get("/"), "no page in the wheel"
avatars = json.loads(get("/v1/avatars"))
assert len(avatars.get("avatars", avatars)) >= 9, "no gallery in the wheel"
print("serves its page and", len(avatars.get("avatars", avatars)), "avatars at", sys.argv[1])
PYTHON
kill -TERM "$server"
code=0
wait "$server" || code=$?
[ "$code" = 0 ] || { cat "$work/serve.log"; echo "left with $code after SIGTERM" >&2; exit 1; }
server=
echo "left with 0 after SIGTERM"

cd "$here"
mkdir -p build
"$tools/cyclonedx-py" environment "$prefix/bin/python" --pyproject pyproject.toml --output-reproducible -o build/sbom.json
"$prefix/bin/python" -m pip freeze --exclude-editable | grep -v '^visavis @' >"$work/packages.txt"
"$tools/python" docker/audit_packages.py "$work/packages.txt" "$tools/pip-audit"
