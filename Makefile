# The two commands are `make book` and `make test`. The README gives the plain commands behind each.
PYTHON ?= python3
EDITION ?= public
DEVICE ?= cpu
KERAS_BACKEND ?= tensorflow
JOBS ?= auto
PORT ?= 8000

export DEVICE KERAS_BACKEND
ifeq ($(DEVICE),cpu)
export CUDA_VISIBLE_DEVICES = -1
endif

BIN := .venv/bin
STAMP := .venv/.installed-$(KERAS_BACKEND)

.PHONY: book test notebooks serve clean lock test-colab

book: $(STAMP)
	@$(BIN)/python -m tools book --edition $(EDITION)

test: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m tools book --edition public
	@$(BIN)/python -m tools book --edition instructor
ifeq ($(DEVICE),cpu)
	@$(BIN)/python -m pytest tests notebooks --nbval --numprocesses $(JOBS) --dist loadfile
else
	@$(BIN)/python -m pytest tests notebooks --nbval
endif

notebooks: $(STAMP)
	@$(BIN)/python -m tools notebooks --edition $(EDITION)

serve: book
	@echo "The book is at http://localhost:$(PORT) until you press Ctrl-C."
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

test-colab: $(STAMP)
	@$(BIN)/python -m tools.colab

lock: $(STAMP)
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header \
		--extra tensorflow --extra chapters --extra book --extra test pyproject.toml --output-file requirements.txt

clean:
	@rm -rf _build .venv .pytest_cache .ruff_cache .hypothesis

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "The course needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is" \
		"$$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Installing the locked environment into .venv (some minutes, about 3 GB)."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check \
			--no-build-isolation --no-deps --editable . \
		&& { test $(KERAS_BACKEND) = tensorflow \
			|| $(BIN)/python -m pip install --quiet $(KERAS_BACKEND); }; } || { \
		echo "The environment could not be installed: see pip's message above. Without a network" \
		"nothing can be fetched; once you have one, the same command goes on."; exit 1; }
	@touch $@
