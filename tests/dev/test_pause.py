import hashlib
import io
import json
import tarfile

from carthub_dev import pause


def _files(archive: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            files[member.name] = content.read()
    return files


def test_the_archive_holds_an_image_with_one_program() -> None:
    files = _files(pause.docker_archive("carthub/pause:1", b"program", "x86_64"))
    (manifest,) = json.loads(files["manifest.json"])
    config = json.loads(files[manifest["Config"]])
    layer = files[manifest["Layers"][0]]

    assert manifest["RepoTags"] == ["carthub/pause:1"]
    assert config["architecture"] == "amd64"
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert _files(layer) == {"pause": b"program"}


def test_the_same_program_gives_the_same_bytes() -> None:
    first, second = (pause.docker_archive("p:1", b"program", "aarch64") for _ in range(2))
    assert first == second
