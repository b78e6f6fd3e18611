"""One module per kind of artefact, named as in :data:`rbztf.ztf.FRAME_KINDS`."""
