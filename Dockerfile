# Any Debian-based Python 3.11 will do, a mirror's or one pinned by digest: --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# Without pip: what runs has no use for an installer.
RUN python -m venv --without-pip /opt/volray
# The dependencies before the code, so that a change of code alone installs and compiles none of them anew.
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > dependencies.txt
# Only wheels: the slim image has no compiler, and nobody's setup.py runs here.
RUN python -m pip --python=/opt/volray/bin/python install --no-cache-dir --no-compile --only-binary=:all: --constraint=constraints.txt --requirement=dependencies.txt
# The root is read-only at run time: what is not compiled now is compiled anew at every start. By hash rather than by
# time, because a copy into the next stage need not keep the times.
RUN /opt/volray/bin/python -m compileall -q --invalidation-mode=unchecked-hash /opt/volray/lib
COPY README.md LICENSE ./
COPY webhook webhook
COPY certs certs
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir=dist .
RUN python -m pip --python=/opt/volray/bin/python install --no-cache-dir --no-compile --no-deps dist/*.whl
RUN /opt/volray/bin/python -m compileall -q --invalidation-mode=unchecked-hash /opt/volray/lib/python*/site-packages/webhook /opt/volray/lib/python*/site-packages/certs

FROM ${PYTHON_IMAGE}
# Root's files: volray cannot change its own code, even where the root is writable.
COPY --from=build /opt/volray /opt/volray
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, because `runAsNonRoot` cannot judge a name.
USER 65532:65532
ENTRYPOINT ["/opt/volray/bin/volray"]
# One image for several programs: which of them is the manifest's to say, none is the default.
CMD ["--help"]
