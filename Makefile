# Two environments, since onnxruntime and onnxruntime-training-cpu install the same module:
# .venv/host compiles (torch, onnx, ORT Training), .venv/device trains (stock onnxruntime only).
PYTHON ?= python3.11
DEVICE_PYTHON ?= $(PYTHON)
HOST := .venv/host
DEVICE := .venv/device
ZOO := .venv/zoo
FEDERATED := .venv/federated
ANSIBLE := .venv/ansible
PEERS := $(foreach peer,jax mnn executorch,.venv/peer-$(peer)/.installed)
BUNDLES := build/test-bundles
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := $(shell find export artifacts tests/support -name '*.py')

# What emulating a 64-bit ARM board takes, on Debian.
ARM_TOOLS := qemu-user mmdebstrap gcc libc6-dev
# What opening pages as people see them takes; without a font there is no text.
BROWSER := chromium fonts-dejavu-core

# What stands before a SuperLink in rounds.
PROXY := nginx-light

# What boards of the fleet's demo are reached by.
SSH := openssh-server openssh-client

# What gives each of them a network of its own.
NAMESPACES := iproute2

# What judges the units that are installed on boards.
UNITS := systemd

# What building the container image takes, beside those, and running it.
IMAGE_TOOLS := buildah podman runc qemu-user-static binfmt-support mmdebstrap \
	podman-compose catatonit netavark aardvark-dns iptables

# Install packages, say what for, or what is not done without them: $(call from_debian,packages,what for,what not).
from_debian = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "installing $(1) $(2)" && apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends $(1) >/dev/null; \
	else echo "$(3): install $(1) (as root on Debian, this command would)"; fi

# A file of tests on one core each: files share what they export. In the order of the folders, the longest first, and
# not by how many tests they have: else a core ends up alone with files of few tests that train for minutes.
ON_EVERY_CORE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What belongs to each environment, and which of it a run takes: `long` is left to test-long.
HOST_TESTS := tests/e2e tests/export tests/reproduce tests/docs tests/bench tests/artifacts
DEVICE_TESTS := tests/fuzz tests/torture tests/artifacts tests/agent tests/fleet tests/runtime tests/edge tests/pages

.PHONY: help demo demo-sensor demo-agent demo-fleet test test-host test-device test-arm test-long test-image test-federated test-pushing test-fleet nginx ssh namespaces arm-tools image-tools browser units \
	fuzz torture torture-agent torture-agent-power torture-fleet soak-agent zoo exporters bench bench-page bench-suite bench-arm bench-metering bench-masks bench-rounds bench-fleet-growth bench-extras bench-waves reproduction-page comparison-page same size \
	lint format clean

help:
	@echo "make demo    fine-tune drifted data sets, one without labels, and a new class: host to device, about 4 minutes"
	@echo "make demo-sensor  repair a drifted motion sensor's network: host to device, about 2 minutes"
	@echo "make demo-agent  a device that notices drift, adapts, asks and adapts again by itself, about 2 minutes;"
	@echo "             DEMO_ARGS=--stay: its page stays open"
	@echo "make demo-fleet  releases in waves, a bad one that is stopped, and two boards of three that learn together: Ansible,"
	@echo "             TUF and Flower, in network namespaces or on loopback, 2 to 4 minutes; sshd, nginx, iproute2 as root on Debian"
	@echo "make test    every test but the long ones, in both environments and on emulated ARM, 11 minutes"
	@echo "make test-long  tests that take some seconds each: real networks, kills by the dozen, hostile input, 10 minutes"
	@echo "make test-image  build Dockerfile.arm64 on a stand-in base, and train in it; as root on Debian"
	@echo "make test-federated  rounds over Flower, in an environment of their own, 3 minutes; nginx as root on Debian"
	@echo "make test-pushing  releases that Ansible brings to three sshd on loopback, 8 minutes; sshd as root on Debian"
	@echo "make test-fleet  the demos of fleet and agent from end to end, with what they say checked, 4 minutes"
	@echo "make bench-rounds  bytes, seconds and memory of rounds over Flower with two devices, 3 minutes"
	@echo "make bench-fleet-growth  what a host takes to collect, show and merge 10 to 1,000 devices, 3 minutes; TMPDIR=/dev/shm"
	@echo "make bench-extras  what each extra weighs on 64-bit ARM, from wheels that are downloaded, 2 minutes"
	@echo "make bench-waves  seconds, bytes and memory of a release that Ansible brings to three boards; sshd as root on Debian"
	@echo "make fuzz    broken and hostile input for every command: 5,000 cases, 10 minutes on two cores; FUZZ_ARGS='--seed N'"
	@echo "make torture  500 kills, 300 failing disks, 16 power cuts (as root), 4 minutes on two cores; TORTURE_ARGS='--seed N'"
	@echo "make torture-agent  an agent that adapts is killed 300 times and has to answer after each, 22 minutes"
	@echo "make torture-agent-power  the power of an agent is cut 40 times, as root: what reached its disk answers, 17 minutes"
	@echo "make torture-fleet  a device that updates is killed 100 times: the old or the new release answers after each, 5 minutes"
	@echo "make soak-agent  an agent answers 100,000 images in two hours of a turned clock: memory and disk, 20 minutes"
	@echo "make zoo     export and train 79 networks of torchvision, timm and pytorchcv, an hour; ZOO_ARGS=--quick: 5 minutes"
	@echo "make exporters  take files of PyTorch's exporters from export to predict, beside ONNX Runtime, half an hour"
	@echo "make bench   speed and memory beside PyTorch, 5 networks, 40 minutes; BENCH_ARGS=--quick: 4 minutes;"
	@echo "             BENCH_ARGS=--peers: also torch.compile, JAX, MNN, ORT Training and ExecuTorch, 3 hours"
	@echo "make bench-page  write docs/results/benchmarks.md and the README's table from the results of make bench"
	@echo "make bench-suite  time train steps, kernels, loading and data path of the device alone, with pytest-benchmark"
	@echo "make bench-arm  executed ARM instructions per train step, those of PyTorch and MNN beside ours, hours"
	@echo "make bench-metering  what measuring energy costs a run, with and without a meter in turns, 5 minutes"
	@echo "make bench-masks  what keeping the mask of an activation function as bits or bytes takes, a minute"
	@echo "make reproduction-page  write docs/results/reproduction.md from the results in docs/results/reproduction"
	@echo "make comparison-page  write docs/results/comparison.md from the results of tbft-edge compare in docs/results/comparison"
	@echo "make same BASE=commit  whether bundles, runs, JSON and public names are those of that commit, 8 minutes"
	@echo "make size    what the device environment weighs, against torch"
	@echo "make lint    ruff, mypy, and whether docs/commands.md shows the real help text"
	@echo "make format  let ruff rewrite the code"
	@echo "make clean   remove what make made, environments included"

demo: $(HOST)/.installed $(DEVICE)/.installed
	$(HOST)/bin/python demo/run.py --host $(HOST) --device $(DEVICE) --out demo-output $(DEMO_ARGS)

demo-sensor: $(HOST)/.installed $(DEVICE)/.installed
	$(HOST)/bin/python demo/sensor_run.py --host $(HOST) --device $(DEVICE) --out demo-sensor-output $(DEMO_ARGS)

demo-agent: $(HOST)/.installed $(DEVICE)/.agent
	$(HOST)/bin/python demo/agent_run.py --host $(HOST) --device $(DEVICE) --out demo-agent-output $(DEMO_ARGS)

# With the environment of rounds: export apart, it is what a host and its boards run.
demo-fleet: $(HOST)/.installed $(FEDERATED)/.installed $(ANSIBLE)/.installed nginx ssh namespaces
	PYTHONPATH=.:tests $(HOST)/bin/python demo/fleet_run.py \
		--host $(HOST) --device $(FEDERATED) --out demo-fleet-output $(DEMO_ARGS)

test: test-host test-device test-arm

test-host: $(HOST)/.installed $(DEVICE)/.fleet $(BUNDLES)/.made
	OMP_NUM_THREADS=1 $(HOST)/bin/python -m pytest $(ON_EVERY_CORE) -m "not long" $(HOST_TESTS)

# Said plainly where no page could be opened: pytest shows the reason of each skip. First what measures real time.
test-device: $(DEVICE)/.tested $(BUNDLES)/.made browser units
	$(DEVICE)/bin/python -m pytest -rs -m alone $(shell grep -rl --include='*.py' 'mark\.alone' tests)
	$(DEVICE)/bin/python -m pytest -rs $(ON_EVERY_CORE) -m "not alone and not long" $(DEVICE_TESTS)

test-long: $(HOST)/.installed $(DEVICE)/.fleet $(DEVICE)/.tested $(BUNDLES)/.made browser units arm-tools
	OMP_NUM_THREADS=1 $(HOST)/bin/python -m pytest -rs $(ON_EVERY_CORE) -m long $(HOST_TESTS)
	$(DEVICE)/bin/python -m pytest -rs $(ON_EVERY_CORE) -m long $(DEVICE_TESTS)
	$(DEVICE)/bin/python -m pytest -rs -n auto --maxprocesses 4 --dist load -m long tests/arm

# Said plainly where nothing could be emulated: pytest shows the reason of each skip.
test-arm: $(DEVICE)/.tested $(BUNDLES)/.made arm-tools
	$(DEVICE)/bin/python -m pytest -rs -n auto --maxprocesses 4 --dist load -m "not long" tests/arm

arm-tools:
	@if command -v qemu-aarch64 >/dev/null && command -v mmdebstrap >/dev/null && command -v gcc >/dev/null; then :; \
	else $(call from_debian,$(ARM_TOOLS),to emulate ARM,ARM is not emulated here); fi

browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		command -v google-chrome >/dev/null; then :; \
	else $(call from_debian,$(BROWSER),to open pages,no page is opened here); fi

units:
	@if command -v systemd-analyze >/dev/null; then :; \
	else $(call from_debian,$(UNITS),to judge units of systemd,no unit is judged here); fi

# Beside the others, since it makes the kernel hand arm64 programs to QEMU, which make test must not need.
test-image: $(DEVICE)/.tested $(BUNDLES)/.made image-tools
	$(DEVICE)/bin/python -m pytest -rs tests/image

image-tools:
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "no image is built here: install $(IMAGE_TOOLS) (as root on Debian, this command would)"; exit 0; fi; \
	if ! command -v buildah >/dev/null || ! command -v podman-compose >/dev/null || ! command -v update-binfmts >/dev/null; then \
		echo "installing $(IMAGE_TOOLS) to build an image" && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends $(IMAGE_TOOLS) >/dev/null; fi; \
	mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || true; \
	update-binfmts --enable qemu-aarch64 || true

# Beside the others: flwr wants older packages, and nobody without rounds needs it.
test-federated: $(FEDERATED)/.installed $(BUNDLES)/.made nginx
	OMP_NUM_THREADS=1 $(FEDERATED)/bin/python -m pytest -rs tests/federated

test-pushing: $(DEVICE)/.tested $(BUNDLES)/.made $(ANSIBLE)/.installed ssh
	OMP_NUM_THREADS=1 $(DEVICE)/bin/python -m pytest -rs tests/pushing

# Where Ansible or flwr cannot be installed pytest says so, and no other test is hindered.
test-fleet: $(HOST)/.installed nginx ssh namespaces
	@$(MAKE) --no-print-directory $(FEDERATED)/.installed $(ANSIBLE)/.installed || true
	$(HOST)/bin/python -m pytest -rs tests/story

ssh:
	@if command -v ssh >/dev/null && { [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null; }; then :; \
	else $(call from_debian,$(SSH),to reach boards,no board is reached by SSH here); fi

namespaces:
	@if [ -x /usr/sbin/ip ] || command -v ip >/dev/null; then :; \
	else $(call from_debian,$(NAMESPACES),for boards with networks of their own,boards are on loopback here); fi

nginx:
	@if [ -x /usr/sbin/nginx ] || command -v nginx >/dev/null; then :; \
	else $(call from_debian,$(PROXY),to stand before a SuperLink,no round is held here); fi

# The command runs in children of a process that has everything imported; threads of that would be lost in them.
FORKING := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests $(DEVICE)/bin/python -m

fuzz: $(DEVICE)/.fleet $(BUNDLES)/.made
	$(FORKING) fuzz $(FUZZ_ARGS)

torture: $(DEVICE)/.installed $(BUNDLES)/.made
	$(FORKING) torture $(TORTURE_ARGS)

torture-agent: $(DEVICE)/.agent $(BUNDLES)/.made
	$(FORKING) torture.agent_kills $(TORTURE_ARGS)

# As root: its state lies on a file system of its own.
torture-agent-power: $(DEVICE)/.agent $(BUNDLES)/.made
	$(FORKING) torture.agent_power $(TORTURE_ARGS)

torture-fleet: $(DEVICE)/.fleet $(BUNDLES)/.made
	$(FORKING) torture.fleet_kills $(TORTURE_ARGS)

soak-agent: $(DEVICE)/.agent $(BUNDLES)/.made
	$(FORKING) torture.agent_soak $(SOAK_ARGS)

# Beside the host's environment, which stays what a user has.
zoo: $(ZOO)/.installed $(DEVICE)/.installed
	$(ZOO)/bin/python -m benchmarks.zoo $(ZOO_ARGS)

exporters: $(ZOO)/.installed $(DEVICE)/.installed
	$(ZOO)/bin/python -W ignore -m benchmarks.exporters $(EXPORTERS_ARGS)

bench: $(HOST)/.installed $(DEVICE)/.installed $(if $(findstring --peers,$(BENCH_ARGS)),$(PEERS))
	$(HOST)/bin/python -m benchmarks.run $(BENCH_ARGS)

bench-page: $(HOST)/.installed
	$(HOST)/bin/python -m benchmarks.page

reproduction-page: $(HOST)/.installed
	$(HOST)/bin/python -m benchmarks.reproduction_page

comparison-page: $(HOST)/.installed
	$(HOST)/bin/python -m benchmarks.comparison_page

FROZEN := $(foreach drift,input feature output full,resnet26-$(drift)-frozen-32)

bench-suite: $(HOST)/.installed $(DEVICE)/.benched
	$(HOST)/bin/python -m benchmarks.prepare build/bench/bundles $(FROZEN)
	$(DEVICE)/bin/python -m pytest benchmarks --benchmark-group-by=func \
		--benchmark-columns=min,median,iqr,rounds --benchmark-sort=name

# Of HEAD, or of OTHER=commit; SAME_ARGS="--only bundles" for a part.
same: $(HOST)/.installed $(DEVICE)/.installed
	$(HOST)/bin/python -m benchmarks.same_results $(SAME_ARGS) $(BASE) $(OTHER)

size: $(DEVICE)/.installed
	$(DEVICE)/bin/python benchmarks/device_size.py

# Pages with parts that programs write: the help of commands, and what was counted.
GENERATED := docs/commands.md docs/speed.md
COG := PYTHONPATH="$(CURDIR)" PATH="$(CURDIR)/$(HOST)/bin:$$PATH" $(HOST)/bin/cog

lint: $(HOST)/.installed $(DEVICE)/.installed
	$(HOST)/bin/ruff check .
	$(HOST)/bin/ruff format --check .
	$(HOST)/bin/mypy
	$(COG) --check $(GENERATED)

format: $(HOST)/.installed
	$(HOST)/bin/ruff check --fix .
	$(HOST)/bin/ruff format .
	$(COG) -r $(GENERATED)

$(HOST)/.installed: pyproject.toml constraints.txt
	@echo "installing the host environment (torch, onnx, ORT Training) in $(HOST)"
	$(PYTHON) -m venv $(HOST)
	$(HOST)/bin/pip install $(PIP_FLAGS) --editable '.[export,dev]'
	@touch $@

$(FEDERATED)/.installed: pyproject.toml constraints-federated.txt
	@echo "installing the environment of rounds (stock onnxruntime, flwr) in $(FEDERATED)"
	$(DEVICE_PYTHON) -m venv $(FEDERATED)
	$(FEDERATED)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-federated.txt \
		--editable '.[federated]' pytest hypothesis
	@touch $@

$(ANSIBLE)/.installed: constraints-ansible.txt
	@echo "installing Ansible in $(ANSIBLE)"
	$(PYTHON) -m venv $(ANSIBLE)
	$(ANSIBLE)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-ansible.txt \
		ansible-core ansible-lint
	@touch $@

$(ZOO)/.installed: pyproject.toml constraints.txt
	@echo "installing the host environment with torchvision, timm and pytorchcv in $(ZOO)"
	$(PYTHON) -m venv $(ZOO)
	$(ZOO)/bin/pip install $(PIP_FLAGS) --editable '.[export,zoo]'
	@touch $@

$(DEVICE)/.installed: pyproject.toml constraints.txt
	@echo "installing the device environment (stock onnxruntime) in $(DEVICE)"
	$(DEVICE_PYTHON) -m venv $(DEVICE)
	$(DEVICE)/bin/pip install $(PIP_FLAGS) --editable '.[device]'
	@touch $@

$(DEVICE)/.agent: $(DEVICE)/.installed
	$(DEVICE)/bin/pip install $(PIP_FLAGS) --editable '.[agent]'
	@touch $@

$(DEVICE)/.fleet: $(DEVICE)/.agent
	$(DEVICE)/bin/pip install $(PIP_FLAGS) --editable '.[fleet]'
	@touch $@

# The tests need a runner beside what a device has, and what judges whether everybody can use a page.
$(DEVICE)/.tested: $(DEVICE)/.fleet
	$(DEVICE)/bin/pip install $(PIP_FLAGS) pytest pytest-xdist hypothesis jsonschema axe-core-python
	@touch $@

$(DEVICE)/.benched: $(DEVICE)/.tested
	$(DEVICE)/bin/pip install $(PIP_FLAGS) pytest-benchmark
	@touch $@

bench-arm: $(HOST)/.installed $(DEVICE)/.installed arm-tools
	$(HOST)/bin/python -m benchmarks.arm.prepare
	$(DEVICE)/bin/python -m benchmarks.arm.count $(BENCH_ARGS)

bench-rounds: $(HOST)/.installed $(FEDERATED)/.installed nginx
	$(HOST)/bin/python -m benchmarks.prepare build/bench/bundles resnet26-output-frozen-32 resnet26-feature-frozen-32
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(FEDERATED)/bin/python tests/federated/measure_rounds.py

bench-fleet-growth: $(HOST)/.installed $(DEVICE)/.fleet
	$(HOST)/bin/python -m benchmarks.prepare build/bench/bundles resnet26-output-frozen-32
	OMP_NUM_THREADS=1 $(DEVICE)/bin/python -m benchmarks.fleet.growth build/bench/bundles/resnet26-output-frozen-32 $(GROWTH_ARGS)

bench-extras: $(DEVICE)/.installed
	$(DEVICE)/bin/python -m benchmarks.fleet.extras

bench-waves: $(HOST)/.installed $(DEVICE)/.fleet $(ANSIBLE)/.installed ssh
	$(HOST)/bin/python -m benchmarks.prepare build/bench/bundles resnet26-output-frozen-32
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(DEVICE)/bin/python tests/pushing/measure_waves.py

bench-metering: $(HOST)/.installed $(DEVICE)/.installed
	$(HOST)/bin/python -m benchmarks.prepare build/bench/bundles resnet26-feature-frozen-32
	$(DEVICE)/bin/python -m benchmarks.metering

bench-masks: $(HOST)/.installed $(DEVICE)/.installed
	$(HOST)/bin/python -m benchmarks.masks write build/bench/masks
	$(DEVICE)/bin/python -m benchmarks.masks measure build/bench/masks

# What `make bench` compares with, only when asked. One that cannot be installed is shown as such: the others go on.
.venv/peer-jax/.installed: PACKAGES := jax==0.10.2 jaxlib==0.10.2
.venv/peer-mnn/.installed: PACKAGES := MNN==3.6.1
.venv/peer-executorch/.installed: PACKAGES := executorch==1.5.1 torch==2.13.0
$(PEERS):
	@echo "installing $(PACKAGES) in $(@D)"
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check $(PACKAGES) msgspec numpy safetensors && touch $@ || \
		echo "$(PACKAGES) cannot be installed here"

# Small bundles for the device tests, made where torch is.
$(BUNDLES)/.made: $(HOST)/.installed $(SOURCES)
	$(HOST)/bin/python tests/support/make_bundles.py $(BUNDLES)
	@touch $@

clean:
	rm -rf .venv build demo-output demo-sensor-output demo-agent-output demo-fleet-output
