"""``python -m benchmarks.uci_splits``."""

import functools

import numpy as np
import pytest
from benchmarks.studies import RowLog
from scipy.stats import norm

from benchmarks import uci_splits
from deltarule import TabularRegressor
from deltarule.tabular.portfolio import Configuration

SMALL = (Configuration("linear", "standard", learning_rate=0.1, epochs=40),)


def test_splits_beside_published_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        uci_splits, "TabularRegressor", functools.partial(TabularRegressor, configurations=SMALL)
    )
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = 5 * X[:, 0] + 0.1 * rng.normal(size=80)
    (tmp_path / "uci_splits").mkdir()
    path = tmp_path / "uci_splits" / "yacht.npz"
    np.savez(path, X=X, y=y, test_0=np.arange(8), test_1=np.arange(8, 16))
    written = tmp_path / "rows.csv"
    arguments = [str(tmp_path), "--tables", "yacht", "--splits", "2", "--csv", str(written)]
    uci_splits.main(arguments)
    out = capsys.readouterr().out
    rows = RowLog(written, uci_splits._FIELDS).rows
    assert [row["split"] for row in rows] == ["0", "1"]
    assert all(0.05 < float(row["rmse"]) < 0.6 for row in rows)
    assert out.endswith("figure: 1 of 1; log likelihood above it: 1 of 1\n")
    # The second time nothing is trained.
    uci_splits.main(arguments)
    assert capsys.readouterr().out == out
    assert RowLog(written, uci_splits._FIELDS).rows == rows


def test_a_folder_without_the_files_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"nor its folder uci_splits has a file yacht\.npz"):
        uci_splits.main([str(tmp_path), "--tables", "yacht"])


def test_log_likelihood_and_standard_error():
    y, mean, std = np.array([1.0, 2.0]), np.array([0.5, 2.5]), np.array([1.0, 2.0])
    expected = norm(mean, std).logpdf(y).mean()
    assert uci_splits.log_likelihood(y, mean, std) == pytest.approx(expected)
    assert uci_splits.mean_and_error([1.0, 3.0]) == (2.0, pytest.approx(1 / np.sqrt(2)))
