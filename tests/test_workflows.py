"""The workflows of GitHub Actions are sound as far as can be told from here.

What they call is there, and they ask for little.
"""

import re

import pytest
import yaml

from conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
PINNED = re.compile(r"[\w-]+/[\w./-]+@(release/)?v\d+$")  # an action by its major version


def needs(job):
    "Names of the jobs that `job` waits for"
    return [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])


def step_faults(step):
    "What is wrong with a step, or with a job that is a whole workflow"
    uses, command = step.get("uses", ""), step.get("run", "")
    if uses.startswith("./"):
        if not (ROOT / uses).is_file():
            yield f"no such workflow: {uses}"
    elif uses and not PINNED.match(uses):
        yield f"not pinned by its major version: {uses}"
    yield from (
        f"no such make target: {target}"
        for target in re.findall(r"\bmake ([\w-]+)", command)
        if target not in TARGETS
    )
    paths = re.findall(r"(?<![\w./-])((?:\.ci|tools|tests|benchmarks|ssl_nb|nbs)/[\w./-]+)", command)
    yield from (f"no such file: {path}" for path in paths if not (ROOT / path).exists())


def workflow_faults(text):
    "One line for each fault of the workflow `text`"
    flow = yaml.safe_load(text)
    yield from (
        f"no {key}" for key in ("name", True, "permissions", "concurrency") if key not in flow
    )  # YAML reads `on` as true
    if flow.get("permissions") != {"contents": "read"}:
        yield "more than reading is permitted to every job"
    for name, job in flow["jobs"].items():
        if "uses" not in job and "timeout-minutes" not in job:
            yield f"{name} has no timeout"
        yield from (f"{name} needs {other}" for other in needs(job) if other not in flow["jobs"])
        for step in [job, *job.get("steps", [])]:
            yield from step_faults(step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow(path):
    assert list(workflow_faults(path.read_text(encoding="utf-8"))) == []


def test_the_workflows_are_there():
    assert [path.name for path in WORKFLOWS] == ["dependencies.yml", "docs.yml", "release.yml", "test.yml"]
    assert {"test", "docs", "demo"} <= TARGETS and "VENV" not in TARGETS


SOUND = """name: x
on: push
permissions: {contents: read}
concurrency: {group: x}
jobs:
  a: {timeout-minutes: 1, steps: [{uses: actions/checkout@v5}, {run: make test}, {run: python tools/readme.py --check}]}
  b: {needs: a, uses: ./.github/workflows/test.yml}
"""


@pytest.mark.parametrize(
    "part, instead, fault",
    [
        ("", "", None),
        ("make test", "make tests", "no such make target: tests"),
        ("tools/readme.py", "tools/gone.py", "no such file: tools/gone.py"),
        ("checkout@v5", "checkout@main", "not pinned by its major version: actions/checkout@main"),
        ("test.yml", "gone.yml", "no such workflow: ./.github/workflows/gone.yml"),
        ("needs: a", "needs: [a, c]", "b needs c"),
        ("timeout-minutes: 1, ", "", "a has no timeout"),
        ("concurrency: {group: x}\n", "", "no concurrency"),
        ("contents: read", "contents: write", "more than reading is permitted to every job"),
    ],
)
def test_faults_of_workflows_are_found(part, instead, fault):
    assert list(workflow_faults(SOUND.replace(part, instead) if part else SOUND)) == (
        [fault] if fault else []
    )
