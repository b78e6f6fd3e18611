"""Drawing alone: from arrays to figures of matplotlib, without a word on where they come from."""
