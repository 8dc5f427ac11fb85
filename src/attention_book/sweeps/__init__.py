"""Sweeps: a chapter executed over seeds and parameters, and its runs recorded."""
