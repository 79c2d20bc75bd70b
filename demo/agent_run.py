"""A device that looks after itself: it answers, notices drift, adapts, asks, is answered, adapts again.

    python demo/agent_run.py [--host .venv/host] [--device .venv/device] [--out demo-agent-output] [--stay]

The camera is made up: files of real scans of digits, clean at first, then under dim light and noise, and at last with
other meanings. What the agent asks is answered by this script, over the page's own HTTP API, as a person would. What
the agent writes into its journal is printed as it happens.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent_camera import PHASES, Camera
from agent_page import Page
from commands import DemoError, Json, run, run_json, say
from surroundings import Surroundings

DEMO = Path(os.path.relpath(Path(__file__).parent))
MARKER = ".made-by-tbft-edge-agent-demo"
PORT = 8643
# So that a story of weeks is told in minutes; docs/agent.md has what a device in the field is given.
SETTINGS = """bundle = "digits.tar.gz"
state = "state"
threads = 1

[camera]
folder = "camera"
after = "delete"
every_seconds = 0.2

[http]
port = {port}

[ask]
every_days = 0.0002
images = 8

[adapt]
images = 224
labels = 24
unverified = true
most_celsius = 95.0
meter = "{meter}"
rest_hours = 0.0

[probation]
images = 128
"""
STARTING_SECONDS = 60


@dataclass(frozen=True)
class Place(Surroundings):
    """Where each thing that the demo makes goes."""

    @property
    def bundle(self) -> Path:
        return self.out / "digits.tar.gz"

    @property
    def source(self) -> Path:
        return self.out / "source.npz"

    @property
    def stream(self) -> Path:
        return self.out / "stream.npz"

    @property
    def held_out(self) -> Path:
        """Digits that the camera never sees, as they look and what they mean in a phase."""
        return self.out / "held-out.npz"

    @property
    def settings(self) -> Path:
        return self.out / "agent.toml"

    @property
    def camera(self) -> Path:
        return self.out / "camera"


@dataclass
class Story:
    """What happened, as the journal says it; each entry is told once."""

    page: Page
    events: list[str] = field(default_factory=list)
    _last: Json | None = None

    def tell(self) -> None:
        """Print what is new."""
        entries: list[Json] = self.page.status()["journal"]
        known = entries.index(self._last) + 1 if self._last in entries else 0
        for entry in entries[known:]:
            say(f"    {entry['what']}: {entry['says']}")
            self.events.append(entry["what"])
        self._last = entries[-1]


def prepare(place: Place) -> None:
    """Make the output folder, or remove from it what an earlier run of the demo wrote, and nothing else."""
    place.claim(MARKER)
    for folder in (place.camera, place.out / "state"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (place.bundle, place.source, place.stream, place.held_out, place.settings):
        file.unlink(missing_ok=True)
    place.camera.mkdir()


def compile_model(place: Place) -> None:
    """On the host: a plan for every block, and what the digits look like to the network."""
    run("host: makes what the camera will see", [place.host / "bin" / "python", DEMO / "agent_data.py", place.out])
    export: list[str | Path] = [place.host / "bin" / "tbft-edge", "export", "--model", "resnet26", "--drift", "all"]
    export += ["--weights", DEMO / "digits.safetensors", "--source", place.source, "--out", place.bundle]
    run("host: compiles a plan for every block, and says what digits look like", export)
    settings = SETTINGS.format(port=PORT, meter=place.meter if place.meter != "auto" else "none")
    place.settings.write_text(settings, encoding="utf-8")


def started(place: Place) -> subprocess.Popen[bytes]:
    """On the device: the agent, as a service would run it."""
    command = [str(place.device / "bin" / "tbft-edge"), "agent", str(place.settings)]
    say(f"\ndevice: looks after itself from now on\n  $ {' '.join(command)}")
    return subprocess.Popen(command)


def live(place: Place, agent: subprocess.Popen[bytes]) -> Iterator[Json]:
    """Phase after phase: how often answers were right in its beginning, and in its end."""
    page = Page(PORT)
    page.wait(STARTING_SECONDS, lambda: agent.poll() is not None)
    camera, story = Camera.open(place.stream, place.camera), Story(page)
    for phase in PHASES:
        say(f"\n{phase.what}")
        camera.write_held_out(phase, place.held_out)
        before = accuracy(place, page)
        begun = time.monotonic()
        while not phase.is_over(story.events):
            if agent.poll() is not None or time.monotonic() - begun > phase.most_seconds:
                raise DemoError(
                    f"the agent ended, or there was no '{phase.until}' for {phase.most_seconds:.0f} seconds"
                )
            camera.shoot(phase)
            page.answer_questions(partial(camera.meaning, phase=phase))
            story.tell()
            time.sleep(0.3)
        after = accuracy(place, page)
        say(f"  right of digits that it was never shown: {before:.1%} → {after:.1%}")
        story.events.clear()
        yield {"phase": phase.name, "before": before, "after": after}


def accuracy(place: Place, page: Page) -> float:
    """Of the version that answers, measured beside the agent, which hears nothing of it."""
    number = page.status()["version"]["number"]
    model = place.out / "state" / "versions" / f"{number:06}" / "run" if number else place.bundle
    command = [place.device / "bin" / "tbft-edge", "eval", model, "--data", place.held_out, "--threads", "1"]
    return float(run_json(f"device: measures version {number} on held-out digits", command)["accuracy"])


def main() -> int:
    """Tell the story; the exit code is 1 if it ends otherwise than it should."""
    stay = "--stay" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--stay"]
    place = Place.read("A device that looks after itself, from host to device.", Path("demo-agent-output"), arguments)
    start, agent = time.monotonic(), None
    try:
        prepare(place)
        compile_model(place)
        agent = started(place)
        found = list(live(place, agent))
        say(f"\ndone in {time.monotonic() - start:.0f} s; what it decided: tbft-edge agent logs {place.settings}")
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        if stay:
            say(f"its page stays open until Ctrl-C: http://127.0.0.1:{PORT}/")
            agent.wait()
    except DemoError as error:
        say(f"\ndemo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ndemo ended")
    finally:
        if agent is not None:
            agent.terminate()
            agent.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
