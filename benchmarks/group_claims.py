"""How often the errors by group make a claim: a wrong one, and one of a group that is worse.

``python -m benchmarks.group_claims`` makes tables in which no group is worse than the others, with
probabilities that are right, too bold or too timid, and prints of each setting the share of tables
with a claim; then tables in which the rows of one level are near chance, and the share of tables in
which that group is found: by both measures, and by the errors alone at a level of their own.
"""

from __future__ import annotations

import argparse

import numpy as np

from deltarule.tables import Schema, TextColumn, TypedColumns
from deltarule.tables.schema import Column
from deltarule.tabular.diagnostics import ErrorGroup, ScoredRows, group_errors
from deltarule.tabular.diagnostics.classes import wilson_interval

ROWS, SPREADS, FACTORS = (60, 160, 800), (1.0, 2.0, 4.0), (0.5, 1.0, 2.5)
SIZES = (0.95, 0.9, 0.8, 0.5)  # of the larger of two groups
NEAR_CHANCE = 0.12  # of the log odds of the others, in the group that is worse


def logistic(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−z))."""
    return np.asarray(1 / (1 + np.exp(-z)))


def category(levels: np.ndarray) -> TextColumn:
    """Levels as a column of a table."""
    return TextColumn.from_cells(levels.astype(object))


def scored(
    truth: np.ndarray, probability: np.ndarray, columns: dict[str, TextColumn | np.ndarray]
) -> ScoredRows:
    """Rows of two classes with their predicted probability of the second."""
    kinds = {
        name: "category" if isinstance(each, TextColumn) else "number"
        for name, each in columns.items()
    }
    schema = Schema(tuple(Column(name, kind) for name, kind in kinds.items()))
    outputs = np.stack([1 - probability, probability], axis=1)
    n = len(truth)
    typed = TypedColumns(columns, np.arange(n))
    classes = ("0", "1")
    return ScoredRows(
        "given", "classification", classes, schema, typed, truth, outputs, np.ones(n),
        lambda _: outputs,
    )  # fmt: skip


def without_a_worse_group(
    rng: np.random.Generator, rows: int, spread: float, factor: float
) -> ScoredRows:
    """A table in which no group is worse; probabilities have ``factor`` times the log odds."""
    columns: dict[str, TextColumn | np.ndarray] = {
        f"u{size}": category(np.where(rng.random(rows) < size, "a", "b")) for size in SIZES
    }
    columns["k"] = category(rng.choice(list("abcdef"), rows))
    columns["x"] = rng.random(rows)
    z = rng.normal(0, spread, rows)
    truth = (rng.random(rows) < logistic(z)).astype(int)
    return scored(truth, logistic(factor * z), columns)


def with_a_worse_group(rng: np.random.Generator, rows: int, *, known: bool) -> ScoredRows:
    """A table whose rows of one level are near chance; ``known`` says so by the probabilities."""
    region = rng.choice(list("nsew"), rows)
    columns: dict[str, TextColumn | np.ndarray] = {
        "region": category(region),
        "p": category(rng.choice(list("abc"), rows)),
        "x": rng.random(rows),
        "w": rng.random(rows),
    }
    z = rng.normal(0, 2, rows)
    true_z = np.where(region == "n", NEAR_CHANCE * z, z)
    truth = (rng.random(rows) < logistic(true_z)).astype(int)
    return scored(truth, logistic(true_z if known else z), columns)


def has_more_errors(group: ErrorGroup, n_others: int, n_groups: int) -> bool:
    """Whether Newcombe's interval of the errors is above 0, corrected for the groups alone."""
    level = 1 - 0.05 / n_groups
    low, _ = wilson_interval(group.error, group.rows, level)
    _, high = wilson_interval(group.others, n_others, level)
    gap = group.error - group.others
    return gap > np.hypot(group.error - low, high - group.others)


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=200, help="of each setting")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    tables = arguments.tables
    rng = np.random.default_rng(arguments.seed)
    print("no group is worse: rows, spread of the log odds, factor of the probabilities; claims")
    largest = 0.0
    for rows in ROWS:
        for spread in SPREADS:
            for factor in FACTORS:
                claims = sum(
                    bool(group_errors(without_a_worse_group(rng, rows, spread, factor)).worse)
                    for _ in range(tables)
                )
                largest = max(largest, claims / tables)
                print(f"{rows:5} {spread:5} {factor:5} {claims / tables:8.1%}", flush=True)
    print(f"largest {largest:.1%}")
    print("a fourth of the rows is near chance: found by both measures, by the errors alone")
    for rows in (160, 400):
        for known in (True, False):
            both = alone = 0
            for _ in range(tables):
                found = group_errors(with_a_worse_group(rng, rows, known=known))
                group = next(each for each in found.groups if each.level == "n")
                both += group.worse
                alone += has_more_errors(group, rows - group.rows, len(found.groups))
            said = "say so" if known else "do not say so"
            print(f"{rows:5} rows, probabilities {said}: {both / tables:.1%} {alone / tables:.1%}")


if __name__ == "__main__":
    main()
