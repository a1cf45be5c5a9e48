"""The report that fit writes to the model's folder, and evaluate to a file."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from tests.cli.conftest import FAST, NUMBERS

from deltarule.errors import DataError
from deltarule.explain.report.headline import score_text
from deltarule.files.bundle_reading import manifest_digest
from deltarule.tabular import TableModel
from deltarule.training.inspection import model_fingerprint
from deltarule.training.report_scores import score_differences


def test_fit_writes_a_report_with_its_options_as_they_are_typed(place, deltarule):
    outcome = deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST)
    assert outcome.status == 0
    assert outcome.out.endswith("Saved in m: the model, history.json, report.html, loss.svg.\n")
    page = Path("m/report.html").read_text(encoding="utf-8")
    summary = deltarule("inspect", "m", "--json").json
    fingerprint = summary["model_fingerprint"]
    own = hashlib.sha256(Path("m/report.html").read_bytes()).hexdigest()
    assert summary["extras_sha256"]["report.html"] == own
    shown = f"Checksum of report.html, which the fingerprint does not cover: sha256 {own}\n"
    assert shown in outcome.out
    assert summary["manifest"] == hashlib.sha256(Path("m/manifest.json").read_bytes()).hexdigest()
    assert fingerprint == TableModel.load("m").fingerprint() != summary["manifest"]
    assert f"sha256 {fingerprint}\n" in outcome.out
    about = page[page.index('<p class="about">') :].split("</p>")[0]
    assert f"sha256 <code>{fingerprint}</code>; <code>deltarule inspect m --strict</code>" in about
    assert "edited without its checksum in manifest.json" in about
    assert (
        "<code>deltarule evaluate m TABLE</code>, with the table of the training, writes" in about
    )
    assert "Predicting y" in page
    assert "deltarule predict m NEW.csv" in page
    noise = "a,y\n" + "".join(f"{i * 7 % 13},{i * 5 % 11}\n" for i in range(60))
    Path("noise.csv").write_text(noise)
    assert deltarule("fit", "noise.csv", "-t", "y", "--test", "0", "--out", "n", *FAST).status == 0
    page = Path("n/report.html").read_text(encoding="utf-8")
    assert "--test 0.2" in page[page.index("What next") : page.index("All scores")]


def forge(page):
    """Write another report beside the model m, and make the checksums fit; return its own."""
    manifest = json.loads(Path("m/manifest.json").read_text())
    Path("m/report.html").write_bytes(page.encode())
    checksum = hashlib.sha256(page.encode()).hexdigest()
    manifest["extras"]["report.html"] = checksum
    manifest["checksum"] = manifest_digest(manifest)
    Path("m/manifest.json").write_text(json.dumps(manifest))
    return checksum


@pytest.mark.parametrize("options", [(), ("--test", "0"), ("-t", "k")])
def test_a_report_whose_scores_were_forged_with_its_checksums_is_found_out(
    place, deltarule, options
):
    assert deltarule("fit", "numbers.csv", "-t", "y", *FAST, "--out", "m", *options).status == 0
    assert deltarule("inspect", "m", "--strict").status == 0
    page = Path("m/report.html").read_text(encoding="utf-8")
    of = r'(<span data-value="[^"]*" data-number="network\.(?:r2|accuracy)">)([^<]*)'
    forged, count = re.subn(of, r"\g<1>0.999", page)
    assert count > 0
    checksum = forge(forged)
    outcome = deltarule("inspect", "m", "--strict")
    assert outcome.status == 5
    assert f"as written: report.html, sha256 {checksum}" in outcome.out
    assert "warning: report.html shows the " in outcome.out
    assert " 0.999 of the " in outcome.out
    shown = deltarule("inspect", "m", "--json").json
    assert shown["warnings"] == shown["differences"] != []
    notes = deltarule("evaluate", "m", "numbers.csv", "--json").json["notes"]
    assert any("report.html shows the " in note for note in notes)


FORGED = {
    "words": ("Predicting y</h1>", "Predicting x</h1>"),
    "a number": (' data-number="network.r2">', ">9"),
    "a style": ("</style>", 'p::after { content: "99 %" }</style>'),
    "a script": ("</body>", "<script>document.body.textContent = '99 %'</script></body>"),
    "a space": ("</body>", " </body>"),
    "in a note": ("12 test rows", "120 test rows"),
}


def test_the_report_is_written_again_and_compared_with_the_table_of_the_training(place, deltarule):
    assert deltarule("fit", "numbers.csv", "-t", "y", *FAST, "--out", "m").status == 0
    page = Path("m/report.html").read_text(encoding="utf-8")
    # The report names the folder as it was called.
    Path("m").rename("k")
    said = deltarule("evaluate", "k", "numbers.csv").out
    same = "report.html is, word for word, what the model's files and this table give"
    assert f"{same}; it names the folder m.\n" in said
    Path("k").rename("m")
    assert f"{same}.\n" in deltarule("evaluate", "m", "numbers.csv").out
    assert deltarule("evaluate", "m", "numbers.csv", "--json").json["report_as_given"] is True
    for old, new in FORGED.values():
        assert old in page
        forge(page.replace(old, new, 1))
        found = deltarule("evaluate", "m", "numbers.csv", "--json").json
        assert found["report_as_given"] is False
        assert any("report.html differs from what" in note for note in found["notes"])
    forge(page.replace(*FORGED["words"]))
    told = deltarule("evaluate", "m", "numbers.csv")
    assert "it has 'Predicting x' where 'Predicting y' is written\n" in told.err
    assert "word for word" not in told.out
    # Of another table it cannot be written again.
    Path("other.csv").write_text(NUMBERS.replace(",1.0,", ",1.1,"))
    assert deltarule("evaluate", "m", "other.csv", "--json").json["report_as_given"] is None
    Path("m/report.html").unlink()
    assert deltarule("evaluate", "m", "numbers.csv", "--json").json["report_as_given"] is None


def test_a_report_without_its_scores_or_of_another_model_is_a_warning(place, deltarule):
    assert deltarule("fit", "numbers.csv", "-t", "y", *FAST, "--out", "m").status == 0
    page = Path("m/report.html").read_text(encoding="utf-8")
    fingerprint = model_fingerprint("m")
    lacks = "report.html does not show the scores that deltarule writes there "
    every = "(r2, rmse, mae, r2 of the linear baseline"
    cells = re.search("its cells’ sha256 <code>([^<]*)…</code>", page)[1]
    forgeries = {
        "<h1>R² 0.99</h1>": lacks + every,
        page.replace("data-number=", "data-no="): lacks + every,
        page.replace(' data-number="network.rmse"', ""): f"{lacks}(rmse)",
        page.replace(' data-number="constant.mae"', ""): f"{lacks}(mae of the constant)",
        page.replace(fingerprint, "ab" * 32): f"names the fingerprint {'ab' * 32} of the model",
        page.replace(cells, "0" * 16): f"names the sha256 {'0' * 16}… of the cells",
    }
    for forged, expected in forgeries.items():
        forge(forged)
        (warning,) = deltarule("inspect", "m", "--json").json["warnings"]
        assert expected in warning
        assert deltarule("inspect", "m", "--strict", "-q").status == 5
        assert any(
            expected in note
            for note in deltarule("evaluate", "m", "numbers.csv", "--json").json["notes"]
        )
    # What is seen is right, and the number behind it is not.
    forge(re.sub(r'data-value="[^"]*"( data-number="network.r2")', r'data-value="0.99"\1', page))
    (warning,) = deltarule("inspect", "m", "--json").json["warnings"]
    assert ", with 0.99 in its data-value, of the test rows, the model holds " in warning
    assert ", exactly " in warning


def test_a_file_that_the_manifest_does_not_name_is_a_warning(place, deltarule):
    assert deltarule("fit", "numbers.csv", "-t", "y", *FAST, "--record", "--out", "m").status == 0
    assert "covers\nall files that it names, with one" in deltarule("inspect", "m").out
    assert '"Trained on" is what the files say.' in deltarule("inspect", "m").out
    right = deltarule("inspect", "m", "--strict", "--json")
    assert (right.status, right.json["unnamed"]) == (0, [])
    Path("m/report-final.html").write_text("<h1>R² 0.99</h1>")
    manifest = json.loads(Path("m/manifest.json").read_text())
    del manifest["extras"]["report.html"]
    manifest["checksum"] = manifest_digest(manifest)
    Path("m/manifest.json").write_text(json.dumps(manifest))
    said = "not named by manifest.json, so not of this model's files: "
    said += "report-final.html, report.html"
    outcome = deltarule("inspect", "m", "--strict")
    assert outcome.status == 5
    assert f"warning: {said}\n" in outcome.out
    assert deltarule("inspect", "m", "--json").json["unnamed"] == [
        "report-final.html",
        "report.html",
    ]
    evaluated = deltarule("evaluate", "m", "numbers.csv")
    assert f"note: {said}; see 'deltarule inspect m'\n" in evaluated.err
    # What it shows is compared all the same.
    assert "report.html is, word for word, what" in evaluated.out
    page = Path("m/report.html").read_text(encoding="utf-8")
    Path("m/report.html").write_text(page.replace("Predicting y", "Predicting x"), encoding="utf-8")
    assert "report.html differs from" in deltarule("evaluate", "m", "numbers.csv").err


@pytest.mark.parametrize("form", ["m.deltarule", "m"])
@pytest.mark.parametrize("target", ["y", "k"])
@pytest.mark.parametrize("test", ["0.2", "0"])
def test_the_report_of_each_model_is_what_its_files_give(place, deltarule, form, target, test):
    fit = ("fit", "numbers.csv", "-t", target, "--quality", "fast", "--test", test, "--out", form)
    assert deltarule(*fit).status == 0
    found = deltarule("evaluate", form, "numbers.csv", "--json").json
    if test == "0":  # of predictions of the folds
        assert found["report_as_given"] is None
        assert any("report.html could not be compared: without test" in n for n in found["notes"])
    else:
        assert found["report_as_given"] is True


@pytest.mark.parametrize("target", ["y", "k"])
def test_scores_that_were_edited_in_the_model_are_computed_again(place, deltarule, target):
    fit = ("fit", "numbers.csv", "-t", target, "--quality", "fast", "--out", "m")
    assert deltarule(*fit).status == 0
    said = "where its files say"
    before = deltarule("evaluate", "m", "numbers.csv", "--json").json
    assert not any(said in note for note in before["notes"])
    model = TableModel.load("m")
    score = "r2" if target == "y" else "accuracy"
    was = model.report["scores"]["test"][score]
    model.report["scores"]["test"][score] = was - 0.1
    model.save("m", overwrite=True)
    (note,) = [
        each
        for each in deltarule("evaluate", "m", "numbers.csv", "--json").json["notes"]
        if said in each
    ]
    assert f"the model gives the {score} {was:.6g}, where its files say {was - 0.1:.6g}" in note
    assert note.endswith(": a file was edited since")  # rounding gives no such difference
    model.report["scores"]["test"][score] = was - 0.004
    model.save("m", overwrite=True)
    notes = deltarule("evaluate", "m", "numbers.csv", "--json").json["notes"]
    assert any(each.endswith("since, or the precision here is another") for each in notes)
    # Of another table nothing can be computed again.
    Path("other.csv").write_text(NUMBERS.replace(",1.0,", ",1.1,"))
    other = deltarule("evaluate", "m", "other.csv", "--json").json["notes"]
    assert not any(said in each for each in other)


def test_a_report_beside_no_model_says_how_its_change_is_noticed(place, deltarule):
    assert deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST).status == 0
    outcome = deltarule("evaluate", "m", "numbers.csv", "--report", "new.html")
    own = hashlib.sha256(Path("new.html").read_bytes()).hexdigest()
    assert f"The report is in new.html. Its checksum: sha256 {own}. " in outcome.out
    page = Path("new.html").read_text(encoding="utf-8")
    about = page[page.index('<p class="about">') :].split("</p>")[0]
    assert "but not this page" in about
    assert "manifest.json" not in about
    said = deltarule("evaluate", "m", "numbers.csv", "--report", "new.html", "--force", "--json")
    assert said.json["report_sha256"] == own
    assert said.json["model_fingerprint"] == model_fingerprint("m")


@pytest.mark.parametrize("score", ["accuracy", "auc", "log_loss", "r2", "rmse", "mae"])
def test_each_score_that_a_report_writes_is_read_again(score):
    rng = np.random.default_rng(0)
    values = rng.random(200)
    if score not in ("accuracy", "auc"):
        values = np.concatenate([10.0 ** rng.uniform(-9, 9, 200), [0.0, 1.0, 20000.0]])
        values = np.concatenate([values, -values]) if score == "r2" else values
    for value in map(float, values):
        shown = score_text(score, value, f"network.{score}")
        assert score_differences(shown, {"scores": {"test": {score: value}}}) == ()
        other = {"scores": {"test": {score: 1.02 * value + 0.002}, "train": {score: value}}}
        assert len(score_differences(shown, other)) == 1


def test_the_bytes_of_a_model_are_made_once_for_its_fingerprint_and_its_files(
    place, deltarule, monkeypatch
):
    made = []
    save = safetensors.numpy.save
    monkeypatch.setattr(safetensors.numpy, "save", lambda arrays: made.append(1) or save(arrays))
    for options in (FAST, ("--quality", "fast")):
        made.clear()
        outcome = deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", "--force", *options)
        assert (outcome.status, len(made)) == (0, 1)
        page = Path("m/report.html").read_text(encoding="utf-8")
        assert f"sha256 <code>{model_fingerprint('m')}</code>" in page


def test_no_report_writes_none_and_a_replaced_folder_keeps_none(place, deltarule):
    for option in ((), ("--no-report",)):
        outcome = deltarule(
            "fit", "numbers.csv", "-t", "y", "--out", "m", "--force", *FAST, *option
        )
        assert outcome.status == 0
        assert Path("m/report.html").exists() == (not option)
        assert ("report.html" in outcome.out) == (not option)


def test_json_has_the_seconds_of_the_report(place, deltarule):
    fit = ("fit", "numbers.csv", "-t", "y", "--out", "m", "--force", "--json", *FAST)
    seconds = deltarule(*fit).json["report_seconds"]
    assert isinstance(seconds, float)
    assert seconds > 0
    assert deltarule(*fit, "--no-report").json["report_seconds"] is None


def test_a_report_that_cannot_be_made_is_a_note_and_the_model_is_saved(
    place, deltarule, monkeypatch
):
    def fail(*arguments, **options):
        raise DataError("the prediction for row 3 is not finite")

    monkeypatch.setattr("deltarule.explain.report.report_html", fail)
    outcome = deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST)
    assert outcome.status == 0
    assert "note: there is no report.html: the prediction for row 3 is not finite" in outcome.err
    assert Path("m/model.json").exists()
    assert not Path("m/report.html").exists()


def test_evaluate_writes_a_report_on_the_rows_that_it_scores(place, deltarule):
    Path("new.csv").write_text("\n".join(NUMBERS.splitlines()[:31]) + "\n")
    outcome = deltarule("evaluate", "numbers.model", "new.csv", "--report", "new.html")
    assert outcome.status == 0
    assert "The report is in new.html." in outcome.out
    page = Path("new.html").read_text(encoding="utf-8")
    assert "30 rows of the table that was given" in page
    about = page[page.index('<p class="about">') :].split("</p>")[0]
    assert "Scores of <b>new.csv</b>: 30 rows. The model was trained on 42 rows of " in about
    assert "<b>numbers.csv</b> (60 rows, 3 columns, its cells’ sha256 <code>" in about
    fingerprint = model_fingerprint("numbers.model")
    assert f"fingerprint: sha256 <code>{fingerprint}</code>" in about
    assert "deltarule explain numbers.model new.csv --row 1" in page
    assert "or some: <code>--ignore</code>" in page  # an option of fit, as its own report has it
    assert deltarule("evaluate", "numbers.model", "numbers.csv", "--report", "own.html").status == 0
    assert "12 test rows" in Path("own.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--report", "numbers.csv"), 2, "--report is 'numbers.csv'"),
        (("--report", "a.html"), 3, "--force"),
    ],
)
def test_a_report_replaces_nothing(place, deltarule, arguments, status, message):
    Path("a.html").write_text("mine")
    outcome = deltarule("evaluate", "numbers.model", "numbers.csv", *arguments)
    assert outcome.status == status
    assert message in outcome.err
    assert Path("a.html").read_text() == "mine"


def test_the_table_of_the_training_is_named_by_fit_and_inspect(place, deltarule):
    outcome = deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST)
    checksum = TableModel.load("m").report["fingerprint"]
    said = f"numbers.csv, 60 rows, sha256 of its cells {checksum}\n"
    assert f"Trained on: {said}" in outcome.out
    assert f"\ntrained on: {said}" in deltarule("inspect", "m").out
    known = {"source": "numbers.csv", "rows": 60, "sha256": checksum, "row_digests": 60}
    known["further"] = []
    assert deltarule("inspect", "m", "--json").json["trained_on"] == known
    again = deltarule("fit", "numbers.csv", "-t", "y", "--out", "n", "--json", *FAST).json
    assert again["trained_on"] == known
    assert "row_digests" not in again
    about = Path("m/report.html").read_text(encoding="utf-8").split('<p class="about">')[1]
    assert f"its cells’ sha256 <code>{checksum[:16]}…</code>" in about.split("</p>")[0]


def test_inspect_is_strict_about_a_changed_report_where_that_is_asked_for(place, deltarule):
    assert deltarule("fit", "numbers.csv", "-t", "y", "--out", "m", *FAST).status == 0
    right = deltarule("inspect", "m", "--strict", "-q")
    assert (right.status, right.out, right.err) == (0, "", "")
    Path("m/report.html").write_text("all is well")
    assert deltarule("inspect", "m").status == 0
    assert deltarule("inspect", "m", "-q").out == ""
    strict = deltarule("inspect", "m", "--strict")
    assert strict.status == 5
    assert "warning: report.html is changed" in strict.out
    quiet = deltarule("inspect", "m", "--strict", "--quiet")
    assert (quiet.status, quiet.out) == (5, "")
    assert quiet.err.startswith("error: report.html is changed")
    found = deltarule("inspect", "m", "--strict", "--json")
    assert (found.status, found.json["extras"]["report.html"]) == (5, "changed")
