"""The verbs: one plain typed function each, called by the command line and by notebooks."""
