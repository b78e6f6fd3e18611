# make demo    the main job end to end, offline, on a simulated archive
# make test    the tests (make lint: ruff and mypy; make test-min: with the lowest versions)
# make docs    the documentation site, into docs/_build (its notebooks are run)
# make chaos   attacks with figures, into docs/reliability.md: 25 minutes
# make fuzz    damaged files for every reader: minutes
# make bench   benchmarks of speed, ratios measured side by side
# Each sets up what it needs in .venv.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
MIN    := .venv-min
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)

PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

# Speed; the other scripts of benchmarks/ train for minutes to an hour and measure what models can do.
SPEED  := read_frames padding predict predict_ensemble training_loop vae_training embedding_speed embed_rate \
	fetch_rate kill_fetch cut_quadrant feature_rate scale_estimate

.PHONY: demo test test-min lint docs screenshots bench chaos fuzz clean

demo: $(READY)
	$(BIN)/rbztf demo --out demo

test: $(READY)
	$(BIN)/python -m pytest $(PARALLEL)

# The lowest versions that pyproject.toml allows, by the tests of all that calls other packages.
BRIEF  := $(addprefix tests/,cli config evaluation features figures formats frames models/decision models/ensemble models/objects plots prediction stores \
	archive/test_http.py archive/test_fetch_store.py reporting/test_build.py) \
	$(addprefix tests/verbs/test_,cv_scores.py first_minute.py import.py label.py plot.py predict.py report.py show.py)

test-min: $(MIN)/.ready
	$(MIN)/bin/python -m pytest $(PARALLEL) --hypothesis-profile brief -W ignore::DeprecationWarning $(BRIEF)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[docs]"
	touch $@

# Pictures of pages for README and docs; needs chromium and chromedriver.
screenshots: $(READY)
	$(BIN)/python docs/screenshots.py

bench: $(READY)
	for name in $(SPEED); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

chaos: $(READY)
	$(BIN)/python -m chaos --seed 0 --seconds 1500 --out docs/reliability.md

fuzz: $(READY)
	RBZTF_FUZZ=1500 $(BIN)/python -m pytest tests/fuzz

$(VENV)/.ready: EXTRAS := dev,lsdb,dask
$(MIN)/.ready: EXTRAS := dev
$(VENV)/.ready: pyproject.toml constraints.txt
$(MIN)/.ready: pyproject.toml constraints-min.txt
%/.ready:
	@test -n "$(PYTHON)" || { echo "rbztf needs Python 3.11, 3.12 or 3.13 on the PATH."; exit 1; }
	test -x $*/bin/python || $(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c $(filter constraints%,$^) -e ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf $(VENV) $(MIN) build dist demo runs docs/_build docs/reference
