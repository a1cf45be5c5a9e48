# Needs Python 3.11 or newer, make and pip. Everything else goes into .venv.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PINS := $(wildcard requirements/*.txt)
# The build tools come from the pins too, so an installation builds the same everywhere.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt
EDITABLE := $(INSTALL) --no-build-isolation --editable
# Tests run in parallel, so the BLAS of each stays on one thread.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

# The files with tests of a lane: to collect the other ones takes longer than some lanes.
with_tests_of = $(shell grep -rlE --include='*.py' 'mark\.$(1)\b' tests | sort)

# The package's modules with examples. The others need not be imported for them: the entry points
# of the compiled engine, for one, would be compiled.
WITH_EXAMPLES = $(filter-out src/deltarule/engines/jax/% src/deltarule/cluster/jax_world.py, \
  $(shell grep -rlF --include='*.py' '>>>' src | sort))

# The tests of no lane of their own.
NO_LANE := not oracle and not jax and not cluster and not latex and not arm

# Tests that fork hundreds of processes, those that import least first. `make test` runs them apart:
# to fork a process that has imported all tests takes four times as long.
FORKING := tests/test_files_together.py tests/test_fault_points.py tests/test_fault_points_commands.py

# What `make quick` runs: the layers, the mathematics, the rules, the engines and one fit of a table.
# Whole files or single tests, together at most about 70 seconds of processor time. The gradient of
# every activation with every loss takes longer than that: tanh stands for them.
QUICK := tests/house/test_imports.py tests/house/test_layers.py \
  tests/maths/test_worked_examples.py tests/maths/test_claims.py tests/maths/test_backprop.py \
  tests/maths/test_gradients.py tests/maths/test_mutations.py \
  tests/optimizers/test_rules_by_hand.py \
  tests/engines/test_engine.py tests/engines/test_contract.py tests/engines/test_compiled.py \
  tests/cli/test_good_paths.py::test_breast_cancer_beats_the_constant
QUICK_NAMES := not central_difference or tanh

# Where it is set, each of the many processes of the tests would compile every module that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo playground quick test lint doctest docs notebook latex arm bench oracles jax cluster setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMPS)/package ## set up, train on two real tables from the command line, predict
	$(BIN)/python examples/make_demo_data.py demo
	$(BIN)/deltarule fit demo/breast_cancer.csv --target diagnosis --out demo/breast_cancer.model --force
	$(BIN)/deltarule evaluate demo/breast_cancer.model demo/breast_cancer.csv
	$(BIN)/deltarule predict demo/breast_cancer.model demo/breast_cancer.csv --out demo/breast_cancer.predictions.csv
	$(BIN)/deltarule fit demo/diabetes.csv --target progression --out demo/diabetes.model --force
	$(BIN)/deltarule evaluate demo/diabetes.model demo/diabetes.csv
	$(BIN)/deltarule predict demo/diabetes.model demo/diabetes.csv --out demo/diabetes.predictions.csv

playground: $(STAMPS)/playground ## a page on this machine where a network trains in sight
	$(BIN)/deltarule playground

quick: lint $(STAMPS)/test ## lint, types, and the tests of mathematics and engines: under a minute
	$(BIN)/deltarule warmup --quiet
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) \
	  -m "$(NO_LANE) and not slow" -k "$(QUICK_NAMES)" $(QUICK)

test: $(STAMPS)/test ## set up and run the whole suite
	$(BIN)/deltarule warmup --quiet
	@failed=0; set -x; \
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) $(FORKING) || failed=1; \
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) -m "$(NO_LANE)" $(addprefix --ignore=,$(FORKING)) || failed=1; \
	exit $$failed

lint: $(STAMPS)/lint ## ruff and mypy; tsc and Biome for the scripts of the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	  $(MAKE) --no-print-directory node_modules/.stamp && set -x && \
	  node_modules/.bin/tsc --project . && node_modules/.bin/biome check --error-on-warnings; \
	elif [ "$(DELTARULE_REQUIRE_NODE)" = 1 ]; then \
	  echo "node or npm is missing, which DELTARULE_REQUIRE_NODE=1 asks for" >&2; exit 1; \
	else \
	  echo "note: node or npm is missing; the scripts of the pages were not checked" >&2; \
	fi

doctest: $(STAMPS)/test ## run every example in the docstrings and in the pages
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --doctest-modules $(WITH_EXAMPLES) benchmarks/comparison benchmarks/accuracy.py benchmarks/intervals.py benchmarks/studies.py
	$(ONE_THREAD) $(BIN)/python -m pytest --doctest-glob='*.rst' --ignore=docs/conf.py --ignore=docs/_ext docs

docs: $(STAMPS)/docs ## build the documentation into docs/_build/html; a warning is an error
	rm -rf docs/_build docs/api/generated
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_site.py docs/_build/html
	@echo "docs/_build/html/index.html"

notebook: $(STAMPS)/notebook ## run the example notebooks from top to bottom
	$(ONE_THREAD) $(BIN)/python examples/run_notebooks.py

latex: $(STAMPS)/test ## compile what explanations give as LaTeX; needs pdflatex
	$(ONE_THREAD) $(BIN)/python -m pytest -m latex $(call with_tests_of,latex)

arm: $(STAMPS)/test ## compile exported C programs for a Cortex-M4; needs arm-none-eabi-gcc
	$(ONE_THREAD) $(BIN)/python -m pytest -m arm tests/export/test_c_sizes.py
	$(ONE_THREAD) $(BIN)/python -m benchmarks.c_export --networks 0

bench: $(STAMPS)/package ## time steps beside other libraries and beside limits, passes, the import
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks --scaling
	$(BIN)/python -m benchmarks.limits
	$(ONE_THREAD) $(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/import_time.py

oracles: $(STAMPS)/oracles ## compare with PyTorch's and JAX's automatic differentiation
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) -m oracle $(call with_tests_of,oracle)

jax: $(STAMPS)/oracles ## test the JAX engine, the contract with one and with eight devices among it
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) -m jax $(call with_tests_of,jax)

cluster: $(STAMPS)/cluster ## train on Ray and on Dask, with workers on this machine
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m cluster $(call with_tests_of,cluster)

setup: $(addprefix $(STAMPS)/,test lint docs notebook oracles cluster) ## install what the targets need

clean: ## remove what the other targets made
	rm -rf $(VENV) node_modules build dist demo docs/_build docs/api/generated .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src tests docs examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp per set of packages; it is made again when pyproject.toml or a pin changes.

$(STAMPS)/package: pyproject.toml $(PINS) | $(STAMPS)
	$(INSTALL) hatchling editables
	$(EDITABLE) .
	@touch $@

$(STAMPS)/test: $(STAMPS)/package
	$(EDITABLE) ".[test]"
	@touch $@

# With the playground's packages, whose types mypy reads.
$(STAMPS)/lint: $(STAMPS)/package
	$(EDITABLE) ".[lint,playground]"
	@touch $@

# What checks the scripts of the pages. Exact versions stand in package.json, so no lock file is
# written; nothing that a package brings is run when it is installed.
node_modules/.stamp: package.json
	npm install --no-package-lock --no-audit --no-fund --ignore-scripts --no-update-notifier --loglevel=error
	@touch $@

$(STAMPS)/docs: $(STAMPS)/package
	$(EDITABLE) ".[docs]"
	@touch $@

$(STAMPS)/playground: $(STAMPS)/package
	$(EDITABLE) ".[playground]"
	@touch $@

$(STAMPS)/notebook: $(STAMPS)/package
	$(EDITABLE) ".[notebook]"
	@touch $@

$(STAMPS)/oracles: $(STAMPS)/test
	$(INSTALL) -r requirements/oracles.txt
	@touch $@

$(STAMPS)/cluster: $(STAMPS)/test
	$(INSTALL) -r requirements/cluster.txt
	@touch $@

# For all lanes of one environment in one installation, where `.ci/run` would wait for several.
# Python compiles a module when it is first imported: a small part of all that are installed. The
# stamp of the package is older than those that need it.
$(STAMPS)/suite: pyproject.toml $(PINS) | $(STAMPS)
	$(INSTALL) hatchling editables
	$(INSTALL) --no-compile --no-build-isolation --editable ".[test,lint,playground,docs,notebook]"
	@touch $(STAMPS)/package
	@touch $(addprefix $(STAMPS)/,test lint playground docs notebook) $@

$(STAMPS)/others: pyproject.toml $(PINS) | $(STAMPS)
	$(INSTALL) hatchling editables
	$(INSTALL) --no-compile --no-build-isolation --editable ".[test]" -r requirements/oracles.txt -r requirements/cluster.txt
	@touch $(STAMPS)/package
	@touch $(STAMPS)/test
	@touch $(addprefix $(STAMPS)/,oracles cluster) $@

$(STAMPS):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "deltarule needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Name another with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "'$(PYTHON)' has no venv module; Debian and Ubuntu have it in the package python3-venv." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p $@
