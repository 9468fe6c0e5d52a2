# What holds a pod together: process 1 of each pod's sandbox.
FROM scratch
COPY pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]
