"""Where data come from and where they are kept: catalogues, IRSA, the cutout store."""
