"""The services of the simulated archive, each a function from a request to an answer."""
