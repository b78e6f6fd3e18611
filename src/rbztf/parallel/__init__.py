"""Independent pieces of work: on threads, in local processes, on the workers of a scheduler."""
