"""A Git server's repository and a clone of it, in one folder."""

import os
import subprocess
from pathlib import Path

_BRANCH = "main"


class GitRepository:
    """One that a person commits to and pushes, and a GitOps tool reads."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.clone = folder / "origin.git", folder / "clone"
        self._git("init", "--quiet", "--bare", "--initial-branch", _BRANCH, str(self.origin))
        self._git("clone", "--quiet", str(self.origin), str(self.clone))
        self._git("checkout", "--quiet", "-B", _BRANCH, at=self.clone)

    @property
    def url(self) -> str:
        """Where a tool on this machine finds it."""
        return self.origin.as_uri()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep this machine's own Git settings out."""
        who = {"NAME": "Shop", "EMAIL": "shop@example.com"}
        names = {f"GIT_{role}_{key}": who[key] for role in ("AUTHOR", "COMMITTER") for key in who}
        return {**names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def after_push(self, script: str) -> None:
        """Have the server run a script after each push, as a webhook does."""
        hook = self.origin / "hooks" / "post-receive"
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)

    def commit(self, path: str, text: str, message: str) -> str:
        """Commit a file and return the commit; nobody else sees it before a push."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self._git("add", "--all", at=self.clone)
        self._git("commit", "--quiet", "--message", message, at=self.clone)
        return self._head()

    def revert(self) -> str:
        """Take the last commit back with another one, and return that."""
        self._git("revert", "--no-edit", "HEAD", at=self.clone)
        return self._head()

    def push(self) -> None:
        """Show the server what was committed."""
        self._git("push", "--quiet", "--set-upstream", "origin", _BRANCH, at=self.clone)

    def _head(self) -> str:
        return self._git("rev-parse", "HEAD", at=self.clone).strip()

    def _git(self, *words: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=at,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout
