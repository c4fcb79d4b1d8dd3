"""What a worker process does: a loop over jobs, each a plain function on the core, each answered."""

from __future__ import annotations

import contextlib
import gc
import signal
import traceback
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from app.errors import EligoError
from app.knowledge.load import load_catalogue
from app.services import core, curation, diffs, reading
from app.services.cards import write_cards
from app.services.core import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection

    from app.emitters.canonical import Canonical
    from app.emitters.cards import CardMaker
    from app.emitters.prefetch import Template
    from app.knowledge.local import SiteCodes
    from app.services.core import TrialKey
    from app.services.curation import Carried
    from app.services.options import Options, Wish
    from app.services.reading import ReadTrial
    from app.services.site import Site

_COLLECT_AFTER = 50_000
_FRAMES = 6


@dataclass(frozen=True, slots=True)
class Done:
    """The job's answer, and what its reports came to (`Desk.tally`)."""

    value: Any
    tally: dict[tuple[str, ...], int] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal of ours, taken apart: an exception's own way through a pipe calls its class with the message alone."""

    kind: type[EligoError]
    args: tuple[Any, ...]
    data: dict[str, Any]

    def error(self) -> EligoError:
        """The refusal as it was raised."""
        error = self.kind.__new__(self.kind)
        error.args = self.args
        vars(error).update(self.data)
        return error


@dataclass(frozen=True, slots=True)
class Broken:
    """A bug: the kind of exception and where it passed. Its message stays here, for a record may stand in it."""

    kind: str
    where: str


Answer: TypeAlias = Done | Refused | Broken


class _Leave:
    """On SIGTERM, which a whole group of processes may get, a worker goes when it has answered, or at once if idle."""

    def __init__(self) -> None:
        self.is_busy = False
        self.is_asked = False

    def __call__(self, *_: object) -> None:
        """Take the signal."""
        self.is_asked = True
        if not self.is_busy:
            raise SystemExit(0)


def work(pipe: Connection, canonical: Canonical, site: Site, most_entries: int) -> None:
    """The life of a worker: until the pipe is closed from the other side."""
    leave = _Leave()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and decides
    signal.signal(signal.SIGTERM, leave)
    desk: Desk | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            leave.is_busy = False
            if leave.is_asked:
                return
            pipe.poll(None)
            leave.is_busy = True  # from the first byte on: what is on its way in is answered
            job, args, kwargs = pipe.recv()
            if desk is None:
                laid = answer(_lay_desk, canonical, site, most_entries)
                if not isinstance(laid, Done):
                    pipe.send(laid)
                    continue
                desk = laid.value
            pipe.send(_with_tally(answer(job, desk, *args, **kwargs), desk))


def _with_tally(answered: Answer, desk: Desk) -> Answer:
    tally = dict(desk.tally)
    desk.tally.clear()
    return Done(answered.value, tally) if isinstance(answered, Done) and tally else answered


def _lay_desk(canonical: Canonical, site: Site, most_entries: int) -> Desk:
    desk = Desk(load_catalogue(), canonical, site, most_entries)
    settle()
    return desk


def settle() -> None:
    """Leave what there is by now out of garbage collection, for it stays, and collect seldom: a job makes much, and
    what it makes goes by itself when it is done.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


def answer(job: Callable[..., object], *args: Any, **kwargs: Any) -> Answer:
    """Do a job and say how it went."""
    try:
        return Done(job(*args, **kwargs))
    except EligoError as refusal:
        return Refused(type(refusal), refusal.args, dict(vars(refusal)))
    except Exception as bug:  # noqa: BLE001  told without its message, and raised as WorkFailed on the other side
        return Broken(type(bug).__name__, where(bug))


def where(error: BaseException) -> str:
    """The lines of code an exception passed, innermost last, and nothing else of it."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " > ".join(f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in frames)


def warm(_: Desk) -> None:
    """Nothing but having the desk ready."""


def forget(desk: Desk) -> None:
    """Clear the desk of trials."""
    desk.forget()


def localise(desk: Desk, codes: SiteCodes) -> None:
    """Know a site's own codes."""
    desk.localise(codes)


def learn(desk: Desk, documents: Mapping[TrialKey, str]) -> None:
    """Compile trials from their documents."""
    for key, document in documents.items():
        desk.trials[key] = core.ready_trial(desk, key.version, document)


def read_trial(desk: Desk, media_type: str, body: str, number: str | None = None) -> ReadTrial:
    """Read a registration."""
    return reading.read_trial(media_type, body, number, desk.catalogue)


def read_text(desk: Desk, text: str) -> bytes:
    """Read criteria."""
    return reading.read_text(text, desk.catalogue)


def correct(desk: Desk, document: str, body: str) -> str | None:
    """Put a person's corrections into a document; None where it has them."""
    return curation.correct(document, body, desk.catalogue)


def carry(_: Desk, reviewed: str, version: int, read: str) -> Carried:
    """Keep a person's readings in a document that was read anew."""
    return curation.carry(reviewed, version, read)


def diff(desk: Desk, before: str, after: str, versions: tuple[int, int]) -> bytes:
    """Lay two documents side by side."""
    return diffs.diff(before, after, versions, desk.catalogue)


def judge(desk: Desk, trial: TrialKey, bundle: bytes, options: Options) -> bytes:
    """Judge a record by one trial on the desk."""
    return core.judge(desk.trials[trial], bundle, options, desk)


def judge_all(desk: Desk, trials: Sequence[TrialKey], bundle: bytes, options: Options, limit: int | None) -> bytes:
    """Judge a record by many trials on the desk."""
    return core.judge_all((desk.trials[each] for each in trials), bundle, options, limit, desk)


def make_cards(
    desk: Desk, trials: Sequence[TrialKey], bundle: bytes, options: Options, wish: Wish, *, maker: CardMaker, named: str
) -> bytes:
    """Judge a record by many trials on the desk, and make cards of the best."""
    found = core.find_candidates((desk.trials[each] for each in trials), bundle, options, wish, desk)
    return write_cards(found, maker, named, is_about_orders=wish.ordered is not None)


def prefetch(desk: Desk, trials: Sequence[TrialKey]) -> tuple[Template, ...]:
    """What should be sent along, so that these trials can be judged."""
    return core.prefetch((desk.trials[each] for each in trials), desk)


def judge_inline(desk: Desk, body: bytes, options: Options) -> bytes:
    """Judge a record by a trial that came along."""
    return core.judge_inline(body, options, desk)
