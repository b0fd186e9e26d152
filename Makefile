# Every target in one line each: `make help`. The work itself is in the scripts of deploy/.
#
#   ARGS    flags of code-executor:   make run ARGS='-http-port=8081 -v=2'
#   TESTS   arguments of pytest:      make test TESTS='tests/e2e -k health'
#   PYTHON  interpreter for .venv:    make run PYTHON=python3.12

ARGS ?=
TESTS ?=
VENV := .venv/.installed
TOOLS := .tools/.installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run images demo test test-unit bench lint proto lock docker wheels engine packages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

run: $(VENV) engine ## Set everything up, then serve in the foreground (ARGS= flags)
	@exec .venv/bin/code-executor $(ARGS)

images: $(VENV) engine ## Make every language's image that is missing
	@.venv/bin/code-executor images $(ARGS)

demo: $(VENV) ## Run a hello world in each language on the running service, with times (ARGS= address)
	@.venv/bin/python deploy/demo.py $(ARGS)

test: $(VENV) packages $(TOOLS) images ## Set everything up, run all tests, print coverage (TESTS= arguments of pytest)
	@deploy/test.sh $(TESTS)

test-unit: $(VENV) ## Run the tests that need no engine
	@.venv/bin/python -m pytest tests/unit $(TESTS)

bench: $(VENV) engine ## Measure the service against its bar, side by side, in one run (ARGS=--quick for a short one)
	@.venv/bin/python -m bench $(ARGS)

lint: $(VENV) packages ## Check Python, proto, C and shell
	@deploy/lint.sh

proto: $(VENV) ## Generate everything that is made from the proto
	@PYTHON=.venv/bin/python proto/generate.sh

lock: $(VENV) ## Lock the dependencies by their hashes (ARGS=--upgrade moves the versions)
	@deploy/lock.sh $(ARGS)

docker: wheels ## Build the service's own container image, code-executor
	docker build --tag code-executor .

wheels: $(VENV) engine ## Fetch what `docker build` needs, where pip cannot reach its index from a build
	@deploy/wheels.sh

engine: $(VENV) ## Find a container engine, or install and start one
	@deploy/engine.sh $(ARGS)

packages:
	@deploy/test-packages.sh

clean: ## Remove what was made in this folder; images stay
	rm -rf .venv .tools .build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis dist client_sdk/dist code-executor
	$(MAKE) --no-print-directory -C agent clean

$(VENV): requirements.lock pyproject.toml client_sdk/pyproject.toml deploy/venv.sh
	@deploy/venv.sh

$(TOOLS): $(VENV) deploy/test-tools.sh
	@deploy/test-tools.sh
