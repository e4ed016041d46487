import io
import json
import tarfile
from pathlib import Path

from carthub_dev import image_contents


def tar(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def image(folder: Path, *layers: dict[str, bytes], **configuration: object) -> Path:
    """Write a docker-archive of such layers."""
    names = [f"{number}.tar" for number, _ in enumerate(layers)]
    archive = folder / "image.tar"
    manifest = [{"Layers": names, "Config": "config.json"}]
    packed = {name: tar(layer) for name, layer in zip(names, layers, strict=True)}
    packed["manifest.json"] = json.dumps(manifest).encode()
    packed["config.json"] = json.dumps({"config": configuration}).encode()
    archive.write_bytes(tar(packed))
    return archive


def test_files_are_as_a_container_sees_them(tmp_path: Path) -> None:
    archive = image(
        tmp_path,
        {"./a/one": b"1", "a/two": b"2", "b/three": b"3", "c/four": b"4", "c/d/five": b"5"},
        {"a/.wh.one": b"", ".wh.b": b"", "c/.wh..wh..opq": b"", "c/six": b"6"},
        {"a/two": b"another", "b/seven": b"7"},
    )

    found = image_contents.read(archive, wanted=lambda _path: True)

    assert found.files == {"a/two": b"another", "c/six": b"6", "b/seven": b"7"}


def test_only_what_is_wanted_is_kept(tmp_path: Path) -> None:
    archive = image(tmp_path, {"a": b"1", "b": b"2"}, Env=["A=1"])

    found = image_contents.read(archive, wanted=lambda path: path == "b")

    assert found.files == {"b": b"2"}
    assert found.configuration == {"config": {"Env": ["A=1"]}}
