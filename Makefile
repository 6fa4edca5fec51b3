# The two commands of the README: `make run` and `make test`.

GO ?= go
export CGO_ENABLED = 0

.PHONY: build run test tools peers lint fuzz bench release clean

build:
	$(GO) build -trimpath -o enshu ./cmd/enshu

# Status 1 is a lab that was left unsolved, which is no error of make's.
run: tools build
	./enshu run tcp-forwarding || [ $$? -eq 1 ]

# The tools of the machine that every host has: vi, ss, ps …
tools:
	./tools/peers hosts

# Everything that the tests run beside our own programs.
peers:
	./tools/peers

test: peers
	$(GO) test -timeout 20m ./...

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these"; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...

# Every fuzz target for FUZZTIME.
FUZZTIME ?= 10s
fuzz:
	./tools/fuzz $(FUZZTIME)

# Whole labs, beside Mininet; then everything else. What is measured stands
# beside its limit.
bench:
	./tools/peers mininet
	$(GO) test -run '^$$' -bench . -benchtime 1s -timeout 30m ./cmd/enshu
	$(GO) test -run '^$$' -bench . -benchtime 200ms $$($(GO) list ./... | grep -v /cmd/enshu$$)

release:
	for arch in amd64 arm64; do GOARCH=$$arch $(GO) build -trimpath -ldflags '-s -w' -o dist/enshu-$$arch ./cmd/enshu || exit 1; done

clean:
	rm -rf enshu dist
