# syntax=docker/dockerfile:1
# The way out: `query-api`.
# Built from the root of the repository: docker build -f docker/query-api.Dockerfile -t footfall-query-api .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the layer, so the next build compiles only what changed.
RUN --mount=type=cache,id=footfall-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=footfall-target,target=/src/target,sharing=locked \
    cargo build --locked --release -p query-api --bin query-api \
    && mkdir /out \
    && cp target/release/query-api /out/

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin footfall
COPY --chmod=755 docker/healthy /usr/local/bin/healthy
COPY --from=build /out/ /usr/local/bin/
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["healthy", "answers", "8000", "/health"]
ENTRYPOINT ["query-api"]
