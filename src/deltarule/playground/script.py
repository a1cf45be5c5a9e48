"""The Python script that repeats a run, bit for bit."""

from __future__ import annotations

import hashlib

from deltarule.playground.run_state import Snapshot
from deltarule.playground.tabledata import ReadTable

__all__ = ["run_script"]

# ``train`` raises Diverged if a finite loss has grown by this factor.
_DIVERGED_GROWTH = 1e6


def run_script(snapshot: Snapshot, source: ReadTable | None = None) -> str:
    """The script that repeats a run up to the step of the snapshot.

    After complete epochs at a constant learning rate the script is one call of ``train``;
    otherwise it takes the steps one by one. It prints the digest of θ and that of the playground.

    Parameters
    ----------
    snapshot : Snapshot
    source : ReadTable, optional
        The table that the run trains on.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> state = make_run_state(RunSettings(data="xor"))
    >>> state.run.advance(7)
    7
    >>> script = run_script(state.snapshot())
    >>> "epochs=1" in script, "from deltarule import Network, train" in script
    (True, True)
    """
    whole = _is_call_of_train(snapshot)
    digest = hashlib.sha256(snapshot.theta.tobytes()).hexdigest()
    return "\n".join(
        [
            _heading(snapshot, whole),
            _data(snapshot, source),
            _network(snapshot),
            (_training if whole else _stepping)(snapshot),
            'print(f"θ after {steps} steps:", hashlib.sha256(theta.tobytes()).hexdigest())',
            f'print("in the playground:", "{digest}")\n',
        ]
    )


def _is_call_of_train(snapshot: Snapshot) -> bool:
    """Whether one call of ``train`` repeats the run."""
    epochs = snapshot.history.logs
    if snapshot.edits:
        return False
    whole = snapshot.step == snapshot.epoch * snapshot.steps_per_epoch and snapshot.epoch > 0
    grown = bool(epochs) and epochs[-1].loss > _DIVERGED_GROWTH * epochs[0].loss
    return whole and len(snapshot.changes) == 1 and not snapshot.diverged and not grown


def _heading(snapshot: Snapshot, whole: bool) -> str:
    table = snapshot.settings.data == "table"
    imports = [
        "from deltarule import Network" + (", train" if whole else ""),
        "" if whole else "from deltarule.engines import EngineSettings, started_engine",
        f"from deltarule.playground import {'table_data' if table else 'builtin_data'}",
        "from deltarule.tables import infer_schema, read_table" if table else "",
        "" if whole else "from deltarule.training import Batches",
    ]
    text = "\n".join(filter(None, imports))
    title = f"A run of the deltarule playground: {snapshot.step} steps on {snapshot.settings.data}."
    return f'''"""{title}

The same parameters come out, bit for bit, with the same engine on a processor of the
same kind; on another one the last bits may differ.
"""

import hashlib

import numpy as np

{text}
'''


def _data(snapshot: Snapshot, source: ReadTable | None) -> str:
    s = snapshot.settings
    common = f"rows={s.rows}, held={s.held!r}, seed={s.seed}"
    if s.derived:
        common += f", derived={list(s.derived)!r}"
    if s.data != "table":
        return f"data = builtin_data({s.data!r}, noise={s.noise!r}, {common})"
    assert source is not None
    return f"""{source.reading}
data = table_data(table, schema, columns={list(s.columns)!r}, {common})"""


def _network(snapshot: Snapshot) -> str:
    net = snapshot.net
    return f"""net = Network(
    {list(net.widths)!r},
    activation={snapshot.settings.activation!r},
    output_activation={net.output_activation.name!r},
    loss={net.loss.name!r},
    dtype=np.float32,
)
"""


def _training(snapshot: Snapshot) -> str:
    s = snapshot.settings
    return f"""result = train(
    net,
    data.X,
    data.targets(net),
    validation=data.held,
    rule={s.rule!r},
    learning_rate={snapshot.changes[0].learning_rate!r},
    batch_size={snapshot.batch_size},
    epochs={snapshot.epoch},
    l2={s.l2!r},
    l1={s.l1!r},
    seed={s.seed},
    keep_best=False,
    engine={snapshot.engine!r},
)
theta, steps = result.theta, {snapshot.step}
last = result.history.logs[-1]
print(f"loss {{last.loss:.6f}}, on the rows held out {{last.validation_loss}}")
"""


def _stepping(snapshot: Snapshot) -> str:
    s = snapshot.settings
    rates = {each.step: each.learning_rate for each in snapshot.changes}
    by_hand = _edits(snapshot)
    edit, at_end = ("", "") if not by_hand else ("        edit(step)\n", "edit(steps)\n")
    return f"""# The rows that are trained on, in batches; the others are held out.
rows = np.arange(len(data.X))
rows = rows if data.held is None else np.delete(rows, data.held)
Y = net.loss.prepare(data.targets(net), len(data.X), net.n_outputs, net.dtype)
batches = Batches(
    data.X,
    Y,
    np.ones(len(data.X)),
    batch_size={snapshot.batch_size},
    seed={s.seed},
    shuffle=True,
    rows=None if data.held is None else rows,
)
settings = EngineSettings(
    rule={s.rule!r}, l2={s.l2!r}, l1={s.l1!r}, total_weight=float(len(rows)), seed={s.seed}
)
engine = started_engine({snapshot.engine!r}, net, net.initial({s.seed}), settings)

# From which step on which learning rate held.
rates = {rates!r}
{by_hand}step, steps = 0, {snapshot.step}
while step < steps:
    first = step % batches.steps_per_epoch
    for batch in batches.epoch(step // batches.steps_per_epoch, first):
        if step == steps:
            break
        rate = rates.get(step, rate) if step else rates[0]
{edit}        engine.step(batch, rate)
        step += 1
{at_end}theta = engine.theta
"""


def _edits(snapshot: Snapshot) -> str:
    """The source of a function that sets parameters as they were set by hand; empty without any."""
    if not snapshot.edits:
        return ""
    edits: dict[int, list[tuple[int, float]]] = {}
    for each in snapshot.edits:
        edits.setdefault(each.step, []).append((each.index, each.value))
    return f"""# After which step which entries of θ were set by hand.
edits = {edits!r}


def edit(step):
    theta = np.array(engine.theta)
    for index, value in edits.get(step, ()):
        theta[index] = value
    engine.restore({{**engine.state(), "theta": theta}})


"""
