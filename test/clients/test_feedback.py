"""The example of docs/feedback.md, as a program of its own: Python's library alone."""

import json
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent / "feedback_example.py"


def test_the_truth_is_taken(canary):
    run = subprocess.run(
        [sys.executable, EXAMPLE, f"http://{canary.addresses['churn']}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["version"] in canary.versions
    assert (said["status"], said["accepted"], said["refused"]) == (202, 1, 0)
