"""The report: a folder of a page, data as scripts and frames as pictures, which a browser opens from disk."""
