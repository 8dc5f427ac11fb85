"""Show a trained system's numbers on the page, and hand them on."""

from attention_book.chapters.report import glue
from attention_book.recipes.systems import SystemRun, result_prefix


def report_system(slug: str, name: str, run: SystemRun) -> None:
    """Print what a system reached, with its samples; store all of it by ``glue``.

    Args:
        slug: of the chapter.
        name: of the system, in words.
        run: its numbers.
    """
    print(f"{name}: {run}\n")
    for sample in run.samples:
        print(f"{sample}\n")
    glue(**run.values(result_prefix(slug, name)))
