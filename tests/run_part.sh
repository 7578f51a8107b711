#!/usr/bin/env bash
# Runs one part of the tests, or what failed of the parts again.
#
#   tests/run_part.sh NAME PYTEST [ARG ...]    one part; what failed is kept under .pytest_cache/parts/NAME
#   tests/run_part.sh --again                  each failed test of the last parts once more, with nothing beside it
#
# Some tests are of real time: calls at 25 frames a second, in browsers too. Where four jobs share two cores, now and then
# one of them comes too late through no fault of its own. With DEFER_FAILED=1 a part that ends with a few failed tests
# (eight at most) leaves the verdict to --again, where a test that fails has failed. All else fails at once.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=.pytest_cache/parts
most=8

count_failed() { # of a part
  if [ -s "$parts/$1/v/cache/lastfailed" ]; then grep -c '": true' "$parts/$1/v/cache/lastfailed"; else echo 0; fi
}

if [ "$1" != --again ]; then
  name=$1
  shift
  rm -rf "${parts:?}/$name" "$parts/$name.command"
  mkdir -p "$parts"
  rc=0
  "$@" -o cache_dir="$parts/$name" || rc=$?
  failed=$(count_failed "$name")
  if [ "$rc" = 1 ] && [ "$failed" -ge 1 ] && [ "$failed" -le $most ]; then
    printf '%s\n' "$@" >"$parts/$name.command"
    if [ -n "${DEFER_FAILED:-}" ]; then
      echo "$name: $failed failed, to be tried once more, alone"
      exit 0
    fi
  fi
  exit "$rc"
fi

rc=0
shopt -s nullglob
for command in "$parts"/*.command; do
  name=$(basename "$command" .command)
  echo "$name: $(count_failed "$name") failed beside other jobs; once more, alone:"
  sed -n 's/": true.*//; s/^ *"/  /p' "$parts/$name/v/cache/lastfailed"
  mapfile -t words <"$command"
  if "${words[@]}" -o cache_dir="$parts/$name" --last-failed --last-failed-no-failures none; then
    rm "$command"
  else
    rc=1
  fi
done
exit "$rc"
