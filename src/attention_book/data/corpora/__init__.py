"""Running text in documents of sentences: Brown and WikiText-2."""
