# Two ways to the same image: a static binary, the certificate authorities and two writable folders, nothing else.
#
#   docker build -t eventrouter/router:dev .                     compiles inside, needs the network
#   make image                                                   compiles outside, then needs nothing but the daemon
#
# The first needs BuildKit, the default since Docker 23, which passes over the target "image". The second builds that
# target from dist/image, which make prepares; it stands before the compiling stage, so that no builder pulls a base
# image for it.

FROM scratch AS base
USER 65532:65532
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=6s --start-period=5s --retries=3 CMD ["/router", "health"]
ENTRYPOINT ["/router"]
CMD ["run", "-c", "/etc/router"]

FROM base AS image
COPY dist/image/etc /etc
COPY --chown=65532:65532 dist/image/tmp /tmp
COPY --chown=65532:65532 dist/image/data /data
COPY dist/image/router /router

FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/router ./cmd/router \
 && mkdir -p /out/etc/ssl/certs /out/tmp /out/data \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM base
COPY --from=build /out/etc /etc
COPY --from=build --chown=65532:65532 /out/tmp /tmp
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/router /router
