# Every target installs what it needs first (.ci/setup), and may be run twice in a row.
BIN := .venv/bin
# The virtual data centre needs root; everything else does not mind it.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help setup demo test test-full simulations check bench clean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## system packages, .venv, and what tests take from npm
	@.ci/setup

demo: setup ## upgrade a small virtual data centre: canaries, a planted fault, a kill, a resume, a report
	@$(AS_ROOT) $(BIN)/python tests/end_to_end/demo.py

check: setup ## what reads the code without running it
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/ansible-lint --offline -q playbooks

# Three files at a time, also on two processors: tests on the lab wait for hosts much of their time.
test: check ## what can be tested in minutes
	@$(AS_ROOT) $(BIN)/python -m pytest -q -m "not full" -n 3 --dist loadfile --no-loadscope-reorder

simulations: setup ## ten thousand imagined runs, in which no rule of the ramp may be broken
	@$(BIN)/python -m tests.engine.simulations --seeds 10000 --jobs 2

test-full: check ## every test, one after the other, and the search for counter-examples goes on longer
	@$(AS_ROOT) env ROLLOUT_FULL=1 $(BIN)/python -m pytest -q --timeout 7200

bench: setup ## every benchmark; each ends with one line of JSON
	@for name in plan_scale cli_cost journal resume rehearse harm makespan false_stops simulate_speed comparison; do $(BIN)/python -m benchmarks.$$name || exit 1; done
	@for name in sweep execution gates; do $(AS_ROOT) $(BIN)/python -m benchmarks.$$name || exit 1; done

clean: ## what the other targets made here
	@rm -rf .venv tests/editors/node_modules tests/gitlab/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .ansible
