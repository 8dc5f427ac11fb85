"""Runs that train only some of a chapter's systems."""

from attention_book.chapters.report import report_run
from attention_book.chapters.settings import Settings
from attention_book.training.runtime import RunMeter


def end_of_partial_run(settings: Settings, meter: RunMeter) -> None:
    """End the run here if it has trained only some of the chapter's systems.

    What follows in the chapter looks into all of them. The end is clean: a script ends
    with status 0, and papermill takes it as success. The run is reported
    before, as by the chapter's last cell.

    Args:
        settings: of this run; if its ``systems`` are None, nothing happens.
        meter: the one that the chapter's first cell created.

    Raises:
        SystemExit: if the run ends here.
    """
    if settings.systems is None:
        return
    report_run(meter, settings)
    print(
        f"This run was to train {', '.join(settings.systems)} alone, so it ends here: "
        "the rest of the chapter looks into all of its systems. In a notebook a "
        "message about SystemExit follows, which is no error. For the whole chapter, "
        "set systems = None and run it again from the top."
    )
    raise SystemExit(0)
