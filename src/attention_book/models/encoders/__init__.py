"""Encoders that hand annotations and a mask to any decoder."""

from attention_book.models.encoders.image import GridEncoder, PictureClassifier

__all__ = ["GridEncoder", "PictureClassifier"]
