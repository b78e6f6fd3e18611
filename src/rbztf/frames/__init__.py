"""From pixels to what an encoder sees: normalisation and validity masks."""
