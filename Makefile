# make demo, make test, make bench: each makes its environment if it is missing; ARGS goes to the command
PYTHON ?= python3
VENV ?= .venv

.PHONY: demo test bench

demo: $(VENV)/all.installed
	$(VENV)/bin/python -m examples.exemplar_digits $(ARGS)

test: $(VENV)/test.installed
	$(VENV)/bin/python -m pytest -q $(ARGS)

bench: .venv-bench/bench.installed
	.venv-bench/bin/python -m benchmarks.overhead $(ARGS)
	PYTHONPATH=tests .venv-bench/bin/python -m benchmarks.checks

# a file named after the extra says that it is installed, as setup.cfg lists it now
%.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(*F)]'
	touch $@
