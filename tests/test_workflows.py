"""The GitHub workflows: valid, bounded in time and rights, and in step with the project."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAJOR_VERSION = re.compile(r"[\w-]+/[\w-]+@v\d+")
STEP = re.compile(r"(?P<indent> *)- ")


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> list:
    return [
        pytest.param(path.stem, name, job, id=f"{path.stem}-{name}")
        for path in WORKFLOWS
        for name, job in read(path)["jobs"].items()
    ]


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    """Validate against the schema that check-jsonschema ships, so without a network."""
    command = [sys.executable, "-m", "check_jsonschema", "--no-cache"]
    command += ["--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make_goals(script: str) -> list[list[str]]:
    """List the goals of every call of make in a step's script."""
    calls = [shlex.split(line) for line in script.splitlines() if line.startswith("make ")]
    return [[word for word in call[1:] if "=" not in word] for call in calls]


def test_there_is_a_workflow_for_each_purpose():
    assert {path.stem for path in WORKFLOWS} == {"test", "gpu", "weekly", "publish"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_valid(path):
    result = check_schema(path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("runs-on:", "run-on:"),
        ("timeout-minutes: 60", "timeout-minutes: an hour"),
        ("pull_request:", "pull_requests:"),
    ],
)
def test_the_schema_refuses_a_broken_workflow(tmp_path, right, wrong):
    valid = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert right in valid
    broken = tmp_path / "broken.yml"
    broken.write_text(valid.replace(right, wrong), encoding="utf-8")
    result = check_schema(broken)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Schema validation errors" in result.stdout


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_a_job_has_a_timeout(workflow, name, job):
    assert 0 < job["timeout-minutes"] <= 90


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read(path):
    assert read(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_only_the_deployment_may_write_and_it_runs_no_script(workflow, name, job):
    if (workflow, name) == ("publish", "deploy"):
        assert job["permissions"] == {"pages": "write", "id-token": "write"}
        assert not any("run" in step for step in job["steps"])
    else:
        assert "permissions" not in job


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_actions_are_pinned_to_a_major_version(workflow, name, job):
    for step in job["steps"]:
        if "uses" in step:
            assert MAJOR_VERSION.fullmatch(step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_comment_above_each_job_and_each_script_says_why_it_is_there(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    first_job = lines.index("jobs:")
    starts = [n for n, line in enumerate(lines) if n > first_job and re.match(r"  [\w-]+:$", line)]
    for number, line in enumerate(lines):
        if re.match(r" +(- )?run:", line):
            starts.append(max(n for n in range(number + 1) if STEP.match(lines[n])))
    assert len(starts) > 1
    for number in starts:
        before = lines[number - 1].strip()
        assert before.startswith("#"), f"{path.name}:{number + 1} has no comment above it"


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_make_knows_every_goal_that_a_workflow_calls(workflow, name, job):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    environment = {**kept, "LC_ALL": "C"}
    for step in job["steps"]:
        for goals in make_goals(step.get("run", "")):
            command = ["make", "--dry-run", *goals]
            result = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, result.stderr
            assert "Nothing to be done" not in result.stdout, f"no recipe for {goals}"


def test_every_change_is_tested_on_the_pythons_that_the_package_promises():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    promised = [c.removeprefix(prefix) for c in project["classifiers"] if c.startswith(prefix)]
    matrix = read(ROOT / ".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == promised


def test_every_change_goes_through_the_command_of_ci_run():
    steps = read(ROOT / ".github/workflows/test.yml")["jobs"]["test"]["steps"]
    scripts = "\n".join(step.get("run", "") for step in steps)
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1] == "make test"
    assert make_goals(scripts) == [["test"]]
