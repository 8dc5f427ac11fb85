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
    assign_digits,
    digit_images,
    named_locations,
    scene_images,
)
from attention_book.data.captions.flickr8k import (
    FlickrImage,
    flickr8k_images,
    flickr8k_lines,
)
from attention_book.data.captions.frames import (
    FrameBatch,
    frame_batch,
    frame_loader,
    marked_spans,
)
from attention_book.data.captions.moving_digits import (
    Appearance,
    ClipSplits,
    DigitClip,
    shown_frames,
)

__all__ = [
    "Appearance",
    "Box",
    "Caption",
    "CaptionBatch",
    "ClipSplits",
    "DigitClip",
    "DigitScene",
    "FlickrImage",
    "FrameBatch",
    "SceneSplits",
    "assign_digits",
    "caption_batch",
    "caption_loader",
    "digit_images",
    "flickr8k_images",
    "flickr8k_lines",
    "frame_batch",
    "frame_loader",
    "marked_spans",
    "named_locations",
    "scene_images",
    "shown_frames",
]
