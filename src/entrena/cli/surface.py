"""`entrena surface`: the loss around a trained network, and the slides' bowls of a linear unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from entrena.cli.options import RUNS_DIR, Debug, Json, RunsDir
from entrena.cli.output import open_console, print_facts, print_json, print_table
from entrena.cli.run_names import find_model
from entrena.errors import UsageError

SLIDES_PAGE, RUN_PAGE = "surface-slides.html", "surface.html"


def surface(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run: its folder, its name, or 'last'; or a model file.")
    ] = None,
    slides: Annotated[
        bool, typer.Option("--slides", help="A linear unit on the slides' examples, as they are and preprocessed.")
    ] = False,
    directions: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="random, or path: the main ones of training, done again.  [default: random]"),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="PART", help="The run's rows: training, validation or test.  [default: training]"),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="FILE", help="Rows in place of those that the run read.")] = None,
    grid: Annotated[int | None, typer.Option(metavar="N", help="Points along each direction.  [default: 25]")] = None,
    reach: Annotated[
        float | None,
        typer.Option(metavar="X", help="How far: lengths of the units' weights, or of the path.  [default: 1]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of random directions.  [default: 0]")] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The page, .html.  [default: in the run's folder; with --json none]"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw the loss over two directions of the weights.

    entrena surface last

    entrena surface last --directions path

    entrena surface --slides
    """
    options = {"--directions": directions, "--on": on, "--data": data, "--grid": grid, "--reach": reach, "--seed": seed}
    if slides:
        given = [option for option, value in {"RUN": run, **options}.items() if value is not None]
        if given:
            raise UsageError(f"--slides needs no run and no data: leave out {', '.join(given)}")
        _check_page(output)
        _slides(output, as_json=as_json)
        return
    if run is None:
        raise UsageError("name a run, as in entrena surface last; or --slides for the examples of the slides")
    _check_page(output)
    model = find_model(run, runs_dir)
    from entrena.surface import error_surface

    chosen = {name.removeprefix("--"): value for name, value in options.items() if value is not None}
    found = _found(error_surface, model, chosen, shown=not (quiet or as_json))
    page = output
    if page is None and not as_json:
        page = str(model.with_name(RUN_PAGE)) if (model.parent / "status.json").exists() else RUN_PAGE
    if not as_json:  # first of all: a page may fail, on a full disk
        _print(found)
    if page is not None:
        from entrena.reporting.surface import surface_page

        surface_page(page, found)
    _end(found, page, as_json=as_json)


def _found(error_surface: Any, model: Path, chosen: Mapping[str, Any], *, shown: bool) -> dict[str, Any]:
    """The surface, with a bar while the path is trained again."""
    if not shown or chosen.get("directions") != "path":
        found: dict[str, Any] = error_surface(model, **chosen)
        return found
    from entrena.reporting.progress import ProgressBar

    with ProgressBar() as bar:
        found = error_surface(model, **chosen, callbacks=[bar])
    return found


def _slides(output: str | None, *, as_json: bool) -> None:
    from entrena.diagnosis.slides import slides_surfaces

    found = slides_surfaces()
    page = output if output is not None or as_json else SLIDES_PAGE
    if not as_json:
        from entrena.reporting.surface import slides_table

        console = open_console()
        for pair in found["pairs"]:
            console.print(f"  Inputs {pair['name']}", style="bold")
            header, rows = slides_table(pair, found["share"])
            print_table(console, header, rows, right=header[1:], dispensable=("greatest rate", "λmin", "λmax"))
            console.print()
        print_facts(console, [("", "κ: condition number of the second derivatives; updates: at the fastest rate")])
    if page is not None:
        from entrena.reporting.surface import slides_page

        slides_page(page, found)
    _end(found, page, as_json=as_json)


def _print(found: Mapping[str, Any]) -> None:
    from entrena.reporting.surface import surface_facts

    print_facts(open_console(), surface_facts(found))


def _end(found: dict[str, Any], page: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**found, "page": page})
    else:
        print_facts(open_console(), [("page", str(page))])


def _check_page(file: str | None) -> None:
    """Raises a UsageError for a page that would not be opened as one, or that has no folder."""
    if file is None:
        return
    path = Path(file)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"-o {file}: the page's name must end in .html, as in -o {path.stem or 'page'}.html")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"-o {file}: there is no folder {path.absolute().parent}")
