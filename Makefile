# Every target sets up what it needs; run again, it changes nothing.
PYTHON ?= python3
SPACE ?= configs/spaces/quick.yaml
JOBS ?=
KNOWN ?=
VENV := .venv
PEFORGE := $(VENV)/bin/peforge
# Carries CACTI, for SRAM macros; nothing that it depends on is needed.
CACTI := zigzag-dse==3.9.1

.PHONY: help characterize dataset test train explore lint doctor clean

help:
	@echo "make characterize  measure a design space (SPACE=$(SPACE)), train, show the Pareto front;"
	@echo "                   KNOWN=data/freepdk45: without the points of that dataset"
	@echo "make dataset       measure what data/ has, for days, and write it: what is there is not measured again"
	@echo "make test          run the tests"
	@echo "make train         train the surrogates on build/dataset.csv"
	@echo "make explore       predict the space of configs/spaces/explore.yaml"
	@echo "make lint          ruff and mypy"
	@echo "make doctor        show what is installed"
	@echo "make clean         remove the environment and caches; measurements stay in build/"

characterize: $(VENV)/ready
	@$(PEFORGE) characterize --space $(SPACE) $(if $(JOBS),--jobs $(JOBS)) $(if $(KNOWN),--known $(KNOWN))
	@$(PEFORGE) train
	@$(PEFORGE) explore

# The dataset that comes with the project, by flow and kit; whole shards are written at any time.
FULL := configs/spaces/full.yaml
# Parts of their own: PEs of a word or two, and those of the presets of accelerators.
PARTS := systolic presets
OSU := configs/spaces/osu018.yaml
OPENROAD_POINTS := 64
known = $(if $(JOBS),--jobs $(JOBS)) $(if $(wildcard $(1)/manifest.json),--known $(1))
dataset: $(VENV)/ready
	$(PEFORGE) characterize --space $(FULL) --dataset build/full.csv $(call known,data/freepdk45)
	$(PEFORGE) dataset build data/freepdk45 --space $(FULL)
	for part in $(PARTS); do \
		$(PEFORGE) characterize --space configs/spaces/$$part.yaml --dataset build/$$part.csv $(call known,data/freepdk45) && \
		$(PEFORGE) dataset build data/freepdk45 --space configs/spaces/$$part.yaml --part $$part || exit 1; \
	done
	$(PEFORGE) characterize --space $(OSU) --platform osu018 --dataset build/osu018.csv $(call known,data/osu018)
	$(PEFORGE) dataset build data/osu018 --space $(OSU) --platform osu018
	@command -v openroad > /dev/null || echo "openroad is not on PATH: its points are left out"
	! command -v openroad > /dev/null || $(PEFORGE) characterize --space $(FULL) --flow openroad \
		--points $(OPENROAD_POINTS) --dataset build/openroad.csv $(call known,data/freepdk45)
	! command -v openroad > /dev/null || $(PEFORGE) dataset build data/freepdk45 --space $(FULL) --flow openroad \
		--points $(OPENROAD_POINTS)

train explore doctor: $(VENV)/ready
	@$(PEFORGE) $@

test: $(VENV)/ready-dev
	$(VENV)/bin/pytest -n auto --dist loadfile

lint: $(VENV)/ready-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/ready: pyproject.toml | tools
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Python packages into $(VENV)"
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[verify]'
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps $(CACTI)
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.PHONY: tools
tools:
	@characterize/scripts/install_tools.sh $(PYTHON)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
