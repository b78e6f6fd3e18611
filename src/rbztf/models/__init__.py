"""Networks, their losses, how they are trained, and the bundles they are kept in."""
