"""A table with columns of every kind, from file to saved model: what leaks, what is left out, how rows are split."""

from __future__ import annotations

import datetime
import gzip
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from entrena import load, train
from entrena.data import ReadOptions, read, read_inputs, split_rows
from entrena.errors import DataError, RecipeError, RunError, UsageError
from entrena.fitting import split_validation
from entrena.model import Model
from entrena.recipe import Recipe
from entrena.training.seeds import generator

QUICK = {"hidden": [8], "max_epochs": 3}
JOBS = ["clerk", "baker", "teacher", "Müller"]
TOWNS = [f"town {number}" for number in range(15)]


def people(n=240, seed=0):
    """Numbers with gaps, categories with few and many levels, truth values, dates, an id, a text, and a target."""
    chance = np.random.default_rng(seed)
    age = chance.integers(18, 80, n)
    income = np.round(chance.normal(30000, 8000, n), 2)
    job = chance.integers(0, 4, n)
    day = [datetime.date(2023, 1, 1) + datetime.timedelta(days=int(k)) for k in chance.integers(0, 700, n)]
    bought = (age / 80 + income / 60000 + job / 8 + chance.normal(0, 0.2, n)) > 1.3
    return pl.DataFrame(
        {
            "id": np.arange(1, n + 1),
            "age": [None if k % 11 == 0 else int(value) for k, value in enumerate(age)],
            "income": income,
            "job": [None if k % 17 == 0 else JOBS[value] for k, value in enumerate(job)],
            "town": [TOWNS[value] for value in chance.integers(0, 15, n)],
            "member": chance.random(n) < 0.5,
            "since": day,
            "zip": [f"{value:05}" for value in chance.integers(1000, 1020, n)],
            "note": [f"the customer number {k} said something else" for k in range(n)],
            "bought": ["yes" if value else "no" for value in bought],
        }
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def quick(data, **more):
    recipe = {**QUICK, **more.pop("recipe", {})}
    return train(recipe, data, target=more.pop("target", "bought"), save=False, **more)


def bits(model: Model):
    """Everything that was fitted, as bytes."""
    plain = [model.preprocessor.to_plain(), model.coder.to_plain()]
    return model.fingerprint(), repr(plain), repr(model.schema.roles), repr(model.schema.shares)


def test_roles_scores_and_predictions(folder):
    people().write_csv("people.csv")
    run = train(QUICK, "people.csv", target="bought")
    assert {role.name: role.role for role in run.schema.roles} == {
        "id": "identifier",
        "age": "number",
        "income": "number",
        "job": "category",
        "town": "category",
        "member": "boolean",
        "since": "date",
        "zip": "category",
        "note": "text",
    }
    assert run.model.network.embeddings == ((15, 8), (20, 8))
    assert [role.name for role in run.schema.left_out] == ["id", "note"]
    model = load(run.path)
    assert model.predict(people(40, seed=1)).shape == (40,)


# The 12 dialects


def european(frame, decimal=",", thousands=""):
    """Numbers as texts with a decimal comma."""

    def written(value):
        if value is None:
            return None
        text = f"{value:,.2f}" if thousands else f"{value:.2f}"
        return text.replace(",", "T").replace(".", decimal).replace("T", thousands)

    return frame.with_columns(income=pl.Series([written(value) for value in frame["income"]]))


def dialects(frame):
    """The same table as the bytes of differently written files, by the file's name."""
    plain = frame.write_csv()
    dated = frame.with_columns(pl.col("since").dt.strftime("%d/%m/%Y"))
    english = frame.with_columns(
        pl.col("member").map_elements(lambda v: "TRUE" if v else "FALSE", return_dtype=pl.String)
    )
    return {
        "plain.csv": plain.encode(),
        "bom.csv": b"\xef\xbb\xbf" + plain.encode(),
        "crlf.csv": plain.replace("\n", "\r\n").encode(),
        "semicolon.csv": european(frame).write_csv(separator=";").encode(),
        "thousands.csv": european(frame, thousands=".").write_csv(separator=";").encode(),
        "tab.tsv": frame.write_csv(separator="\t").encode(),
        "bar.csv": frame.write_csv(separator="|").encode(),
        "utf16.csv": plain.encode("utf-16"),
        "latin1.csv": plain.encode("latin-1"),
        "quoted.csv": frame.write_csv(quote_style="always").encode(),
        "packed.csv.gz": gzip.compress(plain.encode()),
        "question.csv": frame.write_csv(null_value="?").encode(),
        "na.csv": frame.write_csv(null_value="NA").encode(),
        "dash.csv": frame.write_csv(null_value="-").encode(),
        "dates.csv": dated.write_csv().encode(),
        "truth.csv": english.write_csv().encode(),
    }


def test_the_same_table_in_many_dialects_gives_the_same_model_bit_by_bit(folder):
    frame = people()
    expected = bits(quick(frame.with_columns(pl.col("since").cast(pl.Datetime("us")))).model)
    files = dialects(frame)
    assert len(files) >= 12
    for name, content in files.items():
        Path(name).write_bytes(content)
        assert bits(quick(name).model) == expected, name
    frame.write_parquet("t.parquet")
    frame.write_ipc("t.arrow")
    frame.with_columns(pl.col("since").dt.to_string()).write_ndjson("t.jsonl")
    for name in ("t.parquet", "t.arrow", "t.jsonl"):
        assert bits(quick(name).model) == expected, name
    assert bits(quick(frame.to_pandas()).model) == expected


# Nothing of the held-out rows


def test_held_out_rows_change_no_bit_of_the_model(folder):
    """A column that is the target on held-out rows only, and a level that is only there."""
    frame = people(3000)
    recipe = {"early_stopping": True, "max_epochs": 2}
    first = quick(frame, recipe=recipe, options=None)
    chosen = Recipe(**QUICK).change(recipe)
    examples = read(frame, target="bought")
    kept, _ = split_rows(examples, 0.2, generator(chosen.random_state, "test"), stratify=True)
    rest = examples.take(kept)
    training = split_validation(chosen, rest, stratify=True).training.inputs.rows
    held = np.setdiff1d(np.arange(3000), training)
    assert len(held) == first.sizes["validation"] + first.sizes["test"] == 840
    is_held = np.isin(np.arange(3000), held)
    target = frame["bought"].to_numpy() == "yes"
    spoilt = frame.with_columns(
        income=pl.Series(np.where(is_held, target * 1e9, frame["income"].to_numpy())),
        town=pl.Series(np.where(is_held, "only here", frame["town"].to_numpy())),
        age=pl.Series(
            [None if away else value for away, value in zip(is_held, frame["age"], strict=True)], dtype=pl.Int64
        ),
        note=pl.Series(["the same" if away else value for away, value in zip(is_held, frame["note"], strict=True)]),
    )
    # The best epoch is chosen by the validation rows, so that it is left to be the last one.
    plain = {**recipe, "early_stopping": False}
    one, two = (quick(each, recipe=recipe, callbacks=()) for each in (frame, spoilt))
    assert one.model.schema.roles == two.model.schema.roles
    assert repr(one.model.preprocessor.to_plain()) == repr(two.model.preprocessor.to_plain())
    for name, array in one.model.preprocessor.to_arrays().items():
        assert np.array_equal(array, two.model.preprocessor.to_arrays()[name]), name
    assert [each["loss"] for each in one.history] == [each["loss"] for each in two.history]
    rows = np.flatnonzero(~is_held | np.isin(np.arange(3000), rest.inputs.rows))
    assert len(rows) == 2400
    test_only = frame.with_columns(
        income=pl.Series(np.where(np.isin(np.arange(3000), rows), frame["income"].to_numpy(), target * 1e9))
    )
    assert bits(quick(frame, recipe=plain).model) == bits(quick(test_only, recipe=plain).model)


# Splits


def test_groups_and_times_and_weights(folder):
    frame = people(400).with_columns(
        patient=pl.Series(np.arange(400) // 4), importance=pl.Series(np.arange(400) % 3 + 0.5)
    )
    run = quick(frame, group="patient", weight="importance")
    assert run.sizes["test"] == 80
    assert run.model.facts["data"]["shared_groups"]["test"] == 0
    assert {"patient", "importance"}.isdisjoint(role.name for role in run.schema.roles)
    by_role = quick(frame, roles={"patient": "group", "importance": "weight"})
    assert bits(by_role.model) == bits(run.model)
    timed = quick(frame, time="since")
    assert timed.sizes["test"] == pytest.approx(80, abs=2)
    assert bits(timed.model) != bits(quick(frame).model)


def test_a_weight_of_two_is_the_row_twice(folder):
    frame = people(200).drop("id", "note", "since", "zip", "town")
    weights = np.arange(200) % 3
    twice = frame[np.repeat(np.arange(200), weights)]
    recipe = {"mode": "batch", "early_stopping": False, "precision": "float64"}
    one = quick(frame.with_columns(w=pl.Series(weights)), weight="w", recipe=recipe, test_fraction=0)
    two = quick(twice, recipe=recipe, test_fraction=0)
    asked = people(50, seed=5)
    p, q = (run.model.predict_proba(read_inputs(asked, run.schema).inputs) for run in (one, two))
    assert np.abs(p - q).max() < 1e-10


def test_test_and_validation_files_of_ones_own(folder):
    people(200).write_csv("a.csv")
    people(50, seed=1).write_csv("b.csv")
    people(60, seed=2).write_csv("c.csv")
    run = train(QUICK, "a.csv", target="bought", test_data="b.csv", validation_data="c.csv")
    assert dict(run.sizes) == {"training": 200, "validation": 60, "test": 50}
    assert run.result["on"] == "test"
    overlapping = quick("a.csv", test_data=people(200)[:30])
    assert overlapping.data["repeated"] == {"test": 30}


def test_rows_without_a_target_are_left_out_and_counted(folder):
    frame = people(100).with_columns(
        pl.when(pl.col("id") % 10 == 0).then(None).otherwise(pl.col("bought")).alias("bought")
    )
    run = quick(frame)
    assert run.data["rows_without_target"] == 10
    assert sum(run.sizes.values()) == 90
    none = frame.with_columns(bought=pl.lit(None, pl.String))
    with pytest.raises(DataError, match="^table: target bought is missing in every row$"):
        quick(none)


def test_refit_trains_on_everything_and_keeps_the_score(folder):
    frame = people(300)
    run, plain = quick(frame, recipe={"refit": True}), quick(frame)
    assert run.test == plain.test
    assert run.model.facts["refit"] == {"rows": 300, "epochs": 3}
    assert bits(run.model) != bits(plain.model)
    assert bits(run.model)[2] == bits(plain.model)[2]


def test_own_rows_may_be_in_another_format(folder):
    people(200).pipe(european).write_csv("a.csv", separator=";")
    people(50, seed=1).write_parquet("b.parquet")
    run = train(QUICK, "a.csv", target="bought", test_data="b.parquet", options=ReadOptions(separator=";", decimal=","))
    assert run.sizes["test"] == 50


def test_a_model_of_a_file_reads_the_dates_of_frames(folder):
    frame = people(200)
    frame.with_columns(pl.col("since").dt.strftime("%d/%m/%Y")).write_csv("a.csv")
    run = train(QUICK, "a.csv", target="bought")
    days = frame.with_columns(pl.col("since").dt.strftime("%d/%m/%Y"))
    expected = run.model.predict_proba(read_inputs("a.csv", run.schema).inputs)
    for again in (days, days.to_pandas(), frame):
        np.testing.assert_array_equal(run.model.predict_proba(read_inputs(again, run.schema).inputs), expected)


def test_a_refitted_model_is_a_start_like_any_other(folder):
    people(120).write_csv("people.csv")
    run = train({**QUICK, "refit": True}, "people.csv", target="bought")
    again = train(None, "people.csv", target="bought", from_run=run.path)
    assert "refit" not in again.model.facts
    with pytest.raises(UsageError, match="leave out roles, task and refit"):
        train({"refit": True}, "people.csv", target="bought", from_run=run.path)


def test_calibration_is_refused_before_anything_is_trained(folder):
    def fail(progress):
        raise AssertionError("an epoch was trained")

    recipe = {"calibration": "temperature", "early_stopping": False}
    with pytest.raises(RecipeError, match="needs validation rows: take early_stopping=true"):
        quick(people(120), recipe=recipe, callbacks=[fail])
    with pytest.raises(RecipeError, match="numbers have no probabilities to calibrate"):
        quick(people(120), recipe={"calibration": "temperature"}, target="income", callbacks=[fail])


def test_a_resumed_run_of_a_table_reads_it_as_before(folder):
    recipe = {**QUICK, "max_epochs": 8}
    arguments = {"target": "bought", "roles": {"zip": "ignore"}, "weight": "age", "test_data": "own.csv"}
    arguments |= {"options": ReadOptions(separator=";", decimal=",", missing=("",)), "metrics": ["f1"]}
    people(300).with_columns(pl.col("age").fill_null(40)).pipe(european).write_csv("people.csv", separator=";")
    people(60, seed=4).with_columns(pl.col("age").fill_null(40)).pipe(european).write_csv("own.csv", separator=";")
    whole = train(recipe, "people.csv", runs_dir="whole", **arguments)
    assert "zip" not in whole.schema.columns

    def interrupt(progress):
        if progress.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    cut = train(recipe, "people.csv", runs_dir="cut", callbacks=[interrupt], **arguments)
    assert cut.outcome.name == "interrupted"
    with pytest.raises(UsageError, match="leave out roles"):
        train(resume=cut.path, roles={"zip": "ignore"})
    resumed = train(resume=cut.path)
    assert bits(resumed.model) == bits(whole.model)
    assert resumed.test == whole.test
    with pytest.raises(RunError, match="is done"):
        train(resume=cut.path)


# Scores


def test_with_a_rare_class_balanced_accuracy_leads():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(400, 3))
    rare = (X[:, 0] > 1.5).astype(int)
    run = train(QUICK, (X, rare), save=False)
    assert run.result["score"] == "balanced_accuracy"
    assert next(iter(run.test)) == "balanced_accuracy"
    asked = train(QUICK, (X, rare), save=False, metrics=["f1", {"name": "brier"}])
    assert asked.result["score"] == "f1"
    assert list(asked.test)[:2] == ["f1", "brier"]


def test_the_network_stands_beside_simple_models():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(600, 3))
    run = train({"hidden": [16], "max_epochs": 30}, (X, X[:, 0] * X[:, 1]), save=False)
    models = run.comparison["models"]
    assert list(models) == ["network", "linear", "mean"]
    assert models["network"]["value"] == run.result["value"] == run.test["r2"]
    assert models["network"]["low"] < models["network"]["value"] < models["network"]["high"]
    # A product has no linear part, so that a linear model can be no better than the mean.
    assert models["linear"]["value"] < 0.1 < models["network"]["value"]
    assert models["linear"]["lead"]["low"] > 0


def test_calibration_by_temperature():
    chance = np.random.default_rng(0)
    X = chance.normal(size=(600, 5))
    y = (X[:, 0] + chance.normal(0, 1.5, 600) > 0).astype(int)
    recipe = {"hidden": [64], "max_epochs": 60, "weight_decay": 0.0, "early_stopping": True, "scoring": "accuracy"}
    plain = train(recipe, (X, y), save=False)
    calibrated = train({**recipe, "calibration": "temperature"}, (X, y), save=False)
    assert calibrated.model.temperature != 1
    assert calibrated.validation["log_loss"] < plain.validation["log_loss"]
    assert calibrated.validation["accuracy"] == plain.validation["accuracy"]


def test_unseen_levels_and_gaps_at_prediction(folder):
    run = quick(people(300))
    asked = people(20, seed=3).with_columns(
        town=pl.lit("elsewhere"), income=pl.lit(None, pl.Float64), job=pl.lit("pilot"), member=pl.lit(None, pl.Boolean)
    )
    p = run.model.predict_proba(read_inputs(asked, run.schema, targets=False).inputs)
    assert np.isfinite(p).all()
    assert np.allclose(p.sum(axis=1), 1)


def test_a_number_that_became_text_is_named(folder):
    people(100).write_csv("a.csv")
    run = quick("a.csv")
    changed = people(30).with_columns(income=pl.Series(["12.5"] * 10 + ["much"] + ["12.5"] * 19))
    changed.write_csv("b.csv")
    with pytest.raises(DataError, match="b.csv: column 'income', row 12 holds 'much' where a number is needed"):
        run.model.predict(read_inputs("b.csv", run.schema).inputs)


# What one file writes so and another so


def test_a_level_is_the_same_in_files_of_every_kind():
    codes = pl.DataFrame(
        {"k": [1, 2, 3, 4] * 30, "f": [True, False] * 60, "y": [float(k % 4) + 0.5 for k in range(120)]}
    )
    run = quick(codes, target="y", roles={"k": "category", "f": "category"})
    as_floats = codes.with_columns(pl.col("k").cast(pl.Float64))
    as_texts = codes.with_columns(k=pl.Series(["1.0", "2.0", "3.0", "4.0"] * 30), f=pl.Series(["True", "False"] * 60))
    gaps = as_floats.with_columns(f=pl.when(pl.Series(np.arange(120) == 119)).then(None).otherwise(pl.col("f")))
    expected = run.model.predict(read_inputs(codes, run.schema).inputs)
    for frame in (as_floats, as_texts, gaps):
        assert np.array_equal(run.model.predict(read_inputs(frame, run.schema).inputs)[:119], expected[:119])


def test_another_word_in_a_column_of_truth_values_counts_as_missing():
    frame = people(200).with_columns(member=pl.Series(["yes", "no"] * 100))
    run = quick(frame)
    asked = frame.head(3).with_columns(member=pl.Series(["maybe", "yes", None]))
    inputs = read_inputs(asked, run.schema, targets=False).inputs
    p = run.model.predict_proba(inputs)
    absent = run.model.predict_proba(
        read_inputs(asked.with_columns(member=pl.Series([None, "yes", None])), run.schema, targets=False).inputs
    )
    assert np.array_equal(p, absent)
    assert run.model.preprocessor.unseen(inputs) == {"member": (1, "maybe")}


def test_the_marks_that_were_said_are_remembered(folder):
    frame = people(200).with_columns(income=pl.when(pl.col("id") % 5 == 0).then(-999.0).otherwise(pl.col("income")))
    frame.write_csv("a.csv")
    run = train(QUICK, "a.csv", target="bought", options=ReadOptions(missing=("-999.0",)))
    found = read_inputs("a.csv", run.schema).inputs.column("income").missing()
    assert found.tolist() == [k % 5 == 0 for k in range(1, 201)]
    assert run.schema == type(run.schema).from_plain(run.schema.to_plain())


# What must not pass in silence


def test_groups_of_ones_own_test_rows_are_compared():
    frame = people(200).with_columns(patient=pl.Series([f"p{k // 4}" for k in range(200)]))
    own = frame[:20].with_columns(income=pl.lit(1.0))
    run = quick(frame[10:], group="patient", test_data=own)
    assert run.data["shared_groups"] == {"test": 3}
    assert run.data["repeated"] == {"test": 0}


def test_rows_of_weight_0_bring_no_class():
    X = np.random.default_rng(0).normal(size=(100, 2))
    frame = pl.DataFrame(
        {"a": X[:, 0], "b": X[:, 1], "w": [1.0] * 95 + [0.0] * 5, "y": [k % 2 for k in range(95)] + [2] * 5}
    )
    run = quick(frame, target="y", weight="w")
    assert run.schema.classes == (0, 1)
    assert run.result["score"] == "accuracy"


def test_what_does_not_go_with_a_start(folder):
    frame = people(120)
    first = train(QUICK, frame, target="bought")
    for more in ({"roles": {"town": "ignore"}}, {"task": "classification"}, {"recipe": {**QUICK, "refit": True}}):
        with pytest.raises(
            UsageError, match="^from_run takes the model's columns, task and rows: leave out roles, task"
        ):
            train(more.pop("recipe", QUICK), frame, target="bought", from_run=first.path, **more)


def test_test_rows_that_cannot_be_scored_stop_before_the_training(folder):
    far = people(100).with_columns(income=pl.Series([1e300] * 100))
    seen = []
    with pytest.raises(DataError, match="is beyond the range of float32 after scaling"):
        quick(people(100), test_data=far, callbacks=[seen.append])
    with pytest.raises(DataError, match="unknown class 'perhaps'"):
        quick(people(100), test_data=people(50).with_columns(bought=pl.lit("perhaps")), callbacks=[seen.append])
    assert seen == []


def test_refit_joins_parts_whose_kinds_differ():
    frame = people(150)
    own = frame[:20].with_columns(since=pl.lit(None, pl.Date), member=pl.Series([1, 0] * 10))
    run = quick(frame, test_data=own, recipe={"refit": True})
    assert run.model.facts["refit"]["rows"] == 170


def test_an_array_of_another_width_is_refused():
    X = np.random.default_rng(0).normal(size=(50, 3))
    run = train(QUICK, (X, X[:, 0]), save=False)
    for wrong in (X[:, :2], X[:, 0]):
        with pytest.raises(DataError, match="the model was trained on 3 columns"):
            run.model.predict(wrong)
