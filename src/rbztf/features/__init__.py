"""Features of objects: statistics of the frame vectors, and features of the light curve."""
