"Two processes train what one trains: every objective, with what it holds beside the network."

import json

import pytest
import torch

from conftest import run
from ssl_nb import training
from ssl_nb.objectives import OBJECTIVES

SCRIPT = """
import json, sys, torch
from ssl_nb.augment import Views, augmentation
from ssl_nb.distributed import _leave, gather, join, own_rows, share, world
from ssl_nb.encoders import make_encoder
from ssl_nb.objectives import OBJECTIVES, make_objective
from ssl_nb.pretraining import SimCLR, make_projector
from ssl_nb.training import plain

torch.set_num_threads(1)
torch.Tensor.float = torch.Tensor.double  # so that rounding hides nothing
join('cpu')
torch.manual_seed(0)
x = torch.rand(24, 3, 16, 16).mul(255).byte()
views = Views([augmentation(colour=0.5, flip=0.5)] * 3, n_small=1, small_size=8)
found = {}
for name in OBJECTIVES:
    torch.manual_seed(1 + world()[0])     # other weights in each process: those of process 0 count
    encoder = make_encoder('resnet_small', 3, 16, width=4)
    model = share(SimCLR(encoder, make_projector('mlp', 32, 16), make_objective(name, 3, 1)).double())
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.SGD(params, 0.1)
    losses, grads = [], []
    for step in range(2):
        gen = torch.Generator().manual_seed(step)
        v, ids = views(x, gen=gen, rows=own_rows(24))
        opt.zero_grad()
        loss = model.objective(model(*v), gather(ids), v[0])
        loss.backward()
        losses.append(loss.item())
        grads.append([p.grad.flatten()[:200].tolist() for p in params])
        opt.step()
        model.objective.after_step(model, step / 2)
    state = {k: v.flatten()[:200].tolist() for k, v in plain(model).state_dict().items()}
    found[name] = dict(losses=losses, accuracy=model.objective.accuracy().item(), grads=grads[0], state=state)
rank, n = world()
_leave()
if rank == 0: json.dump(dict(n=n, **found), open(sys.argv[1], 'w'))
"""


LAUNCH = "-m torch.distributed.run --standalone --nproc-per-node 2".split()


def computed(here, *launch):
    "What the script finds, started in this way"
    file = here / f"{len(launch)}.json"
    done = run("python", *launch, "script.py", file, cwd=here)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


def near(a, b, share=1e-6):
    "Whether two lists of numbers differ by rounding only"
    a, b = torch.tensor(a).double(), torch.tensor(b).double()
    return a.shape == b.shape and (a - b).norm() <= share * a.norm() + 1e-6


def same_state(one, two):
    "Whether weights, running statistics and what an objective holds are the same"
    assert one.keys() == two.keys()
    # the predictor sees the rows of all in each process, so n/(n-1) counts them twice; nothing reads it
    shares = {k: 1e-3 if k.endswith("predictor.1.running_var") else 1e-6 for k in one}
    return [k for k in one if not near(one[k], two[k], shares[k])] == []


def test_two_processes_train_what_one_trains_with_every_objective(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    alone, together = computed(tmp_path), computed(tmp_path, *LAUNCH)
    assert (alone.pop("n"), together.pop("n")) == (1, 2)
    assert alone.keys() == together.keys() == set(OBJECTIVES)
    for name, one in alone.items():
        two = together[name]
        assert near(one["losses"], two["losses"]), (name, one["losses"], two["losses"])
        assert one["accuracy"] == pytest.approx(two["accuracy"]), name
        assert all(near(a, b) for a, b in zip(one["grads"], two["grads"], strict=True)), name
        assert same_state(one["state"], two["state"]), name
        assert abs(one["losses"][0] - one["losses"][1]) > 1e-3, name  # the step changed something
        assert max(abs(v) for g in one["grads"] for v in g) > 1e-3, name  # there was something to compare
    for name, held in dict(byol="teacher", simsiam="predictor", swav="prototypes", dino="center").items():
        assert any(k.startswith(f"objective.{held}") for k in together[name]["state"]), name
    assert together["lejepa"]["state"]["objective._extra_state"] == [2]


def test_only_a_lost_connection_is_called_one(monkeypatch):
    monkeypatch.setattr(training, "world", lambda: (0, 2))
    lost = RuntimeError("[/x/third_party/gloo/gloo/transport/tcp/pair.cc:538] Connection closed by peer")
    assert training._connection_says(lost) == "Connection closed by peer"
    assert training._connection_says(RuntimeError("expected m1 and m2 to have the same dtype")) == ""
    monkeypatch.setattr(training, "world", lambda: (0, 1))
    assert training._connection_says(lost) == ""
