"""Records and registries: values, names, saved forms, messages."""

import dataclasses
import pickle

import pytest

from deltarule.errors import InputError, UnknownName
from deltarule.records import Record, Registry


@dataclasses.dataclass(frozen=True)
class Curve(Record):
    """A kind of record."""

    note: str = ""


def line(xp, slope=1.0, levels=(1, 2)):
    return lambda x: (xp, slope * x, levels)


LINE = Curve("line", line, {"slope": 2.0, "levels": [1, [2, 3]]}, note="straight")


@pytest.fixture
def registry():
    curves = Registry("curve", Curve)
    curves.register(LINE)
    curves.register(Curve("bow", line))
    return curves


def test_a_record_is_a_value():
    same = Curve("line", line, (("slope", 2.0), ("levels", (1, (2, 3)))), note="straight")
    assert same == LINE
    assert hash(LINE) == hash(same)
    assert LINE.with_parameters(slope=3.0) != LINE
    assert pickle.loads(pickle.dumps(LINE)) == LINE
    with pytest.raises(dataclasses.FrozenInstanceError):
        LINE.name = "other"


def test_its_formula_is_bound_with_its_parameters():
    assert LINE.bind("xp")(3) == ("xp", 6.0, (1, (2, 3)))
    assert LINE.settings == {"slope": 2.0, "levels": (1, (2, 3))}


def test_other_parameters_make_another_record_of_the_same_kind():
    other = LINE.with_parameters(slope=5.0)
    assert isinstance(other, Curve)
    assert (other.note, other.settings["slope"], LINE.settings["slope"]) == ("straight", 5.0, 2.0)
    with pytest.raises(InputError, match=r"curve 'line' has no parameter 'slop'; .* slope, levels"):
        LINE.with_parameters(slop=1)
    with pytest.raises(InputError, match="its parameters are: none"):
        Curve("bow", line).with_parameters(slope=1)


def test_a_formula_must_be_callable():
    with pytest.raises(InputError, match="Curve 'bad': formula is 3; expected a module-level"):
        Curve("bad", 3)


def test_its_saved_form_is_plain_and_comes_back(registry):
    assert Curve("bow", line).spec() == "bow"
    assert LINE.spec() == {"name": "line", "slope": 2.0, "levels": [1, [2, 3]]}
    assert registry.get(LINE.spec()) == LINE
    assert registry.get("bow") == registry.get(registry.get("bow").spec())
    assert str(LINE) == "line(slope=2.0, levels=[1, [2, 3]])"
    assert str(Curve("bow", line)) == "bow"


def test_a_registry_gives_records_by_name_by_saved_form_and_as_they_are(registry):
    assert registry.get("line") is LINE
    assert registry.get({"name": "line", "slope": 7.0}).settings["slope"] == 7.0
    assert registry.get("line", slope=7.0) == registry.get({"name": "line", "slope": 7.0})
    foreign = Curve("mine", line)
    assert registry.get(foreign) is foreign
    assert list(registry) == [LINE, registry.get("bow")]
    assert registry.names() == ["line", "bow"]
    assert "line" in registry
    assert len(registry) == 2
    assert repr(registry) == "Registry('curve', ['line', 'bow'])"


@pytest.mark.parametrize(
    ("which", "error", "message"),
    [
        ("lime", UnknownName, "unknown curve 'lime'; did you mean 'line'\\? known: line, bow"),
        ("xyz", UnknownName, "unknown curve 'xyz'; known: line, bow"),
        ({}, UnknownName, "unknown curve ''; known"),
        ({"name": "line", "slop": 1}, InputError, "no parameter 'slop'"),
        (3, InputError, r"3 is no curve; expected a name \(line, bow\) or a Curve"),
        (None, InputError, "None is no curve"),
        (Record("line", line), InputError, "is no curve"),
    ],
)
def test_what_a_registry_does_not_hold(registry, which, error, message):
    with pytest.raises(error, match=message):
        registry.get(which)


def test_a_name_is_taken_once(registry):
    with pytest.raises(InputError, match=r"curve 'line' is registered already; .* replace=True"):
        registry.register(Curve("line", line))
    other = Curve("line", line)
    assert registry.register(other, replace=True) is other
    assert registry.get("line") is other
    registry.unregister("line")
    registry.unregister("line")
    assert registry.names() == ["bow"]
    with pytest.raises(InputError, match=r"cannot register .* as curve; expected an instance of"):
        registry.register(Record("other", line))
