"""Hand a chapter's results on to its prose and to other programs."""


def glue(**results: float | int | str) -> None:
    """Store results in the notebook's outputs under their names.

    The prose then shows them by MyST's ``{glue:text}`` role, the book's tables collect
    them, and papermill's users find them, all from the same number. The form is that of
    ``myst_nb.glue`` without its display; it needs no ``myst_nb``, so chapters also run
    where there is none. Outside a notebook nothing happens.

    Args:
        results: values by name. Names hold for the whole book: they start with the
            chapter's slug.

    Example:
        >>> glue(seq2seq_exact_match=0.5)
    """
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:  # plain Python: nobody reads a notebook's outputs
        return
    if get_ipython() is None:
        return
    prefix = "application/papermill.record/"
    for name, value in results.items():
        if not isinstance(value, str):
            # A plain number: the text of a numpy or torch one names its type.
            value = int(value) if isinstance(value, int) else float(value)
        display(
            {prefix + "text/plain": repr(value)},
            raw=True,
            metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        )
