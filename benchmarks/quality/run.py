"""How good the predictions are, on every table of the manifest: measures what is missing, then writes the report.

python -m benchmarks.quality --learners linear lightgbm hist-gb sklearn-mlp     # the peers; about 40 minutes on 2 cores
python -m benchmarks.quality --learners entrena entrena-cli
python -m benchmarks.quality --time-pass --threads 2                            # seconds again, on a quiet machine
python -m benchmarks.quality --report                                           # only the table
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import report as benchmark_report
from benchmarks.quality import datasets, versions
from benchmarks.quality.learners import LEARNERS
from benchmarks.quality.results import Job, Results, Row
from benchmarks.quality.worker import Worker

SEEDS = (0, 1, 2)
DIGITS_SEEDS = (0, 1, 2, 3, 4)
JOB_MINUTES = 15.0
TIMED_ROWS = 20_000  # the quiet pass leaves longer tables out


def jobs(sets: Iterable[str], learners: Iterable[str], seeds: Sequence[int], *, no_limits: bool = False) -> list[Job]:
    """What there is to do: learner by learner, a whole round of the sets for each seed, small sets first."""
    planned = []
    chosen = [dataset for name, dataset in datasets.all_sets().items() if name in set(sets)]
    for name in learners:
        learner = LEARNERS[name]
        for seed in sorted({*seeds, *DIGITS_SEEDS}):
            for dataset in chosen:
                own = seeds if dataset.half != "extra" else [*seeds, *DIGITS_SEEDS]
                few = learner.n_seeds is None or seed in sorted(own)[: learner.n_seeds]
                if seed in own and (no_limits or (few and learner.takes(dataset))):
                    planned.append(Job(dataset.name, seed, name))
    return planned


def run(planned: Sequence[Job], results: Results, options: argparse.Namespace) -> bool:
    """Does what is missing, and says whether all is done."""
    ends = time.monotonic() + 60 * options.limit_minutes
    names = {(job.learner, job.candidate): job.parameters for job in planned}
    version = {key: versions.version_of(key[0], parameters) for key, parameters in names.items()}
    missing = [
        job
        for job in planned
        if not results.has(job, None if options.any_version else version[job.learner, job.candidate])
        or (options.failed and "error" in results.rows[job.key])
    ]
    print(f"{len(planned) - len(missing)} of {len(planned)} were measured before", flush=True)
    machine, commit = benchmark_report.cpu(), versions.commit()
    workers: dict[str, Worker] = {}
    try:
        for number, job in enumerate(missing, start=1):
            if time.monotonic() > ends:
                print(f"{len(missing) - number + 1} are left: the same command goes on")
                return False
            if job.learner not in workers or not workers[job.learner].is_alive:
                workers[job.learner] = Worker(job.learner, options.threads)
            answer = workers[job.learner].run(job, 60 * options.job_minutes)
            row: Row = {
                "set": job.set,
                "seed": job.seed,
                "learner": job.learner,
                **({"candidate": job.candidate, "parameters": job.parameters} if job.candidate else {}),
                **answer,
                "version": version[job.learner, job.candidate],
                **({"commit": commit} if LEARNERS[job.learner].is_entrena else {}),
                "threads": options.threads,
                "loaded": not options.quiet_machine,
                "machine": machine,
            }
            results.add(row)
            print(f"{number}/{len(missing)} {job}: {told(answer)}", flush=True)
    finally:
        for worker in workers.values():
            worker.close()
    return True


def told(answer: Row) -> str:
    """A row in a few words."""
    if "error" in answer:
        return str(answer["error"]).splitlines()[0]
    accuracy = f", accuracy {answer['accuracy']:.4f}" if "accuracy" in answer else ""
    return f"loss {answer['loss']:.5f}{accuracy}, {answer['fit_seconds'] + answer['predict_seconds']:.1f} s"


def parser_of(prog: str, text: str, file: str) -> argparse.ArgumentParser:
    """The options that the benchmark and the candidates share."""
    parser = argparse.ArgumentParser(prog=prog, description=text)
    parser.add_argument("--sets", nargs="+", choices=datasets.all_sets(), metavar="SET", help="[default: all]")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), metavar="N")
    parser.add_argument("--limit-minutes", type=float, default=90.0, metavar="M", help="no job begins later than that")
    parser.add_argument(
        "--job-minutes", type=float, default=JOB_MINUTES, metavar="M", help="what takes longer is a failure"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="of BLAS and OpenMP; entrena's programs take what is there"
    )
    parser.add_argument("--quiet-machine", action="store_true", help="nothing else runs: the seconds count")
    parser.add_argument("--any-version", action="store_true", help="keep the rows of other versions of the sources")
    parser.add_argument("--failed", action="store_true", help="try again what failed")
    parser.add_argument("--file", type=Path, default=benchmark_report.RESULTS / file, help="where the rows stand")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    return parser


def main() -> None:
    from benchmarks.quality.report import write

    parser = parser_of("python -m benchmarks.quality", __doc__.splitlines()[0], "quality.jsonl")
    standing = [name for name in LEARNERS if name != "entrena-preencoded"]
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=standing, metavar="LEARNER")
    parser.add_argument("--no-limits", action="store_true", help="slow learners too on every set and seed")
    parser.add_argument(
        "--time-pass", action="store_true", help=f"one seed again on sets up to {TIMED_ROWS:,} rows, for its seconds"
    )
    options = parser.parse_args()
    sets = options.sets or list(datasets.all_sets())
    times = Results(options.file.with_name(f"{options.file.stem}_times.jsonl"))
    results = Results(options.file)
    if options.time_pass:
        options.quiet_machine = True
        sets = [name for name in sets if datasets.all_sets()[name].n_rows <= TIMED_ROWS]
        planned = [job for job in jobs(sets, options.learners, options.seeds[:1]) if job.seed == options.seeds[0]]
        planned.sort(key=lambda job: list(datasets.all_sets()).index(job.set))  # a slow minute meets all learners
    else:
        planned = jobs(sets, options.learners, options.seeds, no_limits=options.no_limits)
    done = options.report or run(planned, times if options.time_pass else results, options)
    write(options.file.with_suffix(""), results.rows, times.rows)
    sys.exit(0 if done else 3)


if __name__ == "__main__":
    main()
