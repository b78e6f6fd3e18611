"""Numbers per object: statistics of its frame vectors, and features of its light curve."""
