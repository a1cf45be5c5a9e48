"""Networks: shapes, the flat vector and its views, names, saved forms, messages."""

from __future__ import annotations

import json
import pickle
import tracemalloc

import numpy as np
import pytest

from deltarule.errors import IncompatiblePair, InputError, UnknownName
from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Network, numpy_namespace

PAIRS = [(loss.name, g.name) for loss in LOSSES for g in ACTIVATIONS]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("widths", [(1, 1), (3, 2), (4, 5, 3), (2, 7, 1, 6, 2)])
def test_counts_and_layout(widths, bias):
    net = Network(widths, bias=bias)
    weights = sum(n * m for n, m in zip(widths[1:], widths[:-1], strict=True))
    assert net.n_layers == len(widths) - 1
    assert (net.n_inputs, net.n_outputs) == (widths[0], widths[-1])
    assert net.n_multiply_adds == weights == net.is_weight.sum()
    assert net.n_parameters == weights + (sum(widths[1:]) if bias else 0)
    names = [f"{kind}{layer}" for layer in range(1, len(widths)) for kind in "Wb"[: 1 + bias]]
    assert [block.name for block in net.blocks] == names
    stops = [0, *(block.stop for block in net.blocks)]
    assert [block.start for block in net.blocks] == stops[:-1]
    for block in net.blocks:
        assert int(np.prod(block.shape)) == block.stop - block.start
        assert (net.is_weight[block.start : block.stop] == (block.kind == "W")).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bias", [True, False])
def test_pack_and_unpack_are_inverse_and_unpack_gives_views(bias, dtype):
    net = Network([3, 4, 2], bias=bias, dtype=dtype)
    theta = np.arange(net.n_parameters, dtype=dtype)
    W, b = net.unpack(theta)
    assert (W[0], b[0]) == (None, None)
    assert [w.shape for w in W[1:]] == [(4, 3), (2, 4)]
    assert ([v.shape for v in b[1:]] == [(4,), (2,)]) if bias else b == [None] * 3
    np.testing.assert_array_equal(net.pack(W, b), theta)
    np.testing.assert_array_equal(net.pack(W[1:], b[1:] if bias else None), theta)
    assert net.pack(W, b).dtype == dtype
    W[2][1, 3] = -5
    assert theta[net.block("W2").start + 1 * 4 + 3] == -5
    assert all(np.shares_memory(part, theta) for part in [*W[1:], *b[1:]] if part is not None)


def test_pack_without_biases_leaves_zeros_and_takes_another_type():
    net = Network([2, 1])
    np.testing.assert_array_equal(net.pack(W=[[[1, 2]]]), [1, 2, 0])
    assert net.pack(W=[[[1, 2]]], dtype=np.float32).dtype == np.float32


def test_blocks_and_positions():
    net = Network([2, 3, 1])
    for block in net.blocks:
        for entry in range(block.start, block.stop):
            found, index = net.block_at(entry)
            assert found is block
            assert block.of(np.arange(net.n_parameters))[index] == entry


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_legal_pairs_are_taken_and_others_refused_with_the_reason(loss, output):
    if LOSSES.get(loss).accepts(ACTIVATIONS.get(output)):
        net = Network([2, 3], [], output, loss)
        assert (net.loss.name, net.output_activation.name) == (loss, output)
    else:
        with pytest.raises(IncompatiblePair) as caught:
            Network([2, 3], [], output, loss)
        message = str(caught.value)
        assert f"{loss!r} does not go with output activation {output!r}" in message
        assert LOSSES.get(loss).reason in message
        assert "use '" in message


def test_legal_pairs_are_those_of_the_page_on_the_mathematics():
    elementwise = {g.name for g in ACTIVATIONS if g.elementwise}
    expected = {
        "squared_error": elementwise | {"softmax"},
        "half_squared_error": elementwise | {"softmax"},
        "absolute_error": elementwise,
        "huber": elementwise,
        "quantile": elementwise,
        "poisson": {"exp", "softplus"},
        "log_loss": {"logistic"},
        "weighted_log_loss": {"logistic"},
        "cross_entropy": {"softmax"},
    }
    found = {loss.name: {g.name for g in ACTIVATIONS if loss.accepts(g)} for loss in LOSSES}
    assert found == expected


def test_activations_one_for_all_or_one_for_each():
    assert [g.name for g in Network([1, 2, 3, 1], "tanh").hidden_activations] == ["tanh"] * 2
    mixed = Network([1, 2, 3, 1], ["tanh", ACTIVATIONS.get("elu", alpha=0.5)])
    assert mixed.activations[0] is None
    assert [str(g) for g in mixed.activations[1:]] == ["tanh", "elu(alpha=0.5)", "identity"]
    given = {"name": "leaky_relu", "alpha": 0.2}
    assert Network([1, 2, 1], given).hidden_activations[0].settings == {"alpha": 0.2}


def nothing(xp):
    return lambda z: z, lambda z, a: 1 + 0 * z


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": [3]}, r"widths is \[3\]; expected at least two numbers"),
        ({"widths": [3, 0, 1]}, r"widths is \[3, 0, 1\]; expected at least two numbers, each ≥ 1"),
        ({"widths": [3, 2.5]}, r"widths is \[3, 2\.5\]; expected whole numbers"),
        ({"widths": 7}, "widths is 7; expected whole numbers"),
        ({"widths": [2, 3, 1], "activation": ["relu", "relu"]}, "names 2 layers; expected 1"),
        ({"widths": [2, 3, 1], "activation": "softmax"}, "'softmax' mixes the nodes of a layer"),
        ({"widths": [2, 1], "dtype": "int32"}, "expected float32 or float64"),
        ({"widths": [2, 1], "dtype": "nonsense"}, "expected float32 or float64"),
        ({"widths": [2, 3], "loss": LOSSES.get("quantile", levels=(0.1, 0.9))}, "2 outputs for ea"),
        ({"widths": [2, 1], "frozen": ["W3"]}, "no block 'W3'; its blocks are W1, b1"),
        ({"widths": [2, 1], "frozen": np.zeros(4, bool)}, r"shape \(4,\); expected \(3,\)"),
        ({"widths": [2, 1], "loss": 3}, "3 is no loss; expected a name"),
    ],
)
def test_refusals_say_what_was_given_and_expected(arguments, message):
    with pytest.raises(InputError, match=message):
        Network(**arguments)


def test_a_misspelt_name_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownName, match="unknown activation 'reul'; did you mean 'relu'"):
        Network([2, 3, 1], "reul")
    with pytest.raises(KeyError):
        Network([2, 1], loss="squared")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"W": []}, "W has 0 items; expected 1, one for each layer, or 2 with None first"),
        ({"W": [[[1.0]]]}, r"W\[1\] has shape \(1, 1\); expected \(1, 2\)"),
        ({"W": [[[1, 2]]], "b": [[1, 2]]}, r"b\[1\] has shape \(2,\); expected \(1,\)"),
    ],
)
def test_pack_refuses_wrong_shapes(arguments, message):
    with pytest.raises(InputError, match=message):
        Network([2, 1]).pack(**arguments)


def test_biases_given_to_a_network_without_are_refused():
    net = Network([2, 1], bias=False)
    with pytest.raises(InputError, match="biases were given, but the network has bias=False"):
        net.pack(W=[[[1, 2]]], b=[[3]])
    np.testing.assert_array_equal(net.pack(W=[[[1, 2]]], b=[None]), [1, 2])


def test_theta_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"theta has shape \(2,\); expected \(3,\)"):
        Network([2, 1]).check_theta([1.0, 2.0])
    with pytest.raises(InputError, match="there is no entry 3"):
        Network([2, 1]).block_at(3)


# -- frozen parameters -----------------------------------------------------------------


def test_a_network_without_frozen_parameters_has_no_mask_in_memory():
    tracemalloc.start()
    try:
        net = Network([5000, 10_000, 2])
        again = net.with_changes(dtype=np.float64)
        record = net.to_dict()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20  # of 50 million parameters
    assert (net.some_frozen, again.some_frozen, record["frozen"]) == (False, False, [])
    assert not Network([2, 1], frozen=np.zeros(3, bool)).some_frozen
    assert Network([2, 1], frozen=["b1"]).some_frozen
    assert Network([2, 1], frozen=np.array([True, False, False])).some_frozen


def test_frozen_by_names_or_by_a_mask():
    net = Network([2, 3, 1], frozen=["b1", "W2"])
    expected = np.zeros(13, bool)
    expected[6:12] = True
    np.testing.assert_array_equal(net.frozen, expected)
    assert Network([2, 3, 1], frozen=expected) == net
    assert Network([2, 3, 1], frozen="W1").frozen.sum() == 6
    expected[0] = True  # the network keeps a copy, which cannot be written to
    assert not net.frozen[0]
    with pytest.raises(ValueError, match="read-only"):
        net.frozen[0] = True


@pytest.mark.parametrize("mask", [[], [0], [12], [0, 1, 5, 6, 7, 12], range(13)])
def test_frozen_masks_survive_a_json_file(mask):
    frozen = np.zeros(13, bool)
    frozen[list(mask)] = True
    net = Network([2, 3, 1], frozen=frozen)
    again = Network.from_dict(json.loads(json.dumps(net.to_dict())))
    assert again == net
    np.testing.assert_array_equal(again.frozen, frozen)


# -- saved forms -----------------------------------------------------------------------

NETWORKS = [
    Network([2, 1], []),
    Network([3, 4, 2], "tanh", "softmax", LOSSES.get("cross_entropy", smoothing=0.1), bias=False),
    Network([3, 4, 5, 6], ["elu", {"name": "leaky_relu", "alpha": 0.3}], loss="huber"),
    Network([3, 4], [], loss=LOSSES.get("quantile", levels=(0.1, 0.9)), dtype=np.float32),
    Network([3, 4, 1], frozen=["W1"]),
]


@pytest.mark.parametrize("net", NETWORKS, ids=repr)
def test_a_network_survives_json_and_pickle(net):
    for again in (
        Network.from_dict(json.loads(json.dumps(net.to_dict()))),
        pickle.loads(pickle.dumps(net)),
        net.with_changes(),
    ):
        assert again == net
        assert hash(again) == hash(net)
        assert again.to_dict() == net.to_dict()
        np.testing.assert_array_equal(again.initial(3), net.initial(3))


def test_networks_that_differ_are_not_equal():
    net = Network([3, 4, 2])
    others = [
        net.with_changes(**change)
        for change in (
            {"widths": [3, 5, 2]},
            {"activation": "tanh"},
            {"output_activation": "tanh"},
            {"loss": "huber"},
            {"bias": False},
            {"dtype": np.float32},
            {"frozen": ["b2"]},
        )
    ]
    assert len({net, *others}) == 8
    assert net != "net"


def test_a_users_activation_travels_with_the_pickle():
    net = Network([1, 2, 1], Activation("nothing", nothing))
    again = pickle.loads(pickle.dumps(net))
    assert again == net
    assert again.hidden_activations[0].formula is nothing


def test_summary_and_repr():
    net = Network([10, 200, 3], "relu", "softmax", "cross_entropy", frozen=["W1"])
    lines = net.summary().splitlines()
    assert lines[0].split() == ["layer", "nodes", "activation", "parameters", "multiply-adds"]
    assert lines[2].split() == ["1", "200", "relu", "2,200", "2,000"]
    assert lines[3].split() == ["2", "(output)", "3", "softmax", "603", "600"]
    assert lines[4].split() == ["total", "2,803", "2,600"]
    assert "803 of the parameters are trained" in lines[5]
    assert repr(net).startswith("Network([10, 200, 3], activation='relu'")
    assert "bias=False" in repr(Network([2, 1], bias=False))


def test_a_formula_that_gives_no_pair_of_functions_is_refused_by_name():
    half = Activation("half", lambda xp: (abs, 0.5))
    with pytest.raises(
        InputError, match=r"'half' gave .*expected the two functions \(value, slope\)"
    ):
        half.bind(numpy_namespace())
