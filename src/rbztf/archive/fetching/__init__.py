"""Parts of a fetch: which object comes next, and what to tell while nothing arrives."""
