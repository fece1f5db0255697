"""Break things on purpose: kill every stage at random moments and go on, and damage every file that is read.

A kill holds when the run that went on has the same weights and tables as one that was never killed, but for times. A
damaged file holds when it is read, or refused in one line; see mutants.py. Each try is drawn from `--seed`, the kind
and its number, so a failure is seen again by `--only KIND --number N`. It writes the record `trust`.

All of it takes hours. With `--keep FOLDER` each kind is written down when it is done, with the commit that was tried,
and the same command goes on with the next kind.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import mutants

SMALL = "--epochs 3 --batch-size 256 --seed 1 --quiet"
STAGES = {
    "pretrain": f"pretrain --preset digits {SMALL} --out run",
    "probe": "probe whole --labels-per-class 5 --supervised-steps 20 --no-pictures --quiet",
    "finetune": "finetune whole --labels-per-class 5 --steps 20 --stop valid --no-pictures --quiet",
    "semi": "semi whole --labels-per-class 5 --steps 10 --rounds 2 --no-pictures --quiet",
    "cluster": "cluster whole --k 0 --n-init 1 --no-pictures --quiet",
    "deepcluster": "deepcluster --data digits --num-iterations 2 --epochs-per-iteration 2 --recluster-interval 1 "
    "--n-init 1 --quiet --out run",
    "label curve": "probe whole --label-curve --sizes 1 --draws 1 --semi-up-to 0 --settings brief.ini --quiet",
    "demo": "demo --epochs 1 --n-init 1 --supervised-steps 5 --no-pictures --quiet --out run",
    "reproduce": "reproduce",
}
LONG = ["label curve", "demo", "reproduce"]
BRIEF = "[digits.finetune]\nsteps = 5\nstop = fixed\n"

KILLED = """
import os, signal, sys, time
root, after, words = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
me = os.getpid()
if after >= 0 and not os.fork():
    time.sleep(after)
    if os.getppid() == me:
        os.kill(me, signal.SIGKILL)
    os._exit(0)
sys.path.insert(0, root)
import matplotlib
matplotlib.use('Agg')
if words[0] == 'reproduce':
    from ssl_nb.experiments import reproduce
    brief = dict(data='digits', image_size=16, batch_size=256, epochs=2, supervised_steps=5, labels_per_class=5)
    reproduce('mnist-linear', 1, 'runs', 'results', quiet=True, **brief)
else:
    from ssl_nb.cli import main
    sys.exit(main(words))
"""


def arguments():
    "The command line"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills", type=int, default=60, help="of each stage; a quarter of the long ones [60]"
    )
    parser.add_argument("--mutants", type=int, default=100_000, help="of all readers together [100000]")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn [0]")
    parser.add_argument("--only", choices=[*STAGES, *mutants.READERS], help="one kind; writes no record")
    parser.add_argument("--number", type=int, help="with --only: this try alone")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    parser.add_argument(
        "--keep", help="folder for what was found so far; the same command goes on from there"
    )
    args = parser.parse_args()
    if args.kills < 1 or args.mutants < len(mutants.READERS) or args.seed < 0:
        parser.error(
            f"--kills should be 1 or more, --mutants {len(mutants.READERS)} or more, --seed 0 or more"
        )
    return args


# --- what a run folder says, without times

TIMED = ("seconds", "images_per_s", "date", "command")


def timeless(found):
    "An object of a JSON file without what depends on the clock"
    if isinstance(found, list):
        return [timeless(v) for v in found]
    if not isinstance(found, dict):
        return found
    return {k: timeless(v) for k, v in found.items() if not any(word in k for word in TIMED)}


def content(path):
    "What a file says; of pictures, pages and checkpoints only that it is there"
    if path.suffix == ".json":
        return json.dumps(timeless(json.loads(path.read_text(encoding="utf-8"))), sort_keys=True)
    if path.suffix == ".csv":
        rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        return [timeless(row) for row in rows]
    if path.suffix == ".npz":
        with np.load(path) as found:
            return {name: (found[name].shape, found[name].tobytes()) for name in found}
    return path.read_bytes() if path.suffix == ".safetensors" else None


def contents(folder):
    "{name: what it says} of all files below a folder"
    return {p.relative_to(folder).as_posix(): content(p) for p in folder.rglob("*") if p.is_file()}


def differences(whole, other):
    "Names of the files that two folders do not have in common, or that say something else"
    a, b = contents(whole), contents(other)
    return sorted(
        name for name in a.keys() | b.keys() if name not in a or name not in b or a[name] != b[name]
    )


# --- kills


class Kills:
    "Kills of one stage, each in a folder of its own below `home`, and compared with a run that nobody killed"

    def __init__(self, stage, home, python, seed):
        self.words = STAGES[stage].split()
        self.stage, self.home, self.python, self.seed = stage, Path(home), python, seed
        self.whole = self.prepared(f"{stage.replace(' ', '-')}-whole")
        start = time.monotonic()
        done = self.run(self.whole, -1)
        if done.returncode:
            sys.exit(f"{stage} fails without being killed: {done.stderr[-500:]}")
        self.seconds = time.monotonic() - start

    def prepared(self, name):
        "A new folder with what the stage begins with"
        folder = self.home / name
        folder.mkdir()
        if "whole" in self.words:
            shutil.copytree(self.home / "pretrained" / "whole", folder / "whole")
        if "brief.ini" in self.words:
            (folder / "brief.ini").write_text(BRIEF)
        return folder

    def run(self, folder, after, *more):
        "Run the stage, and kill it after some seconds unless they are below 0"
        return self.python.run("code", ["-c", KILLED, ROOT, after, *self.words, *more], folder)

    def one(self, number):
        "What is wrong after one kill and going on, empty when nothing is; and when it was killed"
        draw = np.random.default_rng([self.seed, list(STAGES).index(self.stage), number])
        folder = self.prepared(f"{self.stage.replace(' ', '-')}-{number}")
        after = draw.uniform(0, self.seconds)
        killed = self.run(folder, after)
        while killed.returncode == 0:  # it had ended already
            shutil.rmtree(folder)
            folder = self.prepared(folder.name)
            after = draw.uniform(0, after)
            killed = self.run(folder, after)
        wrong = self.after(folder, killed)
        if not wrong:
            shutil.rmtree(folder)
        return wrong, after

    def after(self, folder, killed):
        "What is wrong in a folder in which the stage was killed, when it goes on"
        if killed.returncode != -signal.SIGKILL:
            return f"it ended by itself: {killed.stderr[-500:]}"
        again = self.run(folder, -1, *(["--resume"] if self.stage != "reproduce" else []))
        if again.returncode and "holds a finished run" not in again.stderr:
            return f"it does not go on: {again.stderr[-500:]}"
        others = differences(self.whole, folder)
        return f"not equal: {', '.join(others[:8])}" if others else ""


def pretrained(home, python):
    "A finished pretraining, with which other stages begin"
    folder = Path(home, "pretrained")
    folder.mkdir()
    words = f"pretrain --preset digits {SMALL} --out whole".split()
    done = python.run("code", ["-c", KILLED, ROOT, -1, *words], folder)
    if done.returncode:
        sys.exit(done.stderr)


def kill_one(stage, numbers, seed, home, python):
    "[what is wrong, empty when it held] of the kills of one stage"
    if " whole " in STAGES[stage] and not Path(home, "pretrained").exists():
        pretrained(home, python)
    kills = Kills(stage, home, python, seed)
    found = []
    for number in numbers:
        wrong, after = kills.one(number)
        found.append(wrong)
        if wrong:
            tell(stage, number, seed, f"killed after {after:.2f} of {kills.seconds:.2f} s: {wrong}")
    summary(stage, found)
    return found


# --- damaged files


def damage_one(name, numbers, seed, home):
    "[what is wrong, empty when it held] of the damaged files of one reader"
    folder = Path(home, name.replace(" ", "-"))
    folder.mkdir()
    said = mutants.outcomes(name, folder, numbers, seed)
    found = ["" if s in ("read", "refused") else s for s in said]
    for number, wrong in zip(numbers, found):
        if wrong:
            tell(name, number, seed, wrong)
    summary(name, found, f", {said.count('refused'):,} refused in a line, {said.count('read'):,} read")
    return found


# --- what is said and written


class Kept:
    "What was found of each kind, in a folder, so that a try of hours can stop and go on; without one nothing is kept"

    def __init__(self, folder, seed):
        self.folder, self.seed = folder and Path(folder), seed
        self.seconds, self.commits = 0.0, set()

    def found(self, kind, numbers, find):
        "What `find(kind, numbers)` finds, or found before when it was asked the same"
        from ssl_nb.core import read_json, write_json
        from ssl_nb.runs import about

        asked = dict(tries=len(numbers), seed=self.seed)
        file = self.folder and self.folder / f"{kind.replace(' ', '-')}.json"
        if file and file.is_file():
            kept = read_json(file)
            if kept["asked"] != asked:
                sys.exit(f"{file} was asked {kept['asked']}, not {asked}; name another folder with --keep")
        else:
            start, known = time.monotonic(), about("cpu")
            kept = dict(asked=asked, commit=known["commit"], dirty=known["dirty"], found=find(kind, numbers))
            kept["seconds"] = time.monotonic() - start
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, kept)
        self.seconds += kept["seconds"]
        self.commits.add(f"{kept['commit']}{' and changes' * bool(kept['dirty'])}")
        return kept["found"]


def tell(kind, number, seed, wrong):
    "A failure, and how to see it again"
    print(
        f"FAILED {kind} {number}: {wrong}\n  again: --only '{kind}' --number {number} --seed {seed}",
        flush=True,
    )


def summary(kind, found, more=""):
    print(f"{kind}: {sum(not wrong for wrong in found):,} of {len(found):,} held{more}", flush=True)


def write(args, kills, damaged, kept):
    "The record: tries and held of each kind"
    import torch

    from ssl_nb.runs import about, write_record

    known = about("cpu")
    kinds = {f"kill: {k}": v for k, v in kills.items()} | {f"damage: {k}": v for k, v in damaged.items()}
    counts = {f"{kind}, tries": [len(v)] for kind, v in kinds.items()}
    counts |= {f"{kind}, held": [sum(not wrong for wrong in v)] for kind, v in kinds.items()}
    words = f"--kills {args.kills} --mutants {args.mutants} --seed {args.seed}"
    limits = dict(memory=mutants.MEMORY, seconds=mutants.SECONDS)
    return write_record(
        args.results,
        dict(
            name="trust",
            stage="benchmark",
            command=f"python benchmarks/faults.py {words}",
            preset=None,
            data=dict(name="digits, and files made by hand", n=1797, sha256=None),
            settings=dict(kills=args.kills, mutants=args.mutants, threads=torch.get_num_threads(), **limits),
            seeds=[args.seed],
            device=known["device"],
            threads=known["threads"],
            seconds=[kept.seconds],
            versions=known["versions"],
            commit=known["commit"],
            dirty=known["dirty"],
            deviation=None,
            metrics=counts,
            extra=dict(
                date=known["date"],
                tried_commits=sorted(kept.commits),
                failures={k: sorted({w for w in v if w}) for k, v in kinds.items() if any(v)},
            ),
        ),
    )


def main():
    "Kill, damage, and write down what held"
    from conftest import WarmPython

    args = arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    kept = Kept(args.keep, args.seed)
    stages = [args.only] * (args.only in STAGES) if args.only else list(STAGES)
    names = [args.only] * (args.only in mutants.READERS) if args.only else list(mutants.READERS)
    alone = [args.number] if args.number is not None else None
    n_kills = lambda stage: alone or range(-(-args.kills // 4) if stage in LONG else args.kills)
    n_mutants = lambda name: alone or range(args.mutants // len(mutants.READERS))
    with TemporaryDirectory() as home:
        os.environ["SSL_NB_CACHE"] = str(Path(home, "cache"))
        find = lambda name, numbers: damage_one(name, list(numbers), args.seed, home)
        damaged = {name: kept.found(name, n_mutants(name), find) for name in names}
        python = WarmPython(sys.executable) if stages else None
        find = lambda stage, numbers: kill_one(stage, numbers, args.seed, home, python)
        kills = {stage: kept.found(stage, n_kills(stage), find) for stage in stages}
    if not args.only:
        print(f"record: {write(args, kills, damaged, kept)}")
    return any(wrong for found in (kills, damaged) for v in found.values() for wrong in v)


if __name__ == "__main__":
    sys.exit(main())
