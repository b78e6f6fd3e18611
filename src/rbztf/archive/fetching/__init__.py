"""Parts of a fetch: which object comes next, what to tell while nothing arrives, what it would take."""
