"""Frames in DN to numbers an encoder can read: background, normalisers. numpy alone."""
