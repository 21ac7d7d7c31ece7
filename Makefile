# make demo, test, lectures, peers, bench: each makes its environment if it is missing; ARGS goes to the command,
# ROWS names the rows of the comparison that make bench is to run; without it, all benchmarks run
PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-peers

.PHONY: demo test lectures peers bench

demo: $(VENV)/all.installed
	$(VENV)/bin/python -m examples.exemplar_digits $(ARGS)

test: $(VENV)/test.installed
	$(VENV)/bin/python -m pytest -q -n auto --dist loadfile $(ARGS)

lectures: $(VENV)/site.installed
	$(VENV)/bin/python -m minigrad.lectures.site $(ARGS)

peers: $(PEERS)/peers.installed
	$(PEERS)/bin/python -m pytest -q tests/peers $(ARGS)

bench: .venv-bench/bench.installed
	.venv-bench/bin/python -m benchmarks.compare $(ROWS) $(ARGS)
ifeq ($(strip $(ROWS)),)
	.venv-bench/bin/python -m benchmarks.overhead
	PYTHONPATH=tests .venv-bench/bin/python -m benchmarks.checks
endif

.venv-bench/bench.installed: .venv-bench/torch.installed
$(PEERS)/peers.installed: $(PEERS)/torch.installed

# first, from where the CPU build stands: on Linux the one on PyPI brings gigabytes of CUDA;
# where that place is not reached, the next step takes what there is
%/torch.installed: setup.cfg
	$(PYTHON) -m venv $(@D)
	-$(@D)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --retries 0 \
		--extra-index-url https://download.pytorch.org/whl/cpu $$(grep -om1 'torch==[0-9.]*' setup.cfg)
	touch $@

# a file named after the extra says that it is installed, as setup.cfg lists it now
%.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(*F)]'
	touch $@
