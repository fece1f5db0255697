"The benchmarks run and write their record; how fast they were is not tested."
import json

import pytest

from conftest import ROOT, run


@pytest.mark.parametrize("script, peer", [("views.py", "torchvision")])
def test_benchmark_writes_its_record(script, peer, tmp_path):
    done = run("python", str(ROOT / "benchmarks" / script), peer, "--rounds", "2", "--images", "8", "--results", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / f"bench-views-{peer}.json").read_text(encoding="utf-8"))
    times = record["metrics"]
    assert len(times["ours"]) == len(times["peer"]) == 2 and all(seconds > 0 for seconds in times["ours"] + times["peer"])
    assert times["ratio"] == pytest.approx([peer / ours for ours, peer in zip(times["ours"], times["peer"])])
    assert str(tmp_path) not in json.dumps(record)
