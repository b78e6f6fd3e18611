"""The published recurrent classifiers: network, training, bundle."""
