# The commands of doc "contract": install what is missing, then do one thing.
# Everything installed is remembered in .stamps/, so a second run starts at once.

SHELL := /bin/bash
PYTHON := .venv/bin/python
PEER := stock
PYTEST := $(PYTHON) -m pytest
AIO := bin/apus-aio
export APUS_STOCK_VENV ?= $(CURDIR)/.venv-stock
# Where it is set, each of the hundreds of programs that tests start compiles all of our modules again.
export PYTHONDONTWRITEBYTECODE :=
# Test files side by side: one more than there are cores, for most of them wait now and then.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 7 ? cores + 1 : 8)))

# What runs in seconds and starts no daemon: everything but these, which start servers, clusters or a long search.
WITH_DAEMONS := $(addprefix test/,functional probe interop chaos linearizability simulation \
	account/test_reaper.py bin/test_operator_tools.py common/http/test_service.py \
	bench/test_instruction_budget.py container/test_disk.py container/test_kill.py container/test_updater.py object/test_power.py \
	replicator/test_database.py replicator/test_object.py replicator/test_object_stock.py replicator/test_peer.py)
UNIT := -n $(WORKERS) $(addprefix --ignore=,$(WITH_DAEMONS))

.DEFAULT_GOAL := help
.PHONY: help up down status test unit lint bench bench-cloud chart clean sim chaos check-linearizable interop install install-tests install-tempest install-glance install-stock install-rgw install-stock-functional samples stock-functional tempest

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \t\2/' | expand -t 26

up: install  ## install what is missing, start a whole store on this machine and prove that it works
	@$(AIO) up

down:  ## stop the store; its data stays
	@$(AIO) down

status:  ## say what runs
	@$(AIO) status

test: install-tests install-stock  ## run every test that a change must pass
	$(PYTEST) -q -n $(WORKERS) $(ARGS)

unit: install-tests  ## run the tests that need no cluster
	$(PYTEST) -q $(UNIT) $(ARGS)

lint: install-tests  ## ruff, mypy --strict and the import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --strict --exclude '^(test|bench|build|var)/|^setup\.py$$' .
	.venv/bin/mypy --strict --explicit-package-bases test bench
	.venv/bin/lint-imports

sim: install-tests  ## the simulation, a thousand seeds
	APUS_SIMULATION_SEEDS=$${APUS_SIMULATION_SEEDS:-1000} $(PYTEST) -q test/simulation $(ARGS)

chaos: install-tests  ## two hundred kills in a mixed load, and a hundred of the cloud's services
	APUS_CHAOS_KILLS=$${APUS_CHAOS_KILLS:-200} APUS_CLOUD_KILLS=$${APUS_CLOUD_KILLS:-100} \
	$(PYTEST) -q -s test/chaos test/probe/test_cloud_deaths.py $(ARGS)

check-linearizable: install-tests  ## ten thousand conditional writes under fifty schedules of kills and pauses
	APUS_LINEARIZABILITY_SCHEDULES=$${APUS_LINEARIZABILITY_SCHEDULES:-50} $(PYTEST) -q -s test/linearizability $(ARGS)
	APUS_SIMULATION_SEEDS=$${APUS_SIMULATION_SEEDS:-1000} $(PYTEST) -q test/simulation/test_register.py

interop: install-tests install-stock install-glance  ## everything that runs against or beside stock OpenStack Swift
	APUS_INTEROP=full $(PYTEST) -q test/interop $(ARGS)

tempest: install-tests install-tempest  ## OpenStack's Tempest against a whole cloud (ARGS="identity volume": of these services, or by a regex)
	PYTHONPATH=test/support $(PYTHON) test/tempest/run.py $(ARGS)

stock-functional: install-tests install-stock-functional  ## the functional tests of stock OpenStack Swift (ARGS="s3 amazon": those of S3 alone)
	PYTHONPATH=test/support $(PYTHON) test/stock_functional/run.py $(ARGS)

bench: install-tests install-stock $(if $(filter rgw,$(PEER)),install-rgw)  ## measure Apus beside stock Swift (another PEER=, less with ARGS=--quick)
	$(PYTHON) -m bench --peer $(PEER) $(ARGS)

bench-cloud: install-tests  ## measure backups, restores, lazy boot and snapshots of the cloud's disks
	$(PYTHON) -m bench cloud $(ARGS)

chart: install  ## renew the README's chart and figures from bench/history.jsonl
	$(PYTHON) -m bench.front_page

samples: install  ## write etc/*.sample anew from the configuration classes
	$(PYTHON) -m apus.bin.samples

clean:  ## remove .venv and the state folder, after asking
	@.ci/clean

install:
	@.ci/install run

install-tests:
	@.ci/install test

install-stock:
	@.ci/install stock

install-stock-functional:
	@.ci/install stock-functional

install-glance:
	@.ci/install glance

install-tempest:
	@.ci/install tempest

install-rgw:
	@.ci/install rgw
