# make demo    the main job end to end, offline, on a simulated archive
# make test    the tests (make lint: ruff and mypy)
# make chaos   attacks with figures, into docs/reliability.md: 25 minutes
# make bench   benchmarks of speed, ratios measured side by side
# Each sets up what it needs in .venv.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)

# Speed; the other scripts of benchmarks/ train for minutes to an hour and measure what models can do.
SPEED  := read_frames padding predict predict_ensemble training_loop vae_training embedding_speed \
	fetch_rate kill_fetch cut_quadrant

.PHONY: demo test lint bench chaos clean

demo: $(READY)
	$(BIN)/rbztf demo --out demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	for name in $(SPEED); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

chaos: $(READY)
	$(BIN)/python -m chaos --seed 0 --seconds 1500 --out docs/reliability.md

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "rbztf needs Python 3.11, 3.12 or 3.13 on the PATH."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) build dist demo runs
