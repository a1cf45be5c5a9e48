"""Every command that takes a model takes one file, and ``inspect`` says what is in it."""

from pathlib import Path

from deltarule.tabular import TableModel


def test_a_model_in_one_file_through_the_commands(place, deltarule):
    command = ("fit", "numbers.csv", "--target", "y", "--layers", "3", "--epochs", "2", "--record")
    outcome = deltarule(*command, "--out", "m.deltarule")
    assert outcome.status == 0, outcome.err
    assert Path("m.deltarule").is_file()
    assert deltarule(*command, "--out", "m.deltarule").status != 0  # it is there
    assert deltarule(*command, "--out", "m.deltarule", "--force").status == 0
    predicted = deltarule("predict", "m.deltarule", "numbers.csv", "--json")
    assert predicted.status == 0, predicted.err
    assert deltarule("evaluate", "m.deltarule", "numbers.csv").status == 0
    step = deltarule("explain", "m.deltarule", "--step", "1", "--column", "a", "--row", "1")
    assert step.status == 0, step.err
    model = deltarule("explain", "m.deltarule", "numbers.csv", "--row", "2")
    assert model.status == 0, model.err
    shown = deltarule("inspect", "m.deltarule", "--json").json
    assert shown["is_file"]
    assert shown["recorded"]
    assert shown["target"] == "y"
    text = deltarule("inspect", "m.deltarule")
    assert text.status == 0
    assert "regression of 'y'" in text.out
    assert list(Path().glob(".*")) == []


def test_damage_is_one_line(place, deltarule):
    TableModel.load("numbers.model").save("m.deltarule")
    data = bytearray(Path("m.deltarule").read_bytes())
    data[len(data) // 2] ^= 1
    Path("m.deltarule").write_bytes(data)
    for command in (("inspect", "m.deltarule"), ("predict", "m.deltarule", "numbers.csv")):
        outcome = deltarule(*command)
        assert outcome.status not in (0, 1)
        assert outcome.err.count("\n") == 1
        assert "m.deltarule" in outcome.err
    assert deltarule("inspect", "numbers.csv").status != 0


def test_a_file_of_another_name_is_a_model_and_a_table_is_none(place, deltarule):
    TableModel.load("numbers.model").save("m.deltarule")
    Path("m.deltarule").rename("m.bin")
    renamed = deltarule("predict", "m.bin", "numbers.csv")
    assert renamed.status == 0, renamed.err
    swapped = deltarule("predict", "numbers.csv", "m.bin")
    assert swapped.status == 3
    assert "name the model first and the table after it: MODEL DATA" in swapped.err
