# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/build && python -m venv /opt/eligo
COPY requirements-build.lock requirements.lock ./
RUN /opt/build/bin/pip install --require-hashes -r requirements-build.lock \
    && /opt/eligo/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY app ./app
COPY migrations ./migrations
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/eligo/bin/pip install --no-deps --no-index /wheels/*.whl

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Eligo" \
      org.opencontainers.image.description="Clinical trial criteria against FHIR records, with evidence. Not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/eligo/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ELIGO_DATABASE_URL=sqlite+aiosqlite:////data/eligo.db
RUN groupadd --gid 10001 eligo \
    && useradd --uid 10001 --gid eligo --no-create-home --shell /usr/sbin/nologin eligo \
    && install --directory --owner eligo --group eligo /data
COPY --from=build /opt/eligo /opt/eligo
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
ENTRYPOINT ["eligo"]
# Without configured authentication the service listens on loopback only (README, "In a container").
CMD ["serve"]
