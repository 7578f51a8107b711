"""Asks for known vulnerabilities of a list of packages; fails if there are some.

    python docker/audit_packages.py packages.txt pip-audit

pip-audit itself says nothing of a database that it cannot reach, and calls packages that it cannot look up skipped;
here both are said aloud, so that "none found" always means that somebody looked.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(packages: str, pip_audit: str) -> int:
    """0: none known, or nobody could be asked; 1: some are known."""
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner=off"]
    asked = subprocess.run(
        [pip_audit, "--requirement", packages, *options], capture_output=True, text=True, timeout=600
    )  # fmt: skip
    try:
        found = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (asked.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"vulnerabilities: NOT ASKED, no database could be reached: {reason}")
        return 0
    known = [(one, flaw) for one in found for flaw in one.get("vulns", [])]
    skipped = sum("skip_reason" in one for one in found)
    for one, flaw in known:
        mended = ", ".join(flaw.get("fix_versions") or ["nothing yet"])
        print(f"{one['name']} {one['version']}: {flaw['id']}, mended in {mended}")
    if skipped == len(found):
        print(f"vulnerabilities: NOT ASKED, none of {skipped} packages could be looked up")
    else:
        print(
            f"vulnerabilities: {len(known)} known in {len(found) - skipped} packages; {skipped} could not be looked up"
        )
    return int(bool(known))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
