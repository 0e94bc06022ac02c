# Lineside as a container: the wheel and its dependencies are built in one stage, run in another without a compiler.
#
#   docker build -t lineside .
#   docker run -v ./lineside.toml:/etc/lineside/lineside.toml:ro -v lineside:/var/lib/lineside \
#              -p 8080:8080 -p 5672:5672 lineside
#
# Inside a container the gateway has to listen on 0.0.0.0, and then wants [auth] or allow_anonymous = true.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# The AMQP library is compiled; without pkg-config and both headers it would lack TLS or SASL and not say so.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev pkg-config libssl-dev libsasl2-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 PATH=/opt/lineside/bin:$PATH
RUN python3 -m venv /opt/lineside
# Dependencies first: this layer stays as long as these two files do.
COPY constraints.txt pyproject.toml ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        > requirements.txt \
    && pip wheel --wheel-dir /wheels -r requirements.txt
COPY README.md LICENSE ./
COPY gateway gateway
COPY adapters adapters
COPY simulators simulators
COPY config config
RUN pip wheel --no-deps --wheel-dir /wheels .
# From the wheels alone, into the folder that the next stage takes as it is; there nothing gets installed any more.
COPY .ci/verify-install .ci/verify-install
RUN pip install --no-index --find-links /wheels lineside \
    && python3 .ci/verify-install \
    && pip uninstall --yes setuptools pip

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl3 libsasl2-2 libsasl2-modules \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/lineside --shell /usr/sbin/nologin lineside \
    && install -d -o lineside -g lineside -m 0750 /var/lib/lineside \
    && install -d /etc/lineside
COPY --from=build /opt/lineside /opt/lineside
ENV PATH=/opt/lineside/bin:$PATH PYTHONUNBUFFERED=1
# As a number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/lineside
VOLUME /var/lib/lineside
EXPOSE 8080 5672
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python3", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4).read()"]
ENTRYPOINT ["lineside"]
CMD ["run", "-c", "/etc/lineside/lineside.toml"]
