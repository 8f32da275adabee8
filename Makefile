# `make demo` and `make test` need Python 3.11 or newer and git; everything else they bring themselves.
PYTHON ?= python3
BIN := .venv/bin
# ease first: it is trained within seconds, nothing being compiled for it. (A recipe that names MAKE would run under -n.)
AGAIN = $(MAKE)
MODEL ?= $(patsubst %,out/%.safetensors,ease bayes bpr warp knn)

.PHONY: demo test check-long serve serve-api trained bench bench-peers format clean
.DELETE_ON_ERROR:

demo: .venv/plots
	@$(BIN)/palate demo

# Bytecode is kept whatever the environment says: without it each of hundreds of processes compiles Palate's sources.
test check-long: export PYTHONDONTWRITEBYTECODE :=

# mypy and the tests of Spark run beside the others, which wait now and then; all must be well. Those of Spark have one
# process: each that gets some starts sessions of its own. Kernels that either compiles, the other finds.
test: .venv/test
	@tools/chromium
	@$(BIN)/palate data fetch >/dev/null
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@spark=$$(tools/java && echo 1); \
	{ $(BIN)/mypy && PALATE_REQUIRE_SPARK=$$spark NUMBA_CACHE_DIR="$(CURDIR)/.pytest_cache/numba/shared" \
		$(BIN)/pytest -q -m "not long" tests/spark; } & beside=$$!; \
	$(BIN)/pytest -q --numprocesses=auto --dist=worksteal -m "not long" --ignore=tests/spark; tests=$$?; \
	wait $$beside && exit $$tests

check-long: .venv/test
	@tools/chromium
	@$(BIN)/palate data fetch >/dev/null
	PALATE_REQUIRE_SPARK=$$(tools/java && echo 1) $(BIN)/python tools/check_long.py

# Store, service and page. It begins with the first model; the others are trained meanwhile, and join it. They end with
# it. What people say stays in out/demo.db.
serve serve-api: .venv/serve $(firstword $(MODEL))
	@mkdir -p out
	@nice $(AGAIN) --no-print-directory trained >out/training.log 2>&1 & others=$$!; \
	trap 'kill $$others 2>/dev/null' EXIT; trap 'exit 0' HUP INT TERM; \
	$(BIN)/palate serve --wait --page demo --store sqlite:///out/demo.db --figures benchmarks/figures/ml-100k.json $(SERVE) $(MODEL)

trained: $(MODEL)

out/bayes.safetensors: | .venv/serve
	@mkdir -p out
	@$(BIN)/palate train ml-100k --model bayes --set random_state=42 --out $@

# train writes a whole file or none, so one that is there is good, also when Ctrl-C ends make
.PRECIOUS: out/bayes.safetensors out/%.safetensors
out/bpr.safetensors out/warp.safetensors: SEED := --set random_state=42

out/%.safetensors: | .venv/serve
	@mkdir -p out
	@$(BIN)/palate train ml-100k --model $* --positive 4 $(SEED) --out $@

bench: .venv/test trained
	$(BIN)/python benchmarks/reproduce.py --write
	$(BIN)/python benchmarks/recommend_all.py --write
	$(BIN)/python benchmarks/read_ratings.py --write
	$(BIN)/python benchmarks/shuffling.py --write
	$(BIN)/python benchmarks/onboarding.py --write
	$(BIN)/python benchmarks/demo_figures.py --write
	$(BIN)/python benchmarks/interval_widths.py --write
	$(BIN)/python benchmarks/serve_sizing.py --write
	$(BIN)/python benchmarks/page_clicks.py --write
	$(BIN)/python benchmarks/judging.py --write
	$(BIN)/python benchmarks/bayes_choices.py --write
	$(BIN)/python benchmarks/bayes_honest.py --write
	$(BIN)/python benchmarks/bayes_speed.py scale fit saved --write

bench-peers: .venv/test
	for script in als_speed ials_speed sgd_speed pairwise_speed pairwise_race similarities_speed ease_speed ease_sparse topn_speed one_user foldin_speed \
		growth growth_sgd first_fit cold_start cold_sgd quality ranking_quality bayes_speed bayes_accuracy published summary; do \
		$(BIN)/python benchmarks/$$script.py --write || exit 1; done

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv out build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each set of packages; an extra is installed when it is first needed, and when pyproject.toml changes.
.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Palate needs Python 3.11 or newer; say which with make PYTHON=…")'
	@echo "making .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/plots: pyproject.toml | .venv/python
	@echo "installing Palate and what the demo draws with"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[plots]'
	@touch $@

.venv/serve: pyproject.toml | .venv/python
	@echo "installing Palate, its service and its page"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,plots]'
	@touch $@

# pip compiles bytecode on one core, also of the packages' own tests.
.venv/test: pyproject.toml | .venv/python
	@echo "installing Palate with every extra and what the tests use"
	@$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check --editable '.[plots,ui,tune,serve,ann,spark,test]'
	@$(BIN)/python -m compileall -q -j 0 -x '[/]tests[/]' .venv/lib
	@touch $@ .venv/plots .venv/serve
