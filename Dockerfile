# The server as a container without shell and without root. docs/operations.md says how to run it.
#
#   docker build -t stockhold .
#   docker run --rm -v stockhold:/var/lib/stockhold stockhold format /var/lib/stockhold/data
#   docker run -d --name stockhold -v stockhold:/var/lib/stockhold -p 127.0.0.1:7411:7411 stockhold

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --features cloud --bin stockhold \
    && install -D target/dist/stockhold /out/usr/bin/stockhold \
    && install -d -m 0750 /out/var/lib/stockhold

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr/bin/stockhold /usr/bin/stockhold
# A new volume takes over the owner. Mount one: without it the data is deleted with the container, and `status` warns.
COPY --from=build --chown=65532:65532 /out/var/lib/stockhold /var/lib/stockhold
USER 65532:65532
VOLUME /var/lib/stockhold
EXPOSE 7411
# A server that replays its log answers nothing yet. `status` ends with 3 or 5 then, which counts as not healthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m \
    CMD ["/usr/bin/stockhold", "status", "--server", "127.0.0.1:7411", "--timeout", "3s"]
ENTRYPOINT ["/usr/bin/stockhold"]
CMD ["serve", "--data-dir", "/var/lib/stockhold/data", "--listen", ":7411"]
