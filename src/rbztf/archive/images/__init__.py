"""Cut objects out of whole quadrant images on disk."""
