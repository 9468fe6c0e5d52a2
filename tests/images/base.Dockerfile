# Debian with its own Python, in place of the images that a registry would give us.
FROM scratch
ADD root.tar /
CMD ["/bin/bash"]
