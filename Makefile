# Needs make, pip and Python 3.11 or newer; everything is installed into .venv.
VENV    := .venv
BIN     := $(VENV)/bin
RUN     := runs/demo
VERSION := $(shell sed -n 's/^__version__ *= *"\(.*\)"/\1/p' ssl_nb/__init__.py)

# Stamps, made only after an install that went through. A new version or new metadata makes them again.
VENV_MADE := $(VENV)/.made
INSTALLED := $(VENV)/.installed-$(VERSION)
DEVELOPER := $(VENV)/.installed-dev-$(VERSION)
# Python compiles what it imports, when it first does; all of torch takes pip a minute
PIP       := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-warn-script-location --no-compile

export PYTHON
.DELETE_ON_ERROR:
.PHONY: help developer demo check test lint docs readme clean distclean

help:
	@echo "make demo       install ssl_nb into $(VENV) and run its demonstration (no download of data)"
	@echo "make test       install what developers need, then run ruff and the tests; SSL_NB_DATA names a folder of data sets"
	@echo "make check      what a change needs first, in two minutes: ruff, what is made from what, and the notebooks changed"
	@echo "make lint       only ruff: rules and format"
	@echo "make developer  only install what developers need"
	@echo "make docs       build the documentation site in _docs"
	@echo "make readme     write README.md from nbs/index.ipynb, and the cells with which notebooks open in Colab"
	@echo "make clean      remove what was built; make distclean removes $(VENV) too; neither removes runs/"
	@echo "PYTHON=...      the Python to make $(VENV) with (default: python3, else python3.14 ... python3.11)"

$(VENV_MADE): tools/new_venv.sh
	@sh tools/new_venv.sh $(VENV)
	@touch $@

$(INSTALLED): pyproject.toml setup.py | $(VENV_MADE)
	@echo "installing ssl_nb and its dependencies into $(VENV) (about 2-5 minutes, 6 GB) ..."
	@$(PIP) --editable .
	@touch $@

$(DEVELOPER): pyproject.toml setup.py tools/git_hooks.sh | $(VENV_MADE)
	@echo "installing ssl_nb and what developers need into $(VENV) (about 2-5 minutes, 6 GB, less after make demo) ..."
	@$(PIP) --editable '.[dev]'
	@sh tools/git_hooks.sh $(VENV)
	@touch $(INSTALLED) $@

developer: $(DEVELOPER)

# a report that is there is only named: nothing is installed or run again
ifeq ($(wildcard $(RUN)/report.html),)
$(RUN)/report.html: | $(INSTALLED)
	@$(BIN)/ssl_nb demo --resume --out $(RUN)
endif
demo: $(RUN)/report.html
	@echo "the report is $(CURDIR)/$(RUN)/report.html"

LINT = { $(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet || { echo "run: ruff check --fix, ruff format"; false; }; }

# ruff and the tests both run, so that one failing does not hide the other
check: $(DEVELOPER)
	@$(LINT); lint=$$?; $(BIN)/python -m pytest --changed $(PYTEST_FLAGS); tests=$$?; exit $$((tests > lint ? tests : lint))

test: $(DEVELOPER)
	@$(LINT); lint=$$?; $(BIN)/python -m pytest $(PYTEST_FLAGS); tests=$$?; exit $$((tests > lint ? tests : lint))

lint: $(DEVELOPER)
	@$(LINT)

docs: $(DEVELOPER)
	@$(BIN)/python tools/build_docs.py
	@echo "the first page is $(CURDIR)/_docs/index.html; its search needs a server: $(BIN)/python -m http.server --directory _docs"

readme: $(DEVELOPER)
	@$(BIN)/python tools/colab.py
	@$(BIN)/python tools/readme.py

clean:
	rm -rf _docs _proc _proc_site build dist *.egg-info nbs/nbdev.yml .quarto nbs/.quarto .pytest_cache .ruff_cache
	find ssl_nb tests tools -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) .gitconfig
