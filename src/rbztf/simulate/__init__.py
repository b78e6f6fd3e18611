"""A simulated ZTF sky in which the truth of every frame is known, and an archive that serves it."""
