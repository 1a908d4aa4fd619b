"""Audio clips, decoded to samples."""

import io
import wave

import numpy as np

from expected import when

SHOWS = {"audio": ("audio",)}
TABS = {"audio"}


def answers(checks):
    tags = {}
    for run, tag, calls in checks.each("audio"):
        samples = max(len(call["input"]) for call in calls)
        named = {"displayName": "", "description": "", "samples": samples}
        tags.setdefault(run, {})[tag] = named
    yield "tags", tags, checks.board.json("data/plugin/audio/tags")
    for run, by_tag in tags.items():
        for tag, named in by_tag.items():
            calls = checks.series["audio"][run][tag]
            for sample in range(named["samples"]):
                yield from clips(checks, run, tag, calls, sample)


def clips(checks, run, tag, calls, sample):
    listed = checks.board.json("data/plugin/audio/audio", run=run, tag=tag, sample=sample)
    found = [[clip["wall_time"], clip["step"], clip["contentType"]] for clip in listed]
    yield f"{run} {tag} {sample}", [when(call) + ["audio/wav"] for call in calls], found
    for call, clip in zip(calls, listed):
        path = "data/plugin/audio/individualAudio?" + clip["query"]
        body, content_type = checks.board.get(path)
        name = "{run} {tag} step {step}".format(**call) + f" clip {sample}"
        wanted = call["input"][sample]
        head = ["audio/wav", wanted["channels"], 2, wanted["rate"], "NONE"]
        with wave.open(io.BytesIO(body)) as file:
            params = file.getparams()
            found = [content_type, params[0], params[1], params[2], params[4]]
            yield name, head, found
            frames = np.frombuffer(file.readframes(params.nframes), "<i2")
        yield name, samples_of(wanted).tolist(), frames.tolist()
        yield name, 44 + 2 * len(wanted["samples"]), len(body)


def samples_of(clip):
    """TensorFlow's rule: round half away from 0, then clip. NaN is silence."""
    values = np.array([float(sample) for sample in clip["samples"]])
    if clip["type"] == "i16":
        return values.astype(int)
    values = values * 32768
    rounded = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return np.nan_to_num(np.clip(rounded, -32768, 32767), nan=0).astype(int)
