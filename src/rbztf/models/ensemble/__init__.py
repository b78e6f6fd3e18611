"""The ensemble of networks and trees: members, stacking, bundle, attribution."""
