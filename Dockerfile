# syntax=docker/dockerfile:1
# Two stages: what builds stays behind. `deploy/build-image` builds it where no registry can be reached.
ARG BUILD_BASE=docker.io/library/python:3.11-slim
ARG RUN_BASE=docker.io/library/python:3.11-slim

FROM ${BUILD_BASE} AS build
# A folder of wheels instead of an index, where there is none.
ARG PIP_NO_INDEX=
ARG PIP_FIND_LINKS=
ARG SOURCE_DATE_EPOCH=0
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
WORKDIR /src
RUN for each in build eligo sbom; do python3 -m venv --without-pip /opt/$each; done
COPY requirements-build.lock requirements.lock deploy/sbom.lock ./
RUN python3 -m pip --python /opt/build/bin/python install --require-hashes -r requirements-build.lock \
    && python3 -m pip --python /opt/eligo/bin/python install --require-hashes -r requirements.lock \
    && python3 -m pip --python /opt/sbom/bin/python install --require-hashes -r sbom.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY app ./app
COPY migrations ./migrations
RUN python3 -m pip --python /opt/build/bin/python wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python3 -m pip --python /opt/eligo/bin/python install --no-deps --no-index /wheels/*.whl \
    && find /opt/eligo -name direct_url.json -delete
COPY deploy/sbom.py ./
# The list of what is in the image; and bytecode that depends on the source alone, so that two builds are the same.
RUN mkdir -p /opt/eligo/share \
    && /opt/sbom/bin/python sbom.py /opt/eligo/bin/python > /opt/eligo/share/sbom.cdx.json \
    && PYTHONDONTWRITEBYTECODE= /opt/eligo/bin/python -m compileall -q -j1 --invalidation-mode unchecked-hash \
       -s /opt/eligo -p /opt/eligo /opt/eligo/lib

FROM ${RUN_BASE}
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Eligo" \
      org.opencontainers.image.description="Clinical trial criteria against FHIR records, with evidence. Not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      eligo.sbom="/opt/eligo/share/sbom.cdx.json"
# Nothing is written but the database: the root may be read-only, and /data is needed for SQLite alone.
ENV PATH=/opt/eligo/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/data \
    ELIGO_DATABASE_URL=sqlite:////data/eligo.db
COPY --from=build /opt/eligo /opt/eligo
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --chown=10001:10001 deploy/data /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
ENTRYPOINT ["eligo"]
# Without configured authentication the service listens on loopback only (docs/deploy.md).
CMD ["serve"]
