# The program with its locked dependencies, checked by hash. It runs as uid 10001 and writes only to
# /var/lib/dicom-fhir-indexer (the ledger), so the root file system can be read-only.
#
#   docker build --tag dicom-fhir-indexer .
#   docker run --read-only --volume ledger:/var/lib/dicom-fhir-indexer \
#       --volume ./config.yaml:/etc/dicom-fhir-indexer/config.yaml:ro dicom-fhir-indexer

FROM python:3.13-slim AS dependencies
COPY requirements/run.txt /tmp/run.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement /tmp/run.txt

FROM python:3.13-slim
LABEL org.opencontainers.image.title="dicom-fhir-indexer" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 indexer \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/dicom-fhir-indexer \
        --shell /usr/sbin/nologin indexer \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/dicom-fhir-indexer \
    && printf '#!/bin/sh\nexec /opt/venv/bin/python -m indexer "$@"\n' > /usr/local/bin/dicom-fhir-indexer \
    && chmod 0755 /usr/local/bin/dicom-fhir-indexer
COPY --from=dependencies /opt/venv /opt/venv
COPY LICENSE /usr/share/doc/dicom-fhir-indexer/LICENSE
COPY indexer /opt/dicom-fhir-indexer/indexer
# Compiled once here: the running container cannot write there.
RUN /opt/venv/bin/python -m compileall -q /opt/dicom-fhir-indexer
ENV PYTHONPATH=/opt/dicom-fhir-indexer \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/dicom-fhir-indexer
VOLUME /var/lib/dicom-fhir-indexer
STOPSIGNAL SIGTERM
ENTRYPOINT ["dicom-fhir-indexer"]
CMD ["run"]
