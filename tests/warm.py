"""A process that has imported what is slow to import, and the modules named to it, and forks a child for every job.

A line of its input is a job as JSON: what to run, its folder, environment and files for output. The answer is the
number of the child's process. A line with such a number asks for its exit status, and waits for it or not. A child ends
as a process of its own would; it has only been spared some seconds of imports.
"""

import atexit
import gc
import json
import os
import signal
import sys
import threading

SLOW = [
    "torch",
    "torchvision",
    "fastai.learner",
    "matplotlib.pyplot",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.manifold",
    "scipy.cluster.hierarchy",
    "seaborn",
    "torch._dynamo",
]


def exit_status(child, wait):
    "Exit status of a child; None if it still runs and is not waited for"
    ended, status = os.waitpid(child, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def next_job():
    "Fork for every job and answer with the child's number; returns the job in a child, nothing at the end"
    for line in sys.stdin:
        job = json.loads(line)
        if "child" in job:
            print(json.dumps(exit_status(**job)), flush=True)
            continue
        child = os.fork()
        if not child:
            return job
        print(child, flush=True)


def shorten_maps():
    "A map of points settles in a third of its steps; no test asks how well a picture is laid out"
    from sklearn.manifold import TSNE

    TSNE.__init__.__kwdefaults__["max_iter"] = 300


def settle(job):
    "Give this process the job's files, folder, environment and arguments"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, (name, mode) in enumerate(
        [(os.devnull, os.O_RDONLY), (job["out"], flags), (job["err"], flags)]
    ):
        file = os.open(name, mode)
        os.dup2(file, number)
        os.close(file)
    # of tests in the background a child would inherit that Ctrl-C is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = job["argv"]


def main():
    "Import, wait, and run what is asked for: the command `ssl_nb`, code, or a notebook"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in [*SLOW, *sys.argv[1:]]:
            __import__(name)
    shorten_maps()
    gc.freeze()  # a child need not look through all that was imported
    print("ready", flush=True)
    job = next_job()
    if not job:
        return 0
    settle(job)
    if job["kind"] == "notebook":
        from run_notebook import run_notebook

        return run_notebook(*sys.argv[1:])
    sys.path[0] = ""  # as for `python -c`
    if job["kind"] == "code":
        code = sys.argv.pop(1)
        exec(code, {"__name__": "__main__"})
        return 0
    import matplotlib

    from ssl_nb.cli import main as command

    matplotlib.use("Agg")  # it was imported before the command could ask for that
    return command()


def leave(status):
    "End as Python does, but for freeing, object by object, what ends with the process: that takes half a second"
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    leave(status)
