"""Recipes compared on the same rows.

The test part is put aside first, as for a run, and no recipe sees it. The rest is split for each seed, in the same way
for all recipes: one split, or folds. All networks are trained together. Each is scored on the rows that its split holds
out, by which nothing is chosen: a recipe that stops early holds out rows of its own.

Where it is saved, a comparison is a directory among the runs, and one that was stopped goes on to the same result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from entrena.data import Examples, ReadOptions, infer_schema, split_rows
from entrena.errors import DataError, RunError, UsageError
from entrena.fitting import fit_many, rows_that_count
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job, fingerprint, make_job, read_examples
from entrena.model import check_metrics, choose_metrics, main_score
from entrena.population.directory import create, finish, open_to_resume
from entrena.population.found import Comparison, OnData, Trained, judge, means
from entrena.population.progress import Together
from entrena.population.rows import Rows
from entrena.population.saved import Keeper
from entrena.population.splits import make_splits
from entrena.population.statistics import rank
from entrena.population.variants import Variant, make_variants
from entrena.population.words import to_plain
from entrena.recipe import Recipe, as_recipe
from entrena.storage import RunDirectory, write_text
from entrena.storage.json_text import to_json
from entrena.task import resolve
from entrena.training import scores
from entrena.training.seeds import generator

KIND = "comparison"
RESULT = "comparison.json"


@dataclass(frozen=True, eq=False)
class Question:
    """What a comparison is asked.

    Attributes:
        recipe: What the variants have in common.
        vary: The values of keys of the recipe.
        jobs: The data sets.
        seeds: How many splits, or rounds of folds.
        folds: Parts of a cross-validation, or None.
    """

    recipe: Recipe
    vary: Mapping[str, Sequence[Any]]
    jobs: tuple[Job, ...]
    seeds: int
    folds: int | None

    def to_plain(self) -> dict[str, Any]:
        """For the status; `from_plain` gives it back."""
        return {
            "recipe": self.recipe.to_plain(),
            "vary": {key: list(values) for key, values in self.vary.items()},
            "jobs": [job.to_plain() for job in self.jobs],
            "seeds": self.seeds,
            "folds": self.folds,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Question:
        """The question that `to_plain` wrote."""
        jobs = tuple(Job.from_plain(job) for job in plain["jobs"])
        return cls(Recipe(**plain["recipe"]), plain["vary"], jobs, plain["seeds"], plain["folds"])


def compare(
    data: Any = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    target: str | Sequence[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    seeds: int = 5,
    folds: int | None = None,
    metrics: str | Sequence[str | Mapping[str, Any]] = (),
    task: str | None = None,
    roles: Mapping[str, str] | None = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    test_fraction: float = 0.2,
    options: ReadOptions | None = None,
    resume: str | Path | None = None,
    runs_dir: str | Path = "runs",
    name: str | None = None,
    save: bool = True,
    verbose: bool = False,
) -> Comparison:
    """Trains variants of a recipe on the same splits of the same rows and says which differences are none.

    Args:
        data: As for `train`; a list of them: several data sets.
        vary: The values of keys of the recipe; all combinations are compared.
        target: The target column; of several data sets each has it, or a list with one for each.
        recipe: What the variants have in common; None: the defaults.
        seeds: How many splits, or with folds how many rounds of them; each has its own first weights as well.
        folds: Parts of a cross-validation; None: each seed holds a fifth of the rows out.
        metrics: Scores; the first is compared.
        task: `classification` or `regression`, where the data do not tell.
        roles: What columns are, where their content does not tell.
        weight: The column that says how much each row counts.
        group: The column whose equal values keep rows on one side of every split.
        time: The column by which what is held out is later than what is trained on.
        test_fraction: Share of the rows that is put aside for later and not looked at.
        options: How text files are written.
        resume: The directory of a comparison that was stopped: goes on to the result that it would have had.
        runs_dir: Where directories are made.
        name: The last part of the directory's name; None: the data's.
        save: Whether one is made: then a comparison that is stopped can be resumed.
        verbose: Whether a progress bar is shown.

    Returns:
        The comparison.

    Raises:
        EntrenaError: A wrong recipe, column, value or file; the message says what would be right.
        KeyboardInterrupt: Ctrl-C; where it is saved, what was trained is kept.
    """
    began = perf_counter()
    if resume is not None:
        given: dict[str, Any] = {"vary": vary, "target": target, "recipe": recipe, "folds": folds, "task": task}
        given |= {"roles": roles, "weight": weight, "group": group, "time": time, "options": options, "name": name}
        given |= {"metrics": metrics or None}
        wrong = [argument for argument, value in given.items() if value is not None]
        if wrong:
            raise UsageError(f"resume goes on with the comparison's own choices: leave out {', '.join(wrong)}")
        with open_to_resume(resume, KIND) as directory:
            return _answer(_asked_before(directory), _as_list(data), directory, began, verbose=verbose)
    if data is None or (isinstance(data, list) and not data):
        raise UsageError("no data: give the name of an embedded set (digits), a file (houses.csv), a frame or (X, y)")
    base = as_recipe(recipe, Recipe())
    if vary is not None and not isinstance(vary, Mapping):
        raise UsageError('vary: give a mapping of keys to lists of values, such as {"activation": ["relu", "elu"]}')
    if any(key.rpartition(".")[2] == "random_state" for key in vary or {}):
        raise UsageError("vary: random_state is what each split has of its own: seeds=5, or --seeds 5, says how many")
    variants = make_variants(base, vary or {})
    if any(variant.recipe.training.max_seconds is not None for variant in variants):
        raise UsageError("max_seconds: networks that are trained together share their time: take max_epochs")
    _check_counts(seeds, folds)
    many = _as_list(data)
    targets = list(target) if isinstance(data, list) and isinstance(target, list | tuple) else [target] * len(many)
    if len(targets) != len(many):
        raise UsageError(f"target: {len(targets)} for {len(many)} data sets")
    jobs = tuple(
        make_job(
            each,
            target=own_target,
            task=task,
            test_fraction=test_fraction,
            roles=roles,
            rows={"weight": weight, "group": group, "time": time},
            options=options,
            metrics=metrics,
            own={},
        )
        for each, own_target in zip(many, targets, strict=True)
    )
    question = Question(base, {key: list(values) for key, values in (vary or {}).items()}, jobs, seeds, folds)
    # What is wrong with a table or a recipe is found before anything is trained.
    tables = [read_examples(each, job) for each, job in zip(many, jobs, strict=True)]
    for table, job in zip(tables, jobs, strict=True):
        schema = infer_schema(rows_that_count(table), job.task)  # type: ignore[arg-type]
        check_metrics(choose_metrics(job.metrics), schema)
        for variant in variants:
            resolve(variant.recipe, schema)
    if not save:
        return _answer(question, tables, None, began, verbose=verbose)
    known = [replace(job, fingerprint=fingerprint(table)) for table, job in zip(tables, jobs, strict=True)]
    question = replace(question, jobs=tuple(known))
    source = ", ".join(table.source for table in tables)
    short = name or "-".join(Path(part).stem for part in source.split(", ")[:3])
    with create(runs_dir, short, KIND, base, source, question.to_plain()) as directory:
        return _answer(question, tables, directory, began, verbose=verbose)


def _answer(
    question: Question, data: Sequence[Any], directory: RunDirectory | None, began: float, *, verbose: bool
) -> Comparison:
    variants = make_variants(question.recipe, question.vary)
    if len(data) != len(question.jobs):
        if data:
            raise UsageError(f"data: {len(data)} for a comparison on {len(question.jobs)} data sets")
        data = [None] * len(question.jobs)
    results = []
    for number, (job, each) in enumerate(zip(question.jobs, data, strict=True)):
        examples = _examples(each, job, directory)
        folder = None if directory is None else directory.checkpoint_path / f"data-{number}"
        results.append(_on_data(examples, job, variants, question, directory, folder, verbose=verbose))
    ranking = None
    if len(results) > 1 and len(variants) > 1:
        signed = [scores.sign(result.score.partition("(")[0]) * means(result) for result in results]
        ranking = rank(np.array(signed))
    path = None if directory is None else directory.path
    comparison = Comparison(tuple(variants), tuple(results), ranking, perf_counter() - began, path)
    if directory is not None:
        write_text(directory.path / RESULT, to_json(to_plain(comparison)) + "\n")
        best = results[0].means[results[0].best][0] if len(results) == 1 else None
        said = {"seconds": comparison.seconds, "task": results[0].schema.task}
        told = {} if best is None else {"score_name": results[0].score, "score": best, "score_on": "splits"}
        finish(directory, "done", {**said, **told})
    return comparison


def _examples(data: Any, job: Job, directory: RunDirectory | None) -> Examples:
    """The rows of one data set, those of the beginning where the comparison is resumed."""
    if isinstance(data, Examples):
        return data
    if data is None and not job.from_file:
        raise UsageError("a comparison of data that were handed in from Python: give the same to compare(…, resume=…)")
    examples = read_examples(job.data if data is None else data, job)
    if job.fingerprint and fingerprint(examples) != job.fingerprint:
        name = "" if directory is None else f" with which '{directory.name}' began"
        raise DataError(f"{examples.source}: not the data{name}: resume needs the same rows")
    return examples


def _on_data(
    examples: Examples,
    job: Job,
    variants: Sequence[Variant],
    question: Question,
    directory: RunDirectory | None,
    folder: Path | None,
    *,
    verbose: bool,
) -> OnData:
    n_rows = examples.n_rows + examples.n_without_target
    examples = rows_that_count(examples)
    schema = infer_schema(examples, job.task)  # type: ignore[arg-type]
    stratify = schema.classes is not None
    base = variants[0].recipe
    rest, n_test = examples, 0
    if job.test_fraction > 0:
        kept, away = split_rows(examples, job.test_fraction, generator(base.random_state, "test"), stratify=stratify)
        rest, n_test = examples.take(kept), len(away)
    seeds = [base.random_state + k for k in range(question.seeds)]
    splits = list(make_splits(rest, seeds, question.folds, stratify=stratify))
    prepared, held = [], []
    for split in splits:
        training, watched = rest.take(split.training), rest.take(split.held)
        rows = Rows(schema, job, examples, training, watched, n_rows, split.seed)
        for variant in variants:
            prepared.append(rows.prepare(variant.recipe.change({"random_state": split.seed})))
            held.append(watched)
    chosen = choose_metrics(job.metrics) or (main_score(base, prepared[0].schema),)
    check_metrics(chosen, prepared[0].schema)
    keeper = Keeper(prepared, folder, None if directory is None else directory.heartbeat)
    with interrupt_as_flag() as interrupted, Together(len(prepared), shown=verbose) as bar:
        watching = [(keeper.watch(k), bar.watch(k)) for k in range(len(prepared))]
        save = None if folder is None else keeper.save
        try:
            fitted = keeper.whole(fit_many(prepared, watching, interrupted, keeper.resume, save))
        finally:
            keeper.flush()
        if interrupted():
            way = "" if directory is None else f": entrena compare --resume {directory.path} goes on with it"
            raise KeyboardInterrupt(f"interrupted{way}")
    found = [each.model.evaluate(rows, metrics=chosen) for each, rows in zip(fitted, held, strict=True)]
    score = str(chosen[0])
    sizes = {"training": len(splits[0].training), "held_out": len(splits[0].held), "test": n_test}
    trained = Trained(fitted, found, [keeper.seconds_an_epoch(k) for k in range(len(prepared))])
    return judge(examples.source, prepared[0].schema, score, sizes, splits, trained, len(variants))


def _asked_before(directory: RunDirectory) -> Question:
    try:
        return Question.from_plain(directory.status()["asked"])
    except (KeyError, TypeError):
        raise RunError(f"'{directory.name}' has no record of what was asked for: start it anew") from None


def _as_list(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [] if data is None else [data]


def _check_counts(seeds: int, folds: int | None) -> None:
    if not isinstance(seeds, int) or seeds < 1:
        raise UsageError(f"seeds: {seeds} is not allowed: a whole number from 1 on")
    if folds is not None and (not isinstance(folds, int) or folds < 2):
        raise UsageError(f"folds: {folds} is not allowed: a whole number from 2 on")
