# `make run`    shows this machine in a browser: sets up what is missing, then `sysmonctl up` (more for it in ARGS).
# `make test`   answers "is it good?": sets up, then runs everything that can run here, JOBS=3 files of tests at a time, and
#               says what it skipped and why. A test that hangs for ten minutes is ended, named and shown, and the others go on.
# `make test-faults` kills, freezes, parts and damages for SECONDS in each scenario, as SEED says; -k NAME in ARGS picks some.
# `make test-machines` boots a hub and two machines, with systemd and all, and tests the services on them; as root.
# `make bench`  prints what things cost on this machine.
# `make fmt`    lays the code out as the tests want it.
# `make clean`  removes all that was made here; the data of `make run` stays.

.PHONY: run test test-faults test-machines bench fmt clean

run:
	@.ci/setup run
	@.venv/bin/sysmonctl up $(ARGS)

test:
	@.ci/setup test
	@.venv/bin/pytest -ra -n $(or $(JOBS),3) --dist loadfile -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true $(ARGS)

test-faults:
	@.ci/setup test
	@.venv/bin/pytest tests/faults -s $(if $(SECONDS),--fault-seconds=$(SECONDS)) $(if $(SEED),--fault-seed=$(SEED)) $(ARGS)

test-machines:
	@.ci/setup test
	@SYSMON_TEST_MACHINE_LAYERS="$$(.ci/machine-tree)" SYSMON_TEST_REQUIRE_ALL=1 .venv/bin/pytest tests/machine -s --durations=0 $(ARGS)

bench:
	@.ci/setup test
	@.venv/bin/python -m tests.bench

fmt:
	@.ci/setup test
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

clean:
	rm -rf .venv daemons/sysmon web/static/bundle web/static/vendor web/node_modules dist tests/output
	rm -rf .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find daemons tests proto -name __pycache__ -prune -exec rm -rf {} +
