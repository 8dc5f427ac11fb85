"""The command ``attention-book``."""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attention_book.chapters.records import load_record, merge_files


def parse_seeds(text: str) -> list[int]:
    """Seeds as they are typed: "0", "0-2" or "0,3-5".

    Example:
        >>> parse_seeds("0,3-5")
        [0, 3, 4, 5]
    """
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            end = int(last) if dash else int(first)
            if end < int(first):
                raise ValueError
            seeds += range(int(first), end + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'seeds must look like "0", "0-2" or "0,3-5", got {text!r}'
        ) from None
    return seeds


def parse_parameter(text: str) -> tuple[str, list[Any]]:
    """A parameter and its values: "name=value" or "name=value|value".

    A value is a Python literal or, if it is none, text.

    Example:
        >>> parse_parameter("systems=BCNN|ABCNN-1")
        ('systems', ['BCNN', 'ABCNN-1'])
        >>> parse_parameter("epochs=2")
        ('epochs', [2])
    """
    name, equals, values = text.partition("=")
    if not name.isidentifier() or not equals:
        raise argparse.ArgumentTypeError(
            f'a parameter must look like "name=value" or "name=value|value", got '
            f"{text!r}"
        )
    return name, [_literal(value) for value in values.split("|")]


class _Grid(argparse.Action):
    """Collects parameters, each under its name."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, options = values
        grid = getattr(namespace, self.dest)
        if name in grid:
            raise argparse.ArgumentError(
                self, f'{name} is given twice: write its values as "{name}=A|B"'
            )
        setattr(namespace, self.dest, grid | {name: options})


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    top = argparse.ArgumentParser(
        prog="attention-book",
        description="Long runs of the book's chapters, and its models as files.",
    )
    commands = top.add_subparsers(dest="command", required=True)
    sweep = commands.add_parser(
        "sweep",
        help="execute a chapter over seeds and parameters, and record the runs",
        description="Execute a chapter over seeds and parameters, and record the runs "
        "in results/. What is recorded is skipped; what was interrupted goes on from "
        "its checkpoints.",
    )
    sweep.add_argument("chapter", nargs="?", help="the chapter's slug, e.g. bahdanau")
    sweep.add_argument("--preset", choices=("quick", "full"), default="full")
    sweep.add_argument("--seeds", type=parse_seeds, default=[0], metavar="0-2")
    sweep.add_argument(
        "-p",
        dest="parameters",
        type=parse_parameter,
        action=_Grid,
        default={},
        metavar="NAME=VALUE",
        help='a parameter of the chapter; "A|B" stands for two runs',
    )
    where = sweep.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="runs at a time on this machine")
    where.add_argument("--scheduler", help="address of an existing dask scheduler")
    sweep.add_argument("--threads", type=int, default=1, help="threads of each run")
    sweep.add_argument(
        "--folder", type=Path, help="where runs keep their checkpoints until recorded"
    )
    sweep.add_argument("--results", type=Path, help="folder of the records")
    sweep.add_argument(
        "--stall-minutes",
        type=float,
        default=30.0,
        help="stop a run that saves nothing for so long (default 30)",
    )
    sweep.add_argument(
        "--list",
        action="store_true",
        help="execute nothing; say what is recorded, missing or outdated",
    )
    merge = commands.add_parser(
        "merge", help="merge records of another machine into those here"
    )
    merge.add_argument("files", nargs="+", type=Path)
    merge.add_argument("--results", type=Path, help="folder of the records")
    export = commands.add_parser(
        "export",
        help="train models of the page Try it, and write their weights",
        description="Train models of the page Try it, and write their weights, in "
        "16 bits with config and vocabularies, as NAME.safetensors.",
    )
    export.add_argument(
        "names", nargs="*", metavar="NAME", help="which; none: all of them"
    )
    export.add_argument("--folder", type=Path, default=Path(), help="where to")
    export.add_argument("--seed", type=int, default=0)
    export.add_argument("--epochs", type=int, help="in place of the model's own")
    export.add_argument("--limit", type=int, help="most pairs to learn from")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 if a run failed, 2 if it cannot start."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "merge":
            for path in merge_files(given.files, given.results):
                print(path)
            return 0
        if given.command == "export":
            return _export(given)
        if given.list:
            return _list(given)
        return _sweep(given)
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"attention-book: {error}", file=sys.stderr)
        return 2


def _export(given: argparse.Namespace) -> int:
    from attention_book.recipes.try_it import (
        SCENES,
        TRY_MODELS,
        export_for_page,
        export_scene_captioner,
        train_for_page,
        train_scene_captioner,
        try_task,
    )
    from attention_book.training.files import atomic_write
    from attention_book.training.runtime import default_device

    known = [*TRY_MODELS, SCENES]
    names = given.names or known
    if unknown := [name for name in names if name not in known]:
        raise ValueError(
            f"NAME must be among {', '.join(known)}, got {', '.join(unknown)}"
        )
    epochs = {} if given.epochs is None else {"epochs": given.epochs}
    task = try_task(given.seed, default_device(), limit=given.limit)
    for name in names:
        if name == SCENES:
            scenes = train_scene_captioner(given.seed, limit=given.limit, **epochs)
            file = export_scene_captioner(*scenes)
        else:
            file = export_for_page(
                task, train_for_page(task, name, given.seed, **epochs)
            )
        path = given.folder / f"{name}.safetensors"
        with atomic_write(path) as target:
            target.write(file)
        print(f"{path}: {len(file):,} bytes")
    return 0


def _sweep(given: argparse.Namespace) -> int:
    from attention_book.sweeps.engine import combinations, sweep

    if given.chapter is None:
        raise ValueError("name a chapter to sweep, or use --list")
    what = {
        "preset": given.preset,
        "seeds": given.seeds,
        "grid": given.parameters,
        "results": given.results,
    }
    sweep(
        given.chapter,
        **what,
        workers=given.workers,
        scheduler=given.scheduler,
        threads=given.threads,
        folder=given.folder,
        stall_seconds=60 * given.stall_minutes,
    )
    states = [each.state for each in combinations(given.chapter, **what)]
    left = len(states) - states.count("recorded")
    print(f"{states.count('recorded')} of {len(states)} runs are recorded")
    return 1 if left else 0


def _list(given: argparse.Namespace) -> int:
    from attention_book.sweeps.engine import combinations
    from attention_book.sweeps.notebooks import chapters, find_chapter

    if given.chapter is not None and (given.parameters or given.seeds != [0]):
        found = combinations(
            given.chapter,
            given.preset,
            given.seeds,
            given.parameters,
            given.results,
        )
        for each in found:
            words = " ".join(f"{k}={x}" for k, x in each.parameters.items())
            print(f"{each.state:9} {given.chapter} {given.preset} {words}")
        return 0
    if given.chapter is not None:
        find_chapter(given.chapter)
    for slug in [given.chapter] if given.chapter else chapters():
        for preset in "quick", "full":
            print(_describe(slug, preset, given.results))
    return 0


def _describe(slug: str, preset: str, results: Path | None) -> str:
    """One line on a record: how many runs it has, failed and outdated ones apart."""
    from attention_book.sweeps.engine import recorded_states

    record = load_record(slug, preset, results)
    if not record.runs:
        return f"{slug} {preset}: missing"
    states = recorded_states(record)
    counts = [f"{states.count(s)} {s}" for s in dict.fromkeys(states)]
    return f"{slug} {preset}: {', '.join(counts)}"


if __name__ == "__main__":
    sys.exit(main())
