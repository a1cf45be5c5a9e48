"""A run as a Python script that makes it again, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from deltarule.playground.state import Snapshot
from deltarule.playground.tabledata import ReadTable

__all__ = ["run_script"]

# ``train`` calls a run diverged whose loss has grown so much, finite as it may be.
_GROWN = 1e6


def run_script(snapshot: Snapshot, source: ReadTable | None = None) -> str:
    """The script of a run up to the step it was at.

    Where it ended with an epoch, at one learning rate, the script is a call of ``train``; else it
    takes the steps one by one. It ends with the digest of θ, beside that of the playground.

    Parameters
    ----------
    snapshot : Snapshot
    source : ReadTable, optional
        The table that it was trained on.

    Examples
    --------
    >>> from deltarule.playground.settings import RunSettings
    >>> from deltarule.playground.state import made_problem
    >>> from deltarule.training import StopFlag
    >>> problem = made_problem(RunSettings(data="xor"), None, StopFlag())
    >>> problem.run.advance(7)
    7
    >>> script = run_script(problem.snapshot())
    >>> "epochs=1" in script, "from deltarule import Network, train" in script
    (True, True)
    """
    whole = _is_whole(snapshot)
    parts = [
        _heading(snapshot),
        *_imports(snapshot, whole),
        "",
        *_data(snapshot, source),
        *_network(snapshot),
        "",
        *(_training(snapshot) if whole else _stepping(snapshot)),
        "",
        'print(f"θ after {steps} steps:", hashlib.sha256(theta.tobytes()).hexdigest())',
        f'print("in the playground:", "{hashlib.sha256(snapshot.theta.tobytes()).hexdigest()}")',
    ]
    return "\n".join(parts) + "\n"


def _is_whole(snapshot: Snapshot) -> bool:
    """Whether ``train`` does all of it."""
    records = snapshot.history.logs
    whole = snapshot.step == snapshot.epoch * snapshot.steps_per_epoch and snapshot.epoch > 0
    grown = bool(records) and records[-1].loss > _GROWN * records[0].loss
    return whole and len(snapshot.changes) == 1 and not snapshot.diverged and not grown


def _heading(snapshot: Snapshot) -> str:
    return (
        f'"""A run of the deltarule playground: {snapshot.step} steps on '
        f"{snapshot.settings.data}.\n\n"
        "The same parameters come out, bit for bit, with the same engine on a processor of the\n"
        'same kind; on another one the last bits may differ.\n"""\n'
    )


def _imports(snapshot: Snapshot, whole: bool) -> Iterable[str]:
    table = snapshot.settings.data == "table"
    yield "import hashlib"
    yield ""
    yield "import numpy as np"
    yield ""
    yield "from deltarule import Network" + (", train" if whole else "")
    if not whole:
        yield "from deltarule.engines import EngineSettings, started_engine"
    yield f"from deltarule.playground import {'table_data' if table else 'builtin_data'}"
    if table:
        yield "from deltarule.tables import infer_schema, read_table"
    if not whole:
        yield "from deltarule.training import Batches"


def _data(snapshot: Snapshot, source: ReadTable | None) -> Iterable[str]:
    s = snapshot.settings
    common = f"rows={s.rows}, held={s.held!r}, seed={s.seed}"
    if s.data != "table":
        yield f"data = builtin_data({s.data!r}, noise={s.noise!r}, {common})"
        return
    assert source is not None
    yield source.reading
    yield f"data = table_data(table, schema, columns={list(s.columns)!r}, {common})"


def _network(snapshot: Snapshot) -> Iterable[str]:
    net = snapshot.net
    yield "net = Network("
    yield f"    {list(net.widths)!r},"
    yield f"    activation={snapshot.settings.activation!r},"
    yield f"    output_activation={net.output_activation.name!r},"
    yield f"    loss={net.loss.name!r},"
    yield "    dtype=np.float32,"
    yield ")"


def _training(snapshot: Snapshot) -> Iterable[str]:
    s = snapshot.settings
    yield "result = train("
    yield "    net,"
    yield "    data.X,"
    yield "    data.targets(net),"
    yield "    validation=data.held,"
    yield f"    rule={s.rule!r},"
    yield f"    learning_rate={snapshot.changes[0].learning_rate!r},"
    yield f"    batch_size={snapshot.batch_size},"
    yield f"    epochs={snapshot.epoch},"
    yield f"    l2={s.l2!r},"
    yield f"    seed={s.seed},"
    yield "    keep_best=False,"
    yield f"    engine={snapshot.engine!r},"
    yield ")"
    yield f"theta, steps = result.theta, {snapshot.step}"
    yield "last = result.history.logs[-1]"
    yield 'print(f"loss {last.loss:.6f}, on the rows held out {last.validation_loss}")'


def _stepping(snapshot: Snapshot) -> Iterable[str]:
    s = snapshot.settings
    yield "# The rows that are trained on, in batches; the others are held out."
    yield "rows = np.arange(len(data.X))"
    yield "rows = rows if data.held is None else np.delete(rows, data.held)"
    yield "Y = net.loss.prepare(data.targets(net), len(data.X), net.n_outputs, net.dtype)"
    yield "batches = Batches("
    yield "    data.X,"
    yield "    Y,"
    yield "    np.ones(len(data.X)),"
    yield f"    batch_size={snapshot.batch_size},"
    yield f"    seed={s.seed},"
    yield "    shuffle=True,"
    yield "    rows=None if data.held is None else rows,"
    yield ")"
    yield "settings = EngineSettings("
    yield f"    rule={s.rule!r}, l2={s.l2!r}, total_weight=float(len(rows)), seed={s.seed}"
    yield ")"
    yield (f"engine = started_engine({snapshot.engine!r}, net, net.initial({s.seed}), settings)")
    yield ""
    yield "# From which step on which learning rate held."
    rates = {each.step: each.learning_rate for each in snapshot.changes}
    yield f"rates = {rates!r}"
    yield f"step, steps = 0, {snapshot.step}"
    yield "while step < steps:"
    yield "    first = step % batches.steps_per_epoch"
    yield "    for batch in batches.epoch(step // batches.steps_per_epoch, first):"
    yield "        if step == steps:"
    yield "            break"
    yield "        rate = rates.get(step, rate) if step else rates[0]"
    yield "        engine.step(batch, rate)"
    yield "        step += 1"
    yield "theta = engine.theta"
