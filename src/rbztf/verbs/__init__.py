"""The verbs: one typed function each, called by the command line and by notebooks alike."""
