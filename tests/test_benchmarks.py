"The benchmarks run and write their record; how fast they were is not tested."
import json

import pytest

from conftest import ROOT, run


@pytest.mark.parametrize("script, peer, images, names", [
    ("views.py", "torchvision", 8, ["bench-views-torchvision"]), ("folders.py", "torchvision", 60, ["bench-folders", "bench-folders-photos"]),
    ("views.py --colour", "torchvision", 8, ["bench-colour-torchvision"]),
    ("kmeans.py", "sklearn", 200, ["bench-kmeans", "bench-kmeans-torch"])])
def test_benchmark_writes_its_record(script, peer, images, names, tmp_path):
    script, *flags = script.split()
    done = run("python", str(ROOT / "benchmarks" / script), *flags, peer, "--rounds", "2", "--images", str(images), "--results", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f.name for f in tmp_path.iterdir()} == {f"{n}.json" for n in names}
    for name in names:
        record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        times = record["metrics"]
        assert len(times["ours"]) == len(times["peer"]) == 2 and all(seconds > 0 for seconds in times["ours"] + times["peer"])
        assert times["ratio"] == pytest.approx([peer / ours for ours, peer in zip(times["ours"], times["peer"])])
        assert str(tmp_path) not in json.dumps(record)


def test_parts_of_the_step(tmp_path):
    done = run("python", str(ROOT / "benchmarks" / "parts.py"), "--rounds", "2", "--images", "8", "--results", str(tmp_path), "--no-compile", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "bench-step-parts.json").read_text(encoding="utf-8"))
    parts = record["extra"]["parts"]
    assert parts["names"] == ["views", "forward", "loss", "backward", "optimiser"] and len(record["metrics"]) == 5
    for name, totals in record["metrics"].items():
        assert totals == pytest.approx([sum(r) for r in parts["seconds"][name]]) and min(totals) > 0



def test_scale(tmp_path):
    done = run("python", str(ROOT / "benchmarks" / "scale.py"), "--images", "2500", "--results", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "bench-scale.json").read_text(encoding="utf-8"))
    metrics = {name: values[0] for name, values in record["metrics"].items()}
    assert record["data"]["n"] == 2500 and record["settings"]["cache_bytes"] > 2500 * 64 * 64 * 3 and min(metrics.values()) > 0
    assert metrics["again"] < metrics["first"] and done.stdout.count("train 1,800, valid 200, test 500") == 3
