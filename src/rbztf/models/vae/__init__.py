"""The variational autoencoder: network, training, bundle, embedding."""
