"""Exported C programs predict what models predict: activations, encoders, estimators, names.

Every program is compiled with all warnings as errors and run with the address and undefined
behaviour sanitizers; its own ``main`` compares it with the model, and raises if they differ.
"""

import dataclasses
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from benchmarks.c_export import random_network
from tests.export.c_tables import columns, table_model
from tests.export.conftest import STRICT

from deltarule import ACTIVATIONS, Activation, MLPClassifier, MLPRegressor, Model, Network
from deltarule.export import to_c
from deltarule.export.subject import exported_network
from deltarule.tables import TargetEncoder
from deltarule.tables.number_encoders import NUMBER_ENCODERS

_CALL = """\
int main() {
  network_row row = network_row();
  float out[NETWORK_N_OUTPUTS];
  row.class_ = NETWORK_OTHER;
  row.new_ = NAN;
  network_predict(&row, out);
  return network_class(out);
}
"""


def passes(program, rows=4):
    """A program was tested, on at least so many rows."""
    assert program.rows >= rows
    return program.tested.endswith("; 0 wrong") and 0 < program.largest_share < 1


@pytest.mark.parametrize("g", ACTIVATIONS, ids=str)
def test_every_activation_in_all_layers(g, strict):
    hidden = [g, g] if g.elementwise else ["relu", "tanh"]
    net = Network([3, 10, 4, 3], hidden, g, "squared_error", dtype=np.float32)
    assert passes(to_c(Model(net, net.initial(0)), rows=40), 30)


def test_a_formula_of_a_users_own(strict):
    def bent(xp, shift):
        return lambda z: xp.where(z > shift, xp.sqrt(z - shift + 1), xp.tanh(xp.normal_cdf(z)))

    own = Activation("if */ 1", bent, {"shift": 0.25}, kinks=(0.25,))
    net = Network([2, 9, 1], activation=own, bias=False)
    program = to_c(Model(net, net.initial(0)))
    assert passes(program)
    assert "act_if_1(" in program.files["network.c"]


@pytest.mark.parametrize("number", [0, 9, 13, 48])
def test_random_networks_of_any_depth(number, strict):
    assert passes(to_c(random_network(number), rows=30))


@pytest.mark.parametrize("numbers", NUMBER_ENCODERS)
def test_every_encoder_of_numbers(numbers, strict):
    model, table = table_model(numbers=numbers, bins=5, calendar=numbers != "standard")
    program = to_c(model, data=table, name="house")
    assert passes(program, 60)
    (town,) = (each for each in program.description["columns"] if each["name"] == "town")
    assert town["codes"] == {"Bonn": 0, "Rome": 1, "Ulm": 2}
    assert "same" not in {each["name"] for each in program.description["columns"]}
    assert "#define HOUSE_TOWN_BONN 0 " in program.files["house.h"]


@pytest.mark.parametrize(
    ("classes", "options"),
    [
        ((), {"one_hot_levels": 4, "random_features": 3}),
        (("yes", "no"), {"one_hot_levels": 4, "min_rows": 16}),
        (("a", "b", "c"), {"one_hot_levels": 4, "max_levels": 2}),
    ],
)
def test_categories_of_many_and_of_rare_levels(classes, options, strict):
    model, table = table_model(classes=classes, **options)
    program = to_c(model, data=table)
    assert passes(program, 60)
    assert ("int network_class(" in program.files["network.h"]) == bool(classes)
    assert program.differing_labels == (0 if classes else None)
    assert program.description["comparison"]["differing_labels"] == program.differing_labels
    encoders = {type(each).__name__ for each in model.encoder.column_encoders}
    assert "TargetStatisticsEncoder" in encoders


def test_without_data_rows_are_drawn_within_the_ranges_of_training(strict):
    model, _ = table_model(numbers="periodic")
    program = to_c(model)
    assert passes(program, 60)
    assert "random" in " ".join(program.notes)


def test_numbers_that_mean_missing_and_numbers_out_of_scale(strict):
    cells = columns()
    cells["size"][3] = 1e300
    cells["rooms"] = [0.0 if k % 5 == 0 else x for k, x in enumerate(cells["rooms"])]
    model, table = table_model(cells, schema_options={"na": {"rooms": "0"}})
    program = to_c(model, data=table)
    assert passes(program)
    found = {each["name"]: each for each in program.description["columns"]}
    assert found["rooms"]["numbers_that_mean_missing"] == [0.0]
    assert found["size"]["counts_as_missing_beyond"][1] < 1e300


HOSTILE = [
    "*/ #error", "/*", "??/", "a\\", 'q"uote\'', "line\nbreak", "tab\t", "\x00nul", "class", "int",
    "NAN", "n_inputs", "東京", "größe", "GRÖSSE", "", " ", "a b", "a-b", "a_b", "1st", "\u202eabc",
    "é" * 500, "x" * 300, "x" * 299 + "y", "linux", "%s%n", "_", "__", "row", "out", "x", "cell",
    "missing", "other", "\ud800", "🙂",
]  # fmt: skip


def test_names_of_columns_and_levels_may_be_any_text(strict):
    # A table has no column of an empty name, and no half of a surrogate pair.
    names = [each for each in HOSTILE if each.strip() and each.isprintable()]
    random = np.random.default_rng(0)
    cells = {name: random.normal(size=60).tolist() for name in names}
    # Of cells the ends are stripped, and NAN is a missing one.
    levels = [each for each in HOSTILE if each and each.strip() == each and each != "NAN"]
    levels.remove("\ud800")
    cells["levels"] = [levels[k % len(levels)] for k in range(60)]
    classes = ("*/ yes", 'n"o\\')
    model, table = table_model(cells, classes=classes)
    program = to_c(model, data=table, name="class")
    assert passes(program)
    description = json.loads(json.dumps(program.description))
    assert [each["name"] for each in description["columns"]] == [*names, "levels"]
    members = [each["member"] for each in description["columns"]]
    assert len(set(members)) == len(members)
    assert set(description["columns"][-1]["codes"]) == set(levels)
    macros = re.findall(r"#define (\w+)", program.files["class.h"])
    assert len(set(macros)) == len(macros) >= len(levels)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["two", "three", "labels", "logistic", "clipped", "raw", "number"])
def test_estimators(kind, strict):
    random = np.random.default_rng(0)
    X = random.normal(size=(30, 3))
    y = np.array(["b", "a", "c"])[np.arange(30) % (2 if kind in ("two", "clipped") else 3)]
    options = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
    if kind == "labels":
        y = random.integers(0, 2, (30, 3))
    if kind in ("clipped", "raw"):
        options |= {"loss": "squared_error", "output_activation": "identity"}
    if kind == "logistic":
        options |= {"loss": "log_loss", "output_activation": "logistic"}
    if kind == "number":
        model = MLPRegressor(**options).fit(X, random.normal(size=(30, 2)))
    else:
        model = MLPClassifier(**options).fit(X, y)
    program = model.to_c(data=X)
    assert passes(program, 30)
    has_class = "int network_class(" in program.files["network.h"]
    assert has_class == (kind not in ("labels", "number"))
    if kind not in ("labels", "number"):
        assert program.description["outputs"] == list(model.classes_)
    assert any("no probabilities" in note for note in program.notes) == (kind == "raw")


@pytest.mark.parametrize("compiler", ["gcc", "clang", "g++"])
def test_compilers_have_nothing_to_warn_of(compiler, strict, tmp_path):
    """A C++ compiler reads the header, whose columns have names such as class."""
    if shutil.which(compiler) is None:
        pytest.skip(f"not run, because {compiler} is not installed")
    cells = {**columns(), "class": columns()["street"], "new": columns()["size"]}
    model, table = table_model(cells, ("a", "b", "c"), numbers="periodic", calendar=True)
    program = to_c(model, tmp_path / "p", data=table)
    files, dialect = ["network.c", "network_test.c"], ["-std=c99", "-Wconversion"]
    if compiler == "g++":
        (tmp_path / "p" / "main.cpp").write_text('#include "network.h"\n' + _CALL)
        files, dialect = ["main.cpp"], []
    command = [compiler, *dialect, "-O3", *STRICT.split(), "-c", *files]
    done = subprocess.run(command, cwd=tmp_path / "p", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert program.rows > 60


def test_inputs_of_a_table_may_be_given_as_they_are_encoded(strict):
    model, _ = table_model(classes=("a", "b", "c"))
    program = to_c(model, encoded=True)
    assert passes(program)
    assert "_row" not in program.files["network.h"]
    assert program.description["inputs"] == list(model.encoder.feature_names)


def test_a_target_that_float_does_not_resolve_has_a_note():
    model, _ = table_model()
    assert exported_network(model).notes == ()
    far = TargetEncoder("regression").fit(1e12 + np.arange(60.0))
    (note,) = exported_network(dataclasses.replace(model, target=far)).notes
    assert (
        "numbers near 1e+12 are 6.6e+04 apart; the standard deviation of the target is 17" in note
    )


def test_the_test_fails_if_a_number_of_the_program_is_wrong(strict, tmp_path):
    model, table = table_model(classes=("a", "b", "c"))
    program = to_c(model, tmp_path / "p", data=table)
    source = (tmp_path / "p" / "network.c").read_text()
    at = source.index("W2[")
    wrong = source[:at] + re.sub(r"\n  (-?[\d.e-]+)f", r"\n  2 * \1f", source[at:], count=1)
    (tmp_path / "network.c").write_text(wrong)
    for name in ("network.h", "network_test.c"):
        (tmp_path / name).write_text(program.files[name])
    command = [strict, "-std=c99", "network.c", "network_test.c", "-o", "test", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "test"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "; 0 wrong" not in done.stdout


def test_other_labels_are_counted_where_rounding_may_make_them(strict, tmp_path):
    model, table = table_model(classes=("a", "b", "c"))
    program = to_c(model, tmp_path / "p", data=table)
    test = (tmp_path / "p" / "network_test.c").read_text()
    start = test.index("classes[ROWS] = {") + len("classes[ROWS] = {")
    end = test.index("}", start)
    labels = [int(each) for each in test[start:end].split(",")]
    assert len(labels) == program.rows
    assert {0, 1, 2} >= set(labels[: program.rows // 2])  # rows of the table are told apart
    own = [each if each >= 0 else -1 - each for each in labels]
    command = [strict, "-std=c99", "network.c", "network_test.c", "-o", "test", "-lm"]
    for sure, expected in ((False, f"; {program.rows} labels differ; 0 wrong"), (True, " wrong")):
        others = [(each + 1) % 3 if sure else -1 - (each + 1) % 3 for each in own]
        planted = test[:start] + ", ".join(map(str, others)) + test[end:]
        (tmp_path / "p" / "network_test.c").write_text(planted)
        subprocess.run(command, cwd=tmp_path / "p", check=True)
        done = subprocess.run(
            [tmp_path / "p" / "test"], capture_output=True, text=True, check=False
        )
        assert done.returncode == int(sure)
        assert done.stdout.rstrip().endswith(expected)
        assert f"; {program.rows} labels differ; " in done.stdout
