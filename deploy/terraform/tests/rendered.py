#!/usr/bin/env python3
"""Looks at what `terraform test -json -verbose` and checkov have said, on the standard input.

    failures                        what failed, for people
    configurations TERN FOLDER      writes each tern.toml with files for its secrets, and has `tern check` read it
    policies                        has parliament read the relays' policies
    boots FOLDER                    writes the boot scripts
    checkov                         counts; a failed check or a file that it cannot read is an error
"""

import hashlib
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path


def lines():
    for line in sys.stdin:
        try:
            yield json.loads(line)
        except ValueError:
            print(line, end="", file=sys.stderr)


def failures():
    for line in lines():
        if "diagnostic" in line:
            told = line["diagnostic"]
            where = told.get("range", {})
            print(f"{told['severity']}: {told['summary']}: {told['detail']} ({where.get('filename')}:{where.get('start', {}).get('line')})")
        elif line.get("type") == "test_run" and line["test_run"].get("status") in ("fail", "error"):
            print("failed:", line["test_run"]["run"])


def certificate(folder):
    """A certificate and its key, for all that name any."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
         "-subj", "/CN=turn.example.org", "-addext", "subjectAltName=DNS:turn.example.org",
         "-keyout", folder / "key", "-out", folder / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip


def configurations(tern, folder):
    folder = Path(folder)
    folder.mkdir()
    certificate(folder)
    texts = [one for name in ("configs", "config") for one in read(name)]
    assert texts, "no test has rendered a configuration"
    for name, text in texts:
        here = folder / (re.sub(r"\W", "-", name) + "-" + hashlib.sha256(text.encode()).hexdigest()[:8])
        here.mkdir()
        # Mocks give all ends of a route server one address, and the relay wants two.
        numbers = itertools.count(1)
        text = re.sub(r'(name = "route-server-.*"\naddress = )".*"', lambda found: f'{found[1]}"10.10.0.{next(numbers)}"', text)
        (here / "tern.toml").write_text(text)
        for file in re.findall(r'_file = "([^"]+)"', text):
            source = "cert" if file.endswith("cert.pem") else "key" if file.endswith("key.pem") else None
            path = here / file
            path.write_text((folder / source).read_text() if source else hashlib.sha256(file.encode()).hexdigest()[:64] + "\n")
            path.chmod(0o600)
        said = subprocess.run([tern, "check", "--config", here / "tern.toml"], capture_output=True, text=True, check=False)
        # A warning is not what an operator wants to begin with.
        if said.returncode or "warning" in said.stdout + said.stderr:
            print(text, said.stdout, said.stderr, sep="\n")
            sys.exit(1)
    print(f"{len(texts)} configurations read by tern check")


ALL = []


def read(name):
    """Each distinct value of an output of that name, in any state that a test has left."""
    if not ALL:
        ALL.extend(list(lines()))
    found = {}
    for line in ALL:
        value = line.get("test_state", {}).get("outputs", {}).get(name, {}).get("value")
        for key, text in value.items() if isinstance(value, dict) else [(name, value)]:
            if isinstance(text, str):
                found.setdefault(text, key)
    return [(key, text) for text, key in found.items()]


def policies():
    from parliament import analyze_policy_string

    found = read("policy")
    assert found, "no test has rendered a policy"
    bad = False
    for _, text in found:
        for finding in analyze_policy_string(text).findings:
            # Attaching by tag is what its condition is there for; parliament does not know each key of each action.
            print(finding)
            bad = True
    if bad:
        sys.exit(1)
    print(f"{len(found)} policies read by parliament")


def boots(folder):
    Path(folder).mkdir()
    found = read("boot")
    assert found, "no test has rendered a boot script"
    for number, (_, text) in enumerate(found):
        (Path(folder) / f"{number}.sh").write_text(text)


def checkov():
    told = json.load(sys.stdin)
    told = told if isinstance(told, dict) else told[0]
    for one in told["results"]["failed_checks"]:
        print(one["check_id"], one["check_name"], one["resource"], one["file_path"])
    for one in told["results"]["parsing_errors"] if "parsing_errors" in told["results"] else []:
        print("cannot be read:", one)
    counts = told["summary"]
    for one in told["results"].get("skipped_checks", []):
        assert one["check_result"].get("suppress_comment", "").strip(), f"{one['check_id']}: an exception without a reason"
    if counts["failed"] or counts["parsing_errors"] or not counts["passed"]:
        print(counts)
        sys.exit(1)
    print(f"{counts['passed']} checks passed, {counts['skipped']} exceptions, each with its reason")


{"failures": failures, "configurations": configurations, "policies": policies, "boots": boots, "checkov": checkov}[sys.argv[1]](*sys.argv[2:])
