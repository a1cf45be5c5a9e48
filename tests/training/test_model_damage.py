"""Models that are damaged, not finite, or of other formulas: one clear error each."""

import dataclasses
import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from tests.training.helpers import regression
from tests.training.test_model import bundle

from deltarule.errors import FileError, InputError
from deltarule.estimators import MLPRegressor
from deltarule.files import read_json, write_bundle
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    Network,
    register_activation,
    register_loss,
)
from deltarule.maths.formula_fingerprint import check_formulas, network_fingerprints
from deltarule.optimizers import RULES, SCHEDULES, Rule, Schedule
from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular import TableModel, TableSettings, fit_table
from deltarule.training import Model, Recorder, load_model, load_recording, save_model, train
from deltarule.training.recording import digest_of_theta

# -- numbers that are none ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_neither_saved_nor_read(tmp_path, value):
    net = Network([2, 1], activation=[])
    theta = net.pack(W=[[[1.0, value]]], b=[[2.0]])
    with pytest.raises(InputError, match=r"W1\[0, 1\] is .*; expected finite parameters"):
        save_model(tmp_path / "s", Model(net, theta))
    assert not (tmp_path / "s").exists()
    with pytest.raises(FileError, match=r"W1\[0, 1\] is .*; expected finite"):
        load_model(bundle(tmp_path, arrays={"W1": np.array([[1.0, value]])}))


def tabular():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 80))
    table = table_from_frame({"x": x, "k": np.where(z > 0, "a", "b"), "y": x + z})
    return fit_table(table, infer_schema(table, "y"), TableSettings(layers=(3,), epochs=2))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("encoder", "columns", 0, "mean"), np.nan),
        (("encoder", "columns", 0, "std"), np.inf),
        (("encoder", "columns", 0, "std"), 0.0),
        (("encoder", "columns", 0, "std"), -1.0),
        (("encoder", "columns", 0, "median"), -np.inf),
        (("encoder", "columns", 0, "mean"), "a"),
        (("encoder", "columns", 0, "mean"), None),
        (("target", "mean"), np.nan),
        (("target", "std"), np.inf),
        (("target", "std"), 0.0),
        (("target",), {"format": 1, "task": "classification", "classes": ["a", "b", "c"]}),
        (("target",), []),
        (("target", "mean"), 10**400),
        (("target", "std"), True),
        (("encoder", "columns", 0, "std"), 10**400),
        (("encoder", "columns", 0, "varies"), "x"),
        (("encoder", "columns", 0, "indicator"), -1),
        (("encoder", "columns", 0, "name"), 3),
        (("schema", "columns", 0, "name"), None),
        (("schema", "columns", 0, "na"), -1),
        (("schema", "columns", 0, "low"), "x"),
        (("schema", "columns", 0, "high"), np.inf),
        (("schema", "columns", 0, "levels"), [["a"]]),
        (("schema", "columns", 0), 3),
        (("schema", "target", "name"), {}),
        (("schema", "classes"), 3),
        (("schema", "ignored"), None),
        (("schema", "dropped"), "x"),
        (("schema", "na"), [None]),
        (("schema", "n_rows"), True),
        (("schema", "colour"), "red"),
        (("schema",), None),
        (("encoder",), 3),
        (("settings",), 3),
        (("report",), None),
        (("report", "rows"), None),
        (("report", "rows", "test"), "x"),
        (("report", "rows", "train"), 10**400),
        (("report", "rows"), {}),
        (("report", "scores"), 3),
        (("report", "scores", "test"), "x"),
        (("report", "scores", "test", "r2"), {}),
    ],
)
def test_a_table_model_whose_numbers_are_damaged(tmp_path, path, value):
    model = tabular()
    extra = {
        "schema": model.schema.to_dict(),
        "encoder": model.encoder.to_dict(),
        "target": model.target.to_dict(),
        "settings": model.settings,
        "report": model.report,
    }
    at = extra
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    save_model(tmp_path / "m", Model(model.model.net, model.model.theta, extra=extra))
    with pytest.raises(FileError, match=str(tmp_path / "m")):
        TableModel.load(tmp_path / "m")


# -- other damage ---------------------------------------------------------------------------------


def network(**changes):
    return {"network": Network([2, 1], activation=[]).to_dict() | changes, "extra": {}}


@pytest.mark.parametrize(
    ("documents", "arrays", "message"),
    [
        ({"model.json": network(widths=[10**9, 10**9])}, {}, "W1 is float64 of shape"),
        ({"model.json": network(widths=[2, 10**6, 10**6, 1])}, {}, "W1 is float64 of shape"),
        ({"model.json": network(widths=[2, "1"])}, {}, "widths"),
        ({"model.json": network(widths="21")}, {}, "widths"),
        ({"model.json": network(widths=None)}, {}, "widths"),
        ({"model.json": network(frozen=[[0, 10**12]])}, {}, "not a complete model"),
        ({"model.json": network(frozen=3)}, {}, "not a complete model"),
        ({"model.json": network(frozen=[[1]])}, {}, "not a complete model"),
        ({"model.json": network(dtype="int8")}, {}, "dtype"),
        ({"model.json": network(colour="red")}, {}, "colour"),
        ({"model.json": network(loss=7)}, {}, "loss"),
        ({"model.json": network() | {"extra": [1]}}, {}, "extra"),
        ({"model.json": network() | {"formulas": 3}}, {}, "formulas is damaged"),
        ({"model.json": network() | {"formulas": [1, 2]}}, {}, "formulas is damaged"),
        ({"model.json": network() | {"formulas": [{}, {}]}}, {}, "formulas is damaged"),
        ({"model.json": None}, {}, "'model.json' is missing"),
        ({"history.json": {}}, {}, "not a complete model"),
        ({"history.json": [3]}, {}, "not a complete model"),
        ({"history.json": 3}, {}, "not a complete model"),
        ({}, {"W2": np.zeros((1, 1))}, "the array 'W2', which is none of a network"),
        ({}, {"W1": np.zeros((1, 2, 1))}, "W1 is float64 of shape"),
        ({}, {"W1": np.zeros((1, 2), np.int64)}, "W1 is int64"),
    ],
)
def test_damage_that_the_checksums_do_not_know_of(tmp_path, documents, arrays, message):
    folder = bundle(tmp_path, documents, arrays)
    with pytest.raises(FileError, match=message) as error:
        load_model(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_keys_that_are_there_twice(tmp_path):
    folder = bundle(tmp_path)
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(
        text.replace('"version": 1', '"version": 1, "version": 1')
    )
    with pytest.raises(FileError, match="the key 'version' is there more than once"):
        load_model(folder)


@pytest.mark.parametrize("name", ["arrays.safetensors", "model.json", "history.json"])
def test_a_file_of_another_model(tmp_path, name):
    net, X, Y = regression()
    for seed in (0, 1):
        result = train(net, X, Y, epochs=1 + seed, seed=seed)
        model = Model(net, result.theta, result.history, {"seed": seed})
        save_model(tmp_path / f"{seed}", model)
    shutil.copy(tmp_path / "1" / name, tmp_path / "0" / name)
    with pytest.raises(FileError, match=f"{name}' is not what was written"):
        load_model(tmp_path / "0")


def test_a_header_that_declares_more_than_there_is(tmp_path):
    folder = bundle(tmp_path)
    header = json.dumps(
        {"W1": {"dtype": "F64", "shape": [10**7, 10**7], "data_offsets": [0, 8 * 10**14]}}
    ).encode()
    data = len(header).to_bytes(8, "little") + header
    for content in (data, (2**60).to_bytes(8, "little") + header, b""):
        (folder / "arrays.safetensors").write_bytes(content)
        manifest = read_json(folder / "manifest.json")
        manifest["sha256"]["arrays.safetensors"] = hashlib.sha256(content).hexdigest()
        manifest.pop("checksum", None)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(FileError, match="is not valid safetensors"):
            load_model(folder)


# -- formulas under a name ------------------------------------------------------------------------


def cube(xp, scale=1.0):
    return (lambda z: scale * z * z * z), (lambda z, a: 3 * scale * z * z)


def cube_again(xp, scale=1.0):
    """The same, with other names, another order and other types of constants."""

    def of(x):
        return x * (x * (x * scale))

    def rate(x, _):
        return x * (x * (scale * 3.0))

    return of, rate


def steeper(xp, scale=1.0):
    return cube(xp, 1.0001 * scale)


def bent_far_out(xp, scale=1.0):
    value, slope = cube(xp, scale)
    return (lambda z: xp.where(z > 37, 0 * z, value(z))), slope


def other_slope(xp, scale=1.0):
    return cube(xp, scale)[0], (lambda z, a: 3 * scale * z * z + 1)


def unwritable(xp, scale=1.0):
    return (lambda z: np.sin(scale * z)), (lambda z, a: scale * np.cos(scale * z))


def unwritable_too(xp, scale=1.0):
    return (lambda z: np.sin(1.01 * scale * z)), (lambda z, a: scale * np.cos(scale * z))


@pytest.fixture
def registered():
    """Register under a name, in place of what was there."""
    before = {registry: dict(registry._records) for registry in (ACTIVATIONS, LOSSES)}
    yield lambda formula, name="own", **parameters: register_activation(
        Activation(name, formula, parameters), replace=True
    )
    for registry, records in before.items():
        registry._records.clear()
        registry._records.update(records)


def saved(folder, formula, name="own", **parameters):
    net = Network([2, 3, 1], activation=Activation(name, formula, parameters))
    save_model(folder, Model(net, net.initial(0)))


@pytest.mark.parametrize("formula", [cube, cube_again])
def test_the_same_formula_is_accepted(tmp_path, registered, formula):
    saved(tmp_path / "m", cube, scale=0.5)
    registered(formula, scale=2.0)
    assert load_model(tmp_path / "m").net.hidden_activations[0].settings == {"scale": 0.5}


@pytest.mark.parametrize("formula", [steeper, bent_far_out, other_slope, unwritable])
def test_another_formula_under_the_same_name_is_refused(tmp_path, registered, formula):
    saved(tmp_path / "m", cube, scale=0.5)
    registered(formula, scale=0.5)
    message = r"activation 'own\(scale=0\.5\)' is registered with another formula than it was sav"
    with pytest.raises(FileError, match=message) as error:
        load_model(tmp_path / "m")
    assert "Register the activation it was saved with" in str(error.value)


def test_formulas_that_cannot_be_written_down_are_compared_by_their_values(tmp_path, registered):
    saved(tmp_path / "m", unwritable, scale=0.5)
    registered(unwritable, scale=0.5)
    load_model(tmp_path / "m")
    registered(unwritable_too, scale=0.5)
    with pytest.raises(FileError, match="another formula than it was saved with: it gives"):
        load_model(tmp_path / "m")


def test_an_object_with_a_name_of_the_library_s_is_not_taken_for_it(tmp_path):
    saved(tmp_path / "m", cube, name="tanh")
    with pytest.raises(FileError, match=r"activation 'tanh'.* another formula .* it gives"):
        load_model(tmp_path / "m")


def test_a_formula_of_the_library_s_that_was_replaced(tmp_path, registered):
    net = Network([2, 3, 1], activation="tanh")
    save_model(tmp_path / "m", Model(net, net.initial(0)))
    registered(cube, "tanh")
    with pytest.raises(FileError, match="activation 'tanh' is registered with another formula"):
        load_model(tmp_path / "m")


def test_a_loss_too(tmp_path, registered):
    def quartic(factor):
        return lambda xp: lambda a, y: (factor * (a - y) ** 4, 4 * factor * (a - y) ** 3)

    net = Network([2, 3, 1], loss=Loss("quartic", quartic(1)))
    save_model(tmp_path / "m", Model(net, net.initial(0)))
    register_loss(Loss("quartic", quartic(1)))
    load_model(tmp_path / "m")
    register_loss(Loss("quartic", quartic(1.5)), replace=True)
    with pytest.raises(FileError, match="loss 'quartic' is registered with another formula"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_a_library_s_formula_is_compared_to_six_digits(name):
    """A better way to compute the same is none of another formula."""
    extra = {"loss": "cross_entropy"} if name == "softmax" else {}
    net = Network([2, 3], activation=[], output_activation=name, **extra)
    marks = json.loads(json.dumps(network_fingerprints(net)))
    check_formulas(net, marks)
    marks[0]["expression"] = "written in another way"
    check_formulas(net, marks)
    values = marks[0]["values"]
    at = max(range(len(values)), key=lambda i: abs(values[i]))
    for factor, accepted in ((1 + 1e-9, True), (1 + 1e-4, False)):
        marks[0]["values"] = [*values[:at], values[at] * factor, *values[at + 1 :]]
        if accepted:
            check_formulas(net, marks)
        else:
            with pytest.raises(InputError, match="that of this version of deltarule with another"):
                check_formulas(net, marks)


@pytest.mark.parametrize("loss", LOSSES.names())
def test_the_marks_of_every_loss_are_those_of_itself_alone(loss):
    record = LOSSES.get(loss)
    outputs = [g for g in ACTIVATIONS.names() if record.accepts(ACTIVATIONS.get(g))]
    width = 2 * record.outputs_per_target()
    for output in outputs:
        net = Network([2, width], activation=[], output_activation=output, loss=record)
        check_formulas(net, json.loads(json.dumps(network_fingerprints(net))))


def test_a_model_without_marks_is_read(tmp_path):
    """As earlier versions wrote them."""
    assert load_model(bundle(tmp_path)).net.widths == (2, 1)


# -- its neighbours: pickles, recordings --------------------------------------------------------


def formula_of_the_day(xp):
    return CURRENT[0](xp)


CURRENT = [cube]


@pytest.mark.parametrize("what", ["network", "estimator"])
def test_what_is_pickled_has_the_mark_of_a_user_s_formula(monkeypatch, what):
    record = Activation("day", formula_of_the_day)
    X, y = np.linspace(-1, 1, 20)[:, None], np.linspace(0, 1, 20)
    net = Network([2, 3, 1], activation=record)
    if what == "estimator":
        with pytest.warns(ConvergenceWarning):
            net = MLPRegressor(hidden_layer_sizes=(3,), activation=record, max_iter=2).fit(X, y)
    data = pickle.dumps(net)
    pickle.loads(data)
    monkeypatch.setattr("tests.training.test_model_damage.CURRENT", [steeper])
    with pytest.raises(InputError, match="activation 'day' is registered with another formula"):
        pickle.loads(data)


def faster(xp):
    def update(theta, g, slots, step):
        return theta - 2 * step.learning_rate * g, {}

    return update


def plain(xp):
    def update(theta, g, slots, step):
        return theta - step.learning_rate * g, {}

    return update


def test_a_recording_of_another_rule_or_activation_is_refused(tmp_path, registered):
    registered(cube, scale=0.5)
    net, X, Y = regression()
    net = net.with_changes(activation="own")
    RULES.register(Rule("own_rule", plain))
    try:
        for name in ("rule", "activation"):
            recorder = Recorder(tmp_path / name)
            train(net, X, Y, epochs=2, rule="own_rule", engine="reference", callbacks=[recorder])
            load_recording(tmp_path / name)
        RULES.register(Rule("own_rule", faster), replace=True)
        with pytest.raises(FileError, match="rule 'own_rule' is registered with another formula"):
            load_recording(tmp_path / "rule")
        RULES.register(Rule("own_rule", plain), replace=True)
        registered(steeper, scale=0.5)
        with pytest.raises(FileError, match=r"activation .* is registered with another formula"):
            load_recording(tmp_path / "activation")
    finally:
        RULES.unregister("own_rule")


def test_every_rule_and_schedule_has_its_mark(tmp_path):
    net, X, Y = regression()
    for number, rule in enumerate(RULES):
        recorder = Recorder(tmp_path / f"{number}")
        batch = len(X) if rule.full_batch else 8
        train(net, X, Y, epochs=1, rule=rule, batch_size=batch, callbacks=[recorder])
        load_recording(tmp_path / f"{number}")
    for schedule in SCHEDULES:
        assert isinstance(schedule, Schedule)
        recorder = Recorder(tmp_path / schedule.name)
        train(net, X, Y, epochs=1, schedule=schedule, callbacks=[recorder])
        load_recording(tmp_path / schedule.name)


# -- recorders -------------------------------------------------------------------------------------


def test_a_recorder_whose_folder_appears_saves_elsewhere_and_training_is_not_lost(tmp_path):
    net, X, Y = regression()
    recorder = Recorder(tmp_path / "r")

    def appear(event):
        if event.epoch == 1:
            (tmp_path / "r").mkdir()
            (tmp_path / "r" / "mine.txt").write_text("mine")

    with pytest.warns(UserWarning, match=r"exists already.*so the recording is in") as warned:
        result = train(net, X, Y, epochs=2, callbacks=[recorder, appear])
    assert len(warned) == 1
    assert load_recording(tmp_path / "r-2").end == recorder.recording().end
    assert len(result.history) == 2
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["mine.txt"]


def test_a_recorder_s_place_is_checked_before_training(tmp_path):
    net, X, Y = regression()
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("n" * 300, "file/r", "circle", "file"):
        seen = []
        with pytest.raises(FileError):
            train(net, X, Y, epochs=2, callbacks=[Recorder(tmp_path / name), seen.append])
        assert seen == []


def test_a_recorder_that_goes_on_replaces_its_own(tmp_path):
    net, X, Y = regression()
    recorder = Recorder(tmp_path / "r", share=np.inf)
    first = train(net, X, Y, epochs=2, callbacks=[recorder])
    train(net, X, Y, epochs=2, resume=first, callbacks=[recorder])
    assert load_recording(tmp_path / "r").end == recorder.recording().end


# -- a model and the recording in its folder -------------------------------------------------------


def test_a_recording_goes_with_its_own_parameters_alone(tmp_path):
    net, X, Y = regression()
    for place in ("a", "b"):
        recorder = Recorder()
        result = train(net, X, Y, epochs=2, callbacks=[recorder])
        recording = recorder.recording()
        recording = dataclasses.replace(recording, model=digest_of_theta(result.theta))
        save_model(tmp_path / place, Model(net, result.theta), recording=recording)
    # The same parameters again, with another note: the recording is still theirs.
    save_model(tmp_path / "a", Model(net, result.theta, extra={"note": 1}), overwrite=True)
    assert load_recording(tmp_path / "a").end > 0
    save_model(tmp_path / "b", Model(net, net.initial(3)), overwrite=True)
    with pytest.raises(FileError, match=r"whose training was not recorded"):
        load_recording(tmp_path / "b")


def test_write_bundle_is_what_makes_a_bundle_of_these_tests(tmp_path):
    write_bundle(tmp_path / "x", "deltarule model", 1, {}, {})
    with pytest.raises(FileError, match=r"'model\.json' is missing"):
        load_model(tmp_path / "x")


# -- recordings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("learning_rate",), "x"),
        (("learning_rate",), 10**400),
        (("batch_size",), None),
        (("batch_size",), 0),
        (("epochs",), 10**400),
        (("n_rows",), {}),
        (("n_rows",), -1),
        (("threads",), "x"),
        (("end",), None),
        (("end",), -1),
        (("data",), 3),
        (("where",), None),
        (("where", "numpy"), 3),
        (("own_order",), "no"),
    ],
)
def test_a_recording_whose_numbers_are_damaged(tmp_path, path, value):
    recorder = Recorder()
    X = np.linspace(-1, 1, 12)[:, None]
    train(Network([1, 1]), X, 2 * X, epochs=2, engine="reference", callbacks=[recorder])
    whole = recorder.recording().bundle()
    documents = json.loads(json.dumps(dict(whole.documents), default=str))
    at = documents["recording.json"]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    write_bundle(tmp_path / "r", whole.kind, whole.version, documents, whole.arrays)
    with pytest.raises(FileError, match="is not a complete recording"):
        load_recording(tmp_path / "r")
