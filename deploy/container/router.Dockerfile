# BIRD as the router of the lab in compose.yaml, and `ip` for addresses that Docker does not give.
# checkov:skip=CKV_DOCKER_3:it changes routes, with the capabilities that compose.yaml leaves it
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends 'bird2=2.0.*' 'iproute2=6.*' \
    && rm -rf /var/lib/apt/lists/* \
    # Its control socket's place: no init system makes it here.
    && install -d /run/bird
HEALTHCHECK --interval=5s --timeout=3s CMD ["birdc", "show", "status"]
CMD ["bird", "-f", "-c", "/etc/bird/bird.conf"]
