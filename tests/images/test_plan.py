from pathlib import Path

import pytest

from tests.images.dockerfile import DockerfileError
from tests.images.oci import Config
from tests.images.plan import Image, Step, bootstrapped, from_dockerfile

BASE = bootstrapped("bookworm", ("python3",), Config(environment=(("PATH", "/bin"),), cmd=("/bin/sh",)))


def planned(folder: Path, text: str, **arguments: str) -> Image:
    (folder / "Dockerfile").write_text(text)
    return from_dockerfile(folder, {"base": BASE}, arguments)


def steps(image: Image) -> list[Step]:
    return [layer.maker for layer in image.layers if isinstance(layer.maker, Step)]


def test_an_image_goes_on_where_its_base_ends(tmp_path: Path) -> None:
    image = planned(tmp_path, 'FROM base\nENV A=1 PATH=/a:$PATH\nUSER 1:2\nWORKDIR /w\nENTRYPOINT ["x"]\n')

    assert image.layers == BASE.layers
    assert image.config == Config((("PATH", "/a:/bin"), ("A", "1")), ("x",), (), "1:2", "/w")


def test_a_step_runs_as_the_user_and_with_the_variables_set_before_it(tmp_path: Path) -> None:
    image = planned(tmp_path, "FROM base\nARG B=2\nUSER 1\nWORKDIR /w\nRUN a\nUSER 0\nENV C=3\n")

    assert steps(image) == [Step(("/bin/sh", "-c", "a"), (("PATH", "/bin"), ("B", "2")), "1", "/w")]


def test_an_argument_is_the_caller_s_or_the_default(tmp_path: Path) -> None:
    text = "ARG IMAGE=none\nFROM ${IMAGE}\nARG IMAGE\nRUN a\n"

    assert dict(steps(planned(tmp_path, text, IMAGE="base"))[0].environment)["IMAGE"] == "base"
    with pytest.raises(DockerfileError, match=r"^line 2: none "):
        planned(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("RUN a\n", 1),
        ("FROM base\nARG A\n", 2),
        ("FROM base\nWORKDIR /$A\n", 2),
        ("FROM base\nCOPY --from=other /a /b\n", 2),
        ("FROM base\nCOPY missing ./\n", 2),
    ],
)
def test_what_is_not_there_is_an_error_that_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(DockerfileError, match=f"^line {line}: "):
        planned(tmp_path, text)


STAGES = "FROM base AS build\nRUN early\nCOPY code /code\nRUN late\nFROM base\nCOPY --from=build /code /code\n"


def keys(folder: Path, text: str, code: str) -> list[str]:
    (folder / "code").write_text(code)
    image = planned(folder, text)
    source = steps(image)[-1].source
    assert isinstance(source, tuple)
    return [layer.key for layer in (*source, *image.layers)]


@pytest.mark.parametrize(
    ("text", "code", "kept"),
    [
        (STAGES, "old", [True, True, True, True, True, True]),
        (STAGES, "new", [True, True, False, False, True, False]),
        (STAGES.replace("late", "later"), "old", [True, True, True, False, True, False]),
        (STAGES.replace("early", "earlier"), "old", [True, False, False, False, True, False]),
    ],
)
def test_a_change_makes_its_layer_anew_and_what_stands_on_it(
    tmp_path: Path, text: str, code: str, kept: list[bool]
) -> None:
    before = keys(tmp_path, STAGES, "old")

    assert [old == new for old, new in zip(before, keys(tmp_path, text, code), strict=True)] == kept
