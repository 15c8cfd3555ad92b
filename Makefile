# make            what CI asks of a change before everything else: build, vet, test
# make help       the rest

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE     ?= eventrouter/router:dev
CA_BUNDLE ?= /etc/ssl/certs/ca-certificates.crt
FUZZTIME  ?= 15s
LDFLAGS    = -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := all

.PHONY: all
all: build vet test

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## The static binary, as dist/router
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o dist/router ./cmd/router

.PHONY: demo
demo: ## A complete router on embedded parts, for five seconds
	$(GO) run ./cmd/router demo --for 5s

.PHONY: test
test: ## All tests; they need no service
	$(GO) test ./...

.PHONY: race
race: ## All tests with the race detector
	$(GO) test -race ./...

.PHONY: test-brokers
test-brokers: ## All tests, with real brokers on loopback ports (see test/README.md)
	test/brokers/up -- $(GO) test -tags brokers -timeout 25m ./...

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME
	@$(GO) list ./... | while read -r pkg; do \
		$(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' | while read -r target; do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
		done || exit 1; \
	done

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, with the rules of .golangci.yml
	golangci-lint run

.PHONY: fmt
fmt: ## Format all code
	golangci-lint fmt

.PHONY: check
check: build ## Check every configuration in configs/ and deploy/
	@for file in configs/*.yaml deploy/compose/*.yaml; do \
		echo "$$file"; dist/router check -c "$$file" || exit 1; \
	done

.PHONY: image
image: build ## The container image, compiled here; only the daemon is needed
	rm -rf dist/image
	mkdir -p dist/image/etc/ssl/certs dist/image/tmp dist/image/data
	cp $(CA_BUNDLE) dist/image/etc/ssl/certs/ca-certificates.crt
	cp dist/router dist/image/router
	docker build --target image -t $(IMAGE) .

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf dist
