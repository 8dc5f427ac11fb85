"""Images and their captions."""

from attention_book.data.captions.captions import (
    Caption,
    CaptionBatch,
    caption_batch,
    caption_loader,
)
from attention_book.data.captions.digit_scenes import (
    Box,
    DigitScene,
    SceneSplits,
    named_locations,
    scene_images,
)
from attention_book.data.captions.flickr8k import (
    FlickrImage,
    flickr8k_images,
    flickr8k_lines,
)

__all__ = [
    "Box",
    "Caption",
    "CaptionBatch",
    "DigitScene",
    "FlickrImage",
    "SceneSplits",
    "caption_batch",
    "caption_loader",
    "flickr8k_images",
    "flickr8k_lines",
    "named_locations",
    "scene_images",
]
