"""Hand a chapter's results on to its prose and to other programs."""

import json
from datetime import UTC, datetime
from typing import Any

import torch

from attention_book.chapters.provenance import processor, versions
from attention_book.chapters.records import RUN, plain
from attention_book.chapters.settings import Settings
from attention_book.data.downloads import fetched
from attention_book.training.runtime import RunMeter


def glue(**results: float | int | str) -> None:
    """Store results in the notebook's outputs under their names.

    The prose then shows them by MyST's ``{glue:text}`` role, the book's tables collect
    them, sweeps record them, and papermill's users find them, all from the same number.
    The form is that of ``myst_nb.glue`` without its display; it needs no ``myst_nb``,
    so chapters also run where there is none. Outside a notebook nothing happens.

    Args:
        results: values by name. Names hold for the whole book: they start with the
            chapter's slug.

    Example:
        >>> glue(seq2seq_exact_match=0.5)
    """
    for name, value in results.items():
        if not isinstance(value, str):
            # A plain number: the text of a numpy or torch one names its type.
            value = int(value) if isinstance(value, int) else float(value)
        _store(name, value)


def report_run(meter: RunMeter, settings: Settings) -> None:
    """Print a run's time and memory, and store how it was run.

    The last cell of every chapter. Sweeps record it, and the book's table of runs shows
    it.

    Args:
        meter: the one that the chapter's first cell created.
        settings: the chapter's settings.
    """
    print(meter.report())
    _store(RUN, json.dumps(describe_run(meter, settings)))


def describe_run(meter: RunMeter, settings: Settings) -> dict[str, Any]:
    """How a chapter was run, in the words of a record, with its preset and seed."""
    cuda = meter.peak_cuda_gib
    return {
        "preset": settings.preset,
        "seed": settings.seed,
        "settings": plain(vars(settings)),
        "seconds": round(meter.seconds, 2),
        "peak_gib": _rounded(meter.peak_gib),
        "peak_cuda_gib": _rounded(cuda),
        "device": torch.cuda.get_device_name() if cuda is not None else processor(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "data": fetched(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _store(name: str, value: float | int | str) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:  # plain Python: nobody reads a notebook's outputs
        return
    if get_ipython() is None:
        return
    prefix = "application/papermill.record/"
    display(
        {prefix + "text/plain": repr(value)},
        raw=True,
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
    )
