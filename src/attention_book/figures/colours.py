"""The colours of the book's drawings: one colour for each meaning.

They are of Okabe and Ito's eight, which colour-blind readers can tell apart.
"""

QUERY = "#009E73"
"""A query, and the decoder that it belongs to."""

KEY = "#56B4E9"
"""Keys, and the source that they belong to."""

VALUE = "#E69F00"
"""Values, where they are drawn apart from the keys."""

CONTEXT = "#D55E00"
"""The context: the output of attention."""

INK = "#404040"
"""Outlines, arrows and text."""
