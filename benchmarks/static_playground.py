"""Steps per second of the static playground on the spirals (2-8-8-1, 32 rows a step), in Chromium.

    python -m benchmarks.static_playground [SECONDS]

First the trainer alone, in slices of half a second, of which the best and the median are printed:
other programs make slices slower, never faster. What one frame of the trainer costs beside that is
measured in the same thread. Then the page as it is opened from disk, which paints meanwhile, with
the processor time of its main thread by frame: frames a second hang on what else the machine does,
that time hardly. Needs the extra ``test``, and a chromium on the PATH.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.playground import chromium_page, measured
from deltarule.playground import write_static_playground

# Steps per second of one slice; the run is that of the page's first settings.
SLICE = """
() => {
  globalThis.training ??= (() => {
    const settings = DR.catalogue.first;
    const data = DR.datasets.builtin(settings);
    const design = {
      widths: [2, 8, 8, 1], hidden: settings.activation, output: "log_loss/logistic",
      rule: settings.rule, penalties: { l2: 0, l1: 0 },
    };
    return DR.run.start(data, settings, design);
  })();
  const began = performance.now();
  let steps = 0;
  while (performance.now() < began + 500) steps += training.advance(50);
  return (1000 * steps) / (performance.now() - began);
}
"""

# Milliseconds of the surface of one frame, the least of twenty, after the slices above.
FRAME = """
() => {
  const data = DR.datasets.builtin(DR.catalogue.first), { net, theta } = globalThis.training;
  const plane = DR.plane.through(data, 0, 1, "mean");
  let least = Infinity;
  for (let i = 0; i < 20; ++i) {
    const began = performance.now();
    DR.plane.levels(data, DR.plane.outputs(data, plane, 96, DR.draft(net), theta), 1);
    least = Math.min(least, performance.now() - began);
  }
  return least;
}
"""


def busy(devtools) -> float:
    """Seconds of processor time that the page's main thread has taken so far."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration")


def main(seconds: int = 10) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        file = write_static_playground(Path(folder, "playground.html"))
        with chromium_page(file.as_uri()) as page:
            page.evaluate(SLICE)
            slices = [page.evaluate(SLICE) for _ in range(2 * seconds)]
            best, median = max(slices), statistics.median(slices)
            print(f"the trainer alone: {median:.0f} steps/s (median), {best:.0f} (best slice)")
            print(f"the surface of a frame: {page.evaluate(FRAME):.1f} ms at the least")
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.select_option("#speed", "0")
            page.get_by_role("button", name="Play", exact=True).click()
            before = busy(devtools)
            found = measured(page, seconds)
            spent = busy(devtools) - before
    per_frame = 1000 * spent / sum(frames for frames, _ in found)
    print(f"the page's main thread: {per_frame:.1f} ms of processor time a frame")
    frames, steps = (statistics.median(each) for each in zip(*found, strict=True))
    print(f"the page: {steps:.0f} steps/s and {frames:.0f} frames/s (medians of {seconds} seconds)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
