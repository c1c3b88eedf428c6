# Every target sets up what it needs automatically. `make unit ARGS="-k plan"` passes arguments on.
ENVIRONMENTS = lint unit wires interface page fidelity lab pack bench truth integration docs format generate lock
ARGUMENTS = $(if $(ARGS),-- $(ARGS))
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo check test clean bootstrap $(ENVIRONMENTS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ; @tools/bootstrap demo && tox -e demo $(ARGUMENTS) ## deploy the three charms on a real control plane on this machine, and send requests
check: bootstrap ; @tox run-parallel --parallel-no-spinner -e lint,fast ## what to run after each change: style, types and fast unit tests
test: bootstrap ; @tox -e lint,unit,wires,interface,page,docs,fidelity,lab,pack ## all tests that CI runs
lint: ## style, spelling and types
unit: ## unit tests
wires: ## cut each argument between options, databags and objects: a unit test must detect it
interface: ## test the relation interfaces with the published libraries
page: ## open the page of list-access in a browser
fidelity: ## compare our manifests with those of the pinned istioctl
lab: ## tests on the real control plane
bench: ARGS ?= $(if $(SCALE),--scale)
bench: ## measure what a hook costs (SCALE=1: with thousands of applications)
truth: ARGS ?= $(or $(N),2000) $(SEED)
truth: ## compare the evaluator with real proxies (N=2000 pairs, SEED=1)
pack: ## the three charms and the sample as .charm files in build/, for amd64 and arm64, and their test
integration: ## tests on a real Juju, for machines that have one
docs: ## build the documentation's site in build/site, and check its links and pictures
format: ## format the code
generate: ## generate the CRDs, the fields of MeshConfig and the pages of platforms and problems (ARGS=--check compares)
lock: ## compile requirements/*.in (ARGS=--upgrade for the newest)
clean: ; @rm -rf .tox .venv build .pytest_cache .ruff_cache .hypothesis *.egg-info ## remove build results and environments; the lab's cache stays

$(ENVIRONMENTS): bootstrap ; @tox -e $@ $(ARGUMENTS)

bootstrap: ; @tools/bootstrap
