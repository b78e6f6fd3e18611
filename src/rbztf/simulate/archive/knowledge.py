"""The SNAD knowledge base: answers with the expert labels of objects."""

from __future__ import annotations

from rbztf.simulate.archive.answers import Answer, as_json
from rbztf.simulate.dataset import label_entries
from rbztf.simulate.sky import SimulatedSky


def knowledge(sky: SimulatedSky, path: str) -> Answer:
    """Answer ``/objects/``, ``/objects/OID/`` and ``/tags/``."""
    entries = label_entries(sky)
    parts = [part for part in path.split("/") if part]
    if parts == ["tags"]:
        tags = sorted({tag for entry in sky.oids for tag in sky.object(entry).tags})
        return as_json([{"name": tag, "priority": rank, "description": ""} for rank, tag in enumerate(tags)])
    if parts == ["objects"]:
        return as_json(entries)
    for entry in entries:
        if parts == ["objects", str(entry["oid"])]:
            return as_json(entry)
    return Answer(b'{"detail": "Not found."}', "application/json", 404)
