# syntax=docker/dockerfile:1
# The way in: `ingest collect` and `ingest load`, and `migrate`, which prepares the store for them.
# Built from the root of the repository: docker build -f docker/ingest.Dockerfile -t footfall-ingest .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the layer, so the next build compiles only what changed.
RUN --mount=type=cache,id=footfall-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=footfall-target,target=/src/target,sharing=locked \
    cargo build --locked --release -p ingest --bin ingest -p schema --bin migrate \
    && mkdir /out \
    && cp target/release/ingest target/release/migrate /out/

FROM debian:bookworm-slim
# OpenSSL and the certificate authorities are librdkafka's, for brokers that speak TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin footfall \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/footfall
# What a collector accepts while the brokers are away.
ENV FOOTFALL_DATA=/var/lib/footfall
COPY --chmod=755 docker/healthy /usr/local/bin/healthy
COPY --from=build /out/ /usr/local/bin/
USER 10001:10001
EXPOSE 8000
# Of the collector. The loader serves no HTTP; the compose file asks after its connection to the brokers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["healthy", "answers", "8000", "/health"]
ENTRYPOINT ["ingest"]
CMD ["collect"]
