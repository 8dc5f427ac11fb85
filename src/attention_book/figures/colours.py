"""The colours of the book's drawings: one meaning, one colour.

They are of Okabe and Ito's eight, which colour-blind readers can tell apart.
"""

QUERY = "#009E73"
"""What asks: a query, the decoder that has it."""

KEY = "#56B4E9"
"""What is looked at: keys, and the source that has them."""

VALUE = "#E69F00"
"""What is averaged, where it is drawn apart from the keys."""

CONTEXT = "#D55E00"
"""What attention returns."""

INK = "#404040"
"""Outlines, arrows and text."""
