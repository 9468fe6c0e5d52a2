from pathlib import Path

import pytest

from tests.images.dockerfile import (
    Arg,
    Cmd,
    Copy,
    DockerfileError,
    Entrypoint,
    Env,
    From,
    Instruction,
    Run,
    User,
    Workdir,
    parse,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARG A", Arg(1, "A", None)),
        ("ARG A=b:c=d", Arg(1, "A", "b:c=d")),
        ("FROM debian:bookworm", From(1, "debian:bookworm", None)),
        ("FROM ${IMAGE} AS build", From(1, "${IMAGE}", "build")),
        ("from a as b", From(1, "a", "b")),
        ("COPY a b ./", Copy(1, ("a", "b"), "./", None)),
        ("COPY --from=build /a /b", Copy(1, ("/a",), "/b", "build")),
        ("RUN a && b | c", Run(1, "a && b | c")),
        ("RUN a \\\n  b", Run(1, "a  b")),
        ("RUN a \\\n# why\n  b", Run(1, "a  b")),
        ("ENV A=1 B='2 3' PATH=/a:$PATH", Env(1, (("A", "1"), ("B", "2 3"), ("PATH", "/a:$PATH")))),
        ("WORKDIR /src", Workdir(1, "/src")),
        ("USER 65532:65532", User(1, "65532:65532")),
        ('ENTRYPOINT ["a", "b c"]', Entrypoint(1, ("a", "b c"))),
        ('CMD ["--help"]', Cmd(1, ("--help",))),
    ],
)
def test_an_instruction_is_read(text: str, expected: Instruction) -> None:
    assert parse(text) == [expected]


@pytest.mark.parametrize(
    "statement",
    [
        "ADD a b",
        "HEALTHCHECK NONE",
        'SHELL ["/bin/bash"]',
        "ARG A=1 B=2",
        "FROM --platform=linux/amd64 a",
        "FROM a b",
        "COPY a",
        "COPY --chown=1:1 a b",
        "COPY --from=a --from=b c d",
        "COPY *.py ./",
        'COPY ["a", "b"]',
        'RUN ["a"]',
        "RUN --mount=type=cache,target=/c a",
        "RUN <<EOF",
        "RUN",
        "ENV A 1",
        "WORKDIR src",
        "ENTRYPOINT a b",
        'CMD ["a", 1]',
        'CMD {"a": "b"}',
        "RUN a \\",
    ],
)
def test_what_cannot_be_built_is_an_error_that_names_the_line(statement: str) -> None:
    with pytest.raises(DockerfileError, match=r"^line 3: "):
        parse(f"# first\nFROM a\n{statement}\n")


def test_the_repository_s_dockerfile_can_be_read() -> None:
    instructions = parse((ROOT / "Dockerfile").read_text())

    assert [each.name for each in instructions if isinstance(each, From)] == ["build", None]
    assert instructions[-1] == Cmd(instructions[-1].line, ("--help",))
