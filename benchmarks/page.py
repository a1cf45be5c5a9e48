"""The time in which the explain page opens and responds, in Chromium.

``python benchmarks/page.py [--rounds N] [--widths 64,128,64,10] [--written 64,256,256,10]``

A page with 256 rows and ten states is written and opened from disk in a fresh tab, in turns with
an empty page. Printed are medians and the largest: from the start of the navigation until the page
is drawn and its scripts have run; from a selection (a weight, a node, a sample) until the next
frame; and the size of the file. Beside them stands the processor time of the page's main thread,
which other work on the machine lengthens little. Then a page of the network ``--written`` is
written, as ``explain(...).html(path)`` does, in a process of its own: what is printed once for all
pages is part of it. Needs playwright and chromium.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from deltarule.engines import EngineSettings
from deltarule.explain import Explanation
from deltarule.explain.page import PageState, write_page
from deltarule.explain.subject import StepTaken, Subject
from deltarule.maths import Network

# Milliseconds from a change until the frame that shows it has been submitted.
CHOOSE = """
(changes) => new Promise((done) => {
  const start = performance.now();
  DR.page.set(changes);
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start), 0));
})
"""


def subject_of(widths):
    """A network on random rows, with a step of plain gradient descent."""
    rng = np.random.default_rng(0)
    net = Network(widths, "relu", "softmax", "cross_entropy", dtype=np.float32)
    X = rng.uniform(size=(256, widths[0])).astype(np.float32)
    y = rng.integers(0, widths[-1], 256)
    step = StepTaken(EngineSettings(rule="sgd"), 0.1)
    return Subject.of_arrays(net, net.initial(seed=0), X, y, step=step)


def choices(widths, round_number):
    """Selections by label, different in every round."""
    last, j = len(widths) - 1, round_number % min(widths)
    return {
        "a weight of the last layer": {
            "selected": {"kind": "edge", "layer": last, "j": j, "k": j + 1}
        },
        "a weight of the first layer": {
            "selected": {"kind": "edge", "layer": 1, "j": j, "k": j + 1}
        },
        "a hidden node": {"selected": {"kind": "node", "layer": 1, "j": j}},
        "a sample": {"sample": 1 + round_number},
    }


class Processor:
    """The processor time of a tab's main thread, in milliseconds."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read(self):
        found = self.session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(each["value"] for each in found if each["name"] == "TaskDuration")


def time_writing(widths):
    """Megabytes of a page, and the seconds and processor seconds that it takes to be written."""
    explained = Explanation(subject_of(widths))
    with tempfile.TemporaryDirectory() as folder:
        start, started = time.perf_counter(), time.process_time()
        path = explained.html(Path(folder, "page.html"))
        wall, processor = time.perf_counter() - start, time.process_time() - started
        return path.stat().st_size / 1e6, wall, processor


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--widths", default="64,128,64,10")
    parser.add_argument("--written", default="64,256,256,10")
    given = parser.parse_args()
    widths = [int(n) for n in given.widths.split(",")]
    # In a process of its own: what is printed once for all pages counts.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        first_written = pool.apply(time_writing, ([int(n) for n in given.written.split(",")],))
    subject = subject_of(widths)
    thetas = [(subject.theta * (1 + i / 10)).astype(np.float32) for i in range(10)]
    states = [PageState(theta, step=i, epoch=i) for i, theta in enumerate(thetas)]
    opening, answers, spent = [], {}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = write_page(subject, Path(folder, "page.html"), states=states)
        print(f"{given.widths}: {path.stat().st_size / 1e6:.2f} MB")
        with sync_playwright() as playwright:
            context = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            for number in range(given.rounds):
                page = context.new_page()
                page.set_viewport_size({"width": 1440, "height": 900})
                processor = Processor(page)
                start = time.perf_counter()
                page.goto(path.as_uri())
                page.evaluate("new Promise((done) => requestAnimationFrame(() => done()))")
                opening.append(1000 * (time.perf_counter() - start))
                spent.setdefault("opened and drawn", []).append(processor.read())
                page.wait_for_selector("#check .verdict")
                for label, changes in choices(widths, number).items():
                    before = processor.read()
                    answers.setdefault(label, []).append(page.evaluate(CHOOSE, changes))
                    spent.setdefault(label, []).append(processor.read() - before)
                page.close()
            context.close()
    print(f"{'':30} {'median':>8} {'largest':>8} {'processor':>10}  ms")
    for label, times in {"opened and drawn": opening, **answers}.items():
        own = statistics.median(spent[label])
        print(f"{label:30} {statistics.median(times):8.0f} {max(times):8.0f} {own:10.0f}")
    size, wall, processor_seconds = first_written
    print(
        f"{given.written} written in {wall:.2f} s, {processor_seconds:.2f} s of processor: "
        f"{size:.2f} MB"
    )


if __name__ == "__main__":
    main()
