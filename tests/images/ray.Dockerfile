# Ray as in its published images: the same user, and an environment at the same path.
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 --gid 100 --shell /bin/bash ray
USER 1000:100
ENV HOME=/home/ray LANG=C.UTF-8 PYTHONUNBUFFERED=1 PATH=/home/ray/anaconda3/bin:$PATH
WORKDIR /home/ray
RUN python3 -m venv anaconda3
# A requirement of pip, and further ones for dependencies that have changed since that release.
ARG RAY
ARG PINS
RUN pip install --quiet --no-cache-dir "$RAY" $PINS
CMD ["/bin/bash"]
