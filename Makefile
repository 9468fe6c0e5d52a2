# The habits of this repository; `make help` lists them. Every install step that a new machine needs is in here.

PYTHON ?= python3
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/volray
PROMTOOL := $(CACHE)/bin/promtool
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run demo cluster test test-cluster test-nightly test-versions controlplane images node-packages e2e e2e-bench lint format golden mutants clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Serve on https://127.0.0.1:8443 with certificates from .run/certs, and print a curl line to try it
	@$(BIN)/volray serve --host 127.0.0.1 --port 8443 --side-port 8080 --cert-dir .run/certs --drain-seconds 1 \
	  --sample examples/review.json

# Half of the time goes by in waiting for scripts and servers, so there are more processes than cores.
test: $(VENV)/installed ## The tests that need nothing but Python: a minute or two
	@$(BIN)/pytest --tier $@ --numprocesses 4

# A process for each Volcano.
test-cluster: controlplane $(PROMTOOL) ## The tests on a real control plane with Volcano, and of the manifests: minutes
	@$(BIN)/pytest --tier $@ --numprocesses 2

test-nightly: controlplane $(PROMTOOL) ## Outages, bursts and the tests of the test cluster itself, then the mutants: an hour
	@$(BIN)/pytest --tier $@
	@$(MAKE) --no-print-directory mutants

# The files that stand for all: what the manifests register and what becomes of the documentation's Jobs.
TESTS ?= $(addprefix tests/controlplane/test_,documentation.py adoption.py overlays.py)
test-versions: $(VENV)/installed ## The control plane's tests with KUBERNETES=1.28 or 1.36, VOLCANO=1.10 as the oldest; TESTS=tests
	@export VOLRAY_TEST_KUBERNETES='$(KUBERNETES)' VOLRAY_TEST_VOLCANO='$(VOLCANO)'; \
	$(BIN)/python -m tests.controlplane.build && $(BIN)/pytest $(TESTS)

controlplane: $(VENV)/installed ## Build etcd, Kubernetes and Volcano for the tests, with Go: minutes once, then nothing
	@$(BIN)/python -m tests.controlplane.build

images: $(VENV)/installed node-packages ## Build the images of Ray and volray for the tests on a node, as root, with buildah: minutes once
	@$(SELECTED) $(BIN)/python -m tests.images.build

# RAY=all tests every Ray of tests/images/rays.py in full, RAY=2.40.0 that one and nothing else.
SELECTED = $(if $(RAY),VOLRAY_E2E_RAYS='$(RAY)')
E2E_TESTS = $(or $(E2E),$(if $(filter-out all,$(RAY)),tests/e2e/matrix,tests/e2e))

e2e: $(VENV)/installed node-packages ## Pods with real Ray on real nodes, as root on Linux, or on a cluster: VOLRAY_E2E_KUBECONFIG=FILE; E2E=tests; RAY=all
	@$(SELECTED) $(BIN)/python -m tests.e2e.enclosed $(BIN)/pytest --timeout=600 $(E2E_TESTS)

e2e-bench: $(VENV)/installed node-packages ## volray beside Volcano's ray plugin and beside YAML by hand; JSON, a table and a picture in .run/bench
	@$(BIN)/python -m tests.e2e.enclosed $(BIN)/python -m tests.e2e.bench $(BENCH)

cluster: $(VENV)/installed node-packages ## Start the cluster of the e2e tests with Ray's and volray's images, as root on Linux, and keep it until Ctrl-C
	@$(SELECTED) $(BIN)/python -m tests.e2e.kept

demo: controlplane ## Start a control plane with Volcano and volray, apply the documentation's Job, and show what becomes of it
	@$(BIN)/python -m tests.controlplane.demo

lint: $(VENV)/installed ## ruff, mypy, the layers and the spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

format: $(VENV)/installed ## Put the code into ruff's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

golden: $(VENV)/installed ## Rewrite the golden files, the outcomes of the corpus and the quoted tables; read the difference before you commit it
	@VOLRAY_GOLDEN=rewrite $(BIN)/pytest -q tests/golden tests/corpus tests/docs tests/vocabulary tests/jobs/test_findings.py tests/controlplane/test_comparison.py

mutants: $(VENV)/installed ## Mutate the core, and say how many mutants the tests kill and which live (half an hour)
	@rm -rf mutants
	@$(BIN)/mutmut run --max-children "$$(nproc)"
	@$(BIN)/mutmut results
	@$(BIN)/mutmut results --all true | awk 'NF == 2 { n[$$2]++ } END { k = n["killed"] + n["timeout"]; t = k + n["survived"]; \
	  printf "%d of %d mutants killed, %.1f %%\n", k, t, t ? 100 * k / t : 0 }'

clean: ## Remove what the other targets made, but not the cache outside the repository
	@rm -rf $(VENV) .run mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/installed: pyproject.toml constraints.txt webhook/version.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "volray needs Python 3.11 or newer; say make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What judges the alert rules. Not from a version on the command line: its go.mod replaces a module, which Go then refuses.
# Without service discovery, of which `promtool test rules` needs none.
$(PROMTOOL): tests/controlplane/build/prometheus/go.mod
	@cd $(<D) && GOWORK=off GOBIN='$(@D)' go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool
	@touch $@

# For real nodes, for their images, and a browser for Ray's dashboard.
NODE_PACKAGES := containerd runc containernetworking-plugins iproute2 iptables nftables conntrack ethtool socat buildah \
  debootstrap chromium
# On other systems than Debian `make images` and `make e2e` say which program is missing.
node-packages: ## Install Debian's packages that `images`, `e2e` and `cluster` need, as root; they do so themselves
	@command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && [ -z "$$VOLRAY_E2E_KUBECONFIG" ] || exit 0; \
	dpkg-query --show $(NODE_PACKAGES) >/dev/null 2>&1 && exit 0; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(NODE_PACKAGES)
