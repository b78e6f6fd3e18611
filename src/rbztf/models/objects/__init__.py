"""What every model reads of an object: one reader, one table of objects."""
