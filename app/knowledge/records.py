"""Turns the catalogue's raw entries into records, and says of everything that is wrong with them where it is.

Pure: `load.py` brings the parsed files. An entry with a problem is left out, so that all problems are found in one go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from app.knowledge.catalogue import (
    Analyte,
    Code,
    CodeGroup,
    Concept,
    DoseThreshold,
    Drug,
    Family,
    Grading,
    Kind,
    Measure,
    Modifier,
    Product,
    ResultWords,
    Scale,
    ScaleValue,
    System,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from enum import StrEnum

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class CatalogueProblem:
    """One thing wrong in a catalogue file: the file, the entry's id, the key, what is wrong, what to do."""

    file: str
    entry: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """One line, as an author reads it."""
        place = " ".join(each for each in (self.entry, self.key) if each)
        return f"{self.file}: {place}: {self.message} {self.remedy}"


class Problems:
    """Gathers what is found, in order."""

    def __init__(self) -> None:
        self.found: list[CatalogueProblem] = []

    def add(self, file: str, entry: str, key: str, message: str, remedy: str) -> None:
        """Note one."""
        self.found.append(CatalogueProblem(file, entry, key, message, remedy))


class Entry:
    """One raw mapping under reading: every key that is asked for is ticked off, what is left over is a problem."""

    def __init__(self, file: str, name: str, raw: object, problems: Problems) -> None:
        self.file = file
        self.name = name
        self.problems = problems
        self.before = len(problems.found)
        self.raw: dict[Any, Any] = raw if isinstance(raw, dict) else {}
        self.asked: list[str] = []
        if not isinstance(raw, dict):
            self.problem("", f"This is {type(raw).__name__}, not a mapping.", "Write `key: value` lines.")

    def problem(self, key: str, message: str, remedy: str) -> None:
        """Note a problem of this entry."""
        self.problems.add(self.file, self.name, key, message, remedy)

    def whole(self) -> bool:
        """Whether nothing was wrong; asks last, and so also refuses the keys that nobody asked for."""
        for key in self.raw:
            if key not in self.asked:
                self.problem(str(key), "This key is not known here.", f"Use one of: {', '.join(self.asked)}.")
        return len(self.problems.found) == self.before

    def get(self, key: str, default: Any) -> Any:
        """The raw value."""
        self.asked.append(key)
        return self.raw.get(key, default)

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self.get(key, None)
        if isinstance(value, str) and value.strip():
            return value
        if value is None:
            self.problem(key, "This key is missing.", f"Add `{key}:`.")
        else:
            self.problem(key, f"{value!r} is not text.", "Put it in quotes.")
        return ""

    def maybe_text(self, key: str) -> str | None:
        """A text that may be absent."""
        if key in self.raw:
            return self.text(key)
        self.asked.append(key)
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty where absent; a text that stands twice is a problem."""
        value = self.get(key, [])
        if not isinstance(value, list):
            self.problem(key, "This is not a list.", "Write [a, b].")
            return ()
        for place, each in enumerate(value):
            if not isinstance(each, str) or not each.strip():
                self.problem(key, f"{each!r} is not text.", "Put it in quotes.")
            elif each in value[:place]:
                self.problem(key, f"{each!r} stands there twice.", "Take one out.")
        return tuple(str(each) for each in value)

    def names(self, name: str) -> tuple[str, ...]:
        """`names` in lower case, with the entry's own name in front where it is not among them."""
        names = self.texts("names")
        for each in names:
            if each != each.lower():
                self.problem("names", f"{each!r} has capitals.", "Write names in lower case.")
        return names if name.lower() in names else (name.lower(), *names)

    def flag(self, key: str) -> bool:
        """True or false, false where absent."""
        value = self.get(key, False)
        if not isinstance(value, bool):
            self.problem(key, f"{value!r} is neither true nor false.", "Write true, or leave the key out.")
        return value is True

    def number(self, key: str) -> Decimal | None:
        """An exact number in quotes, or None where absent."""
        value = self.get(key, None)
        if value is None:
            return None
        return self.exact(key, value)

    def exact(self, key: str, value: object) -> Decimal | None:
        """The number in a text; a bare YAML number is refused, for it has been through a float."""
        try:
            number = Decimal(value) if isinstance(value, str) else None
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite():
            self.problem(key, f"{value!r} is not an exact number.", 'Write it in quotes: "113.12".')
            return None
        return number

    def whole_number(self, key: str) -> int | None:
        """A whole number, or None where absent."""
        value = self.get(key, None)
        if value is not None and type(value) is not int:
            self.problem(key, f"{value!r} is not a whole number.", "Write digits without quotes.")
            return None
        return value

    def one_of(self, key: str, words: type[StrEnum]) -> Any:
        """A word of a fixed list."""
        return self.word(key, self.text(key), words)

    def word(self, key: str, value: str, words: type[StrEnum]) -> Any:
        """The member of `words`, or its first one and a problem."""
        if value not in {each.value for each in words}:
            self.problem(key, f"{value!r} is not allowed.", f"Use one of: {', '.join(words)}.")
            return next(iter(words))
        return words(value)

    def code_list(self, key: str) -> tuple[Code, ...]:
        """A list of codes, empty where absent."""
        value = self.get(key, [])
        if not isinstance(value, list):
            self.problem(key, "This is not a list.", "Write one code a line.")
            return ()
        return tuple(self.code(key, each) for each in value)

    def code(self, key: str, raw: object) -> Code:
        """`{system, code, display}`."""
        if isinstance(raw, dict) and raw.keys() == {"system", "code", "display"}:
            system, code, display = raw["system"], raw["code"], raw["display"]
            if system in _SYSTEMS and type(code) is type(display) is str and code == code.strip() != "":
                return Code(_SYSTEMS[system], code, display)
        self.problem(key, f"{raw!r} is not a code.", 'Write {system: snomed, code: "...", display: ...}.')
        return Code(System.SNOMED, "", "")


_SYSTEMS = {each.value: each for each in System}


def read_list(file: str, raw: object, problems: Problems, read: Callable[[Entry], Any]) -> dict[str, Any]:
    """The records of one file by id. A file is a list of entries with ids in kebab-case."""
    if not isinstance(raw, list):
        problems.add(file, "", "", "This file is not a list of entries.", "Begin each entry with `- id:`.")
        return {}
    records: dict[str, Any] = {}
    for place, each in enumerate(raw, start=1):
        given = each.get("id") if isinstance(each, dict) else None
        entry = Entry(file, given if isinstance(given, str) else f"entry {place}", each, problems)
        ident = entry.text("id")
        if ident and not _ID.fullmatch(ident):
            entry.problem("id", f"{ident!r} is not in kebab-case.", "Use lower-case letters, digits and hyphens.")
        record = read(entry)
        if ident in records:
            entry.problem("id", "This id stands there twice.", "Join the entries or rename one.")
        if entry.whole():
            records[ident] = record
    return records


def read_concept(entry: Entry, lists: Mapping[str, tuple[tuple[str, str], ...]]) -> Concept:
    """A concept; `lists` are the long code lists by path."""
    name = entry.text("name")
    families = tuple(entry.word("families", each, Family) for each in entry.texts("families"))
    also_in = tuple(entry.word("also_in", each, Family) for each in entry.texts("also_in"))
    kind = entry.one_of("kind", Kind)
    if not families and kind is not Kind.SITE:
        entry.problem("families", "No resource type is named.", "Name where the fact may be recorded.")
    sex = entry.maybe_text("sex")
    if sex not in {None, "female", "male"}:
        entry.problem("sex", f"{sex!r} is not allowed.", "Use one of: female, male.")
    return Concept(
        id=str(entry.raw.get("id")),
        kind=kind,
        name=name,
        names=entry.names(name),
        families=families,
        also_in=also_in,
        codes=entry.code_list("codes") + _listed(entry, lists),
        source=entry.text("source"),
        includes=entry.texts("includes"),
        without=entry.code_list("without"),
        broader=entry.code_list("broader"),
        suggests=entry.code_list("suggests"),
        broader_concepts=entry.texts("broader_concepts"),
        results=entry.texts("results"),
        hinted_by=entry.texts("hinted_by"),
        traced_by=entry.texts("traced_by"),
        not_named=entry.texts("not_named"),
        event=entry.flag("event"),
        malignancy=entry.flag("malignancy"),
        metastasis=entry.flag("metastasis"),
        systemic=entry.flag("systemic"),
        sex=sex,
        half_life_h=entry.number("half_life_h"),
        high_dose=_high_dose(entry),
        scale_degrees=_degrees(entry),
        open_world=entry.flag("open_world"),
        graded_by=_grading(entry),
    )


def _listed(entry: Entry, lists: Mapping[str, tuple[tuple[str, str], ...]]) -> tuple[Code, ...]:
    """The codes of the file (or files) named by `codes_from`; its folder is the system."""
    paths = (entry.text("codes_from"),) if isinstance(entry.raw.get("codes_from"), str) else entry.texts("codes_from")
    codes: list[Code] = []
    for path in paths:
        system = path.partition("/")[0]
        if path not in lists or system not in _SYSTEMS:
            entry.problem("codes_from", f"There is no list {path!r}.", "Add codes/<system>/<name>.tsv.")
            continue
        codes.extend(Code(_SYSTEMS[system], code, display) for code, display in lists[path])
    return tuple(codes)


def _high_dose(entry: Entry) -> DoseThreshold | None:
    raw = entry.get("high_dose", None)
    if raw is None:
        return None
    part = Entry(entry.file, entry.name, raw, entry.problems)
    dose, equivalent, source = part.number("mg_per_day"), part.text("equivalent"), part.text("source")
    if dose is None:
        part.problem("high_dose", "The dose is missing.", "Add `mg_per_day:`.")
    return DoseThreshold(dose, equivalent, source) if part.whole() and dose is not None else None


def _grading(entry: Entry) -> Grading | None:
    """`graded_by: {scale: smoking-status, now: [current, null], ever: [former, null]}`: lowest and highest value."""
    raw = entry.get("graded_by", None)
    if raw is None:
        return None
    part = Entry(entry.file, entry.name, raw, entry.problems)
    scale, now, ever = part.text("scale"), _ends(part, "now"), _ends(part, "ever")
    return Grading(scale, now, ever) if part.whole() and now and ever else None


def _ends(part: Entry, key: str) -> tuple[str | None, str | None] | None:
    raw = part.get(key, None)
    if (
        isinstance(raw, list)
        and len(raw) == len(("low", "high"))
        and all(each is None or type(each) is str for each in raw)
    ):
        return raw[0], raw[1]
    part.problem(key, f"{raw!r} is not a lowest and a highest value.", "Write [low, high], null for an open end.")
    return None


_DEGREE_PARTS = 3


def _degrees(entry: Entry) -> dict[str, tuple[str, str, str]]:
    """`scale_degrees: {severe: [ctcae-grade, ">=", "3"]}`: a degree word as a bound on a scale."""
    raw = entry.get("scale_degrees", {})
    degrees: dict[str, tuple[str, str, str]] = {}
    for word, bound in raw.items() if isinstance(raw, dict) else [("", raw)]:
        if isinstance(bound, list) and len(bound) == _DEGREE_PARTS and all(isinstance(each, str) for each in bound):
            degrees[str(word)] = (bound[0], bound[1], bound[2])
        else:
            entry.problem("scale_degrees", f"{bound!r} is no bound.", 'Write word: [scale, ">=", "value"].')
    return degrees


def read_analyte(entry: Entry) -> Analyte:
    """An analyte."""
    name = entry.text("name")
    measure = entry.one_of("measure", Measure)
    unit = entry.text("unit") if measure is Measure.QUANTITY else (entry.maybe_text("unit") or "1")
    mass = entry.get("molar_mass", None)
    exact = None if mass is None else entry.exact("molar_mass", mass)
    return Analyte(
        id=str(entry.raw.get("id")),
        name=name,
        names=entry.names(name),
        measure=measure,
        codes=entry.code_list("codes"),
        unit=unit,
        source=entry.text("source"),
        molar_mass=None if exact is None else Fraction(exact),
        charge=entry.whole_number("charge"),
        enzyme=entry.flag("enzyme"),
        one_unit=entry.flag("one_unit"),
        abnormal=entry.maybe_text("abnormal"),
        formula=entry.maybe_text("formula"),
        inputs=entry.texts("inputs"),
        objects=entry.flag("objects"),
        broader=entry.code_list("broader"),
        words=_own_words(entry),
        panels=entry.code_list("panels"),
        percent=entry.maybe_text("percent"),
        share=entry.flag("share"),
    )


_SIDES = ("positive", "negative", "neither")


def _own_words(entry: Entry) -> dict[str, str]:
    """`words: {positive: [...], negative: [...], neither: [...]}`, turned round."""
    raw = entry.get("words", None)
    if raw is None:
        return {}
    part = Entry(entry.file, entry.name, raw, entry.problems)
    found: dict[str, str] = {}
    for side in _SIDES:
        for word in part.texts(side):
            if word != word.lower().strip() or found.setdefault(word, side) != side:
                part.problem(side, f"{word!r} is not in lower case, or means two things.", "Write it once.")
    part.whole()
    return found


def read_scale(entry: Entry) -> Scale:
    """An ordinal scale."""
    name = entry.text("name")
    raw = entry.get("values", [])
    values: list[ScaleValue] = []
    for each in raw if isinstance(raw, list) else [raw]:
        part = Entry(entry.file, entry.name, each, entry.problems)
        value, codes, words = part.text("value"), part.code_list("codes"), part.texts("words")
        for word in words:
            if word != word.lower():
                part.problem("words", f"{word!r} has capitals.", "Write words in lower case.")
        if part.whole():
            values.append(ScaleValue(value, codes, words))
    if not values:
        entry.problem("values", "The scale has no values.", "List them in ascending order.")
    if len({each.value for each in values}) < len(values):
        entry.problem("values", "A value stands there twice.", "Take one out.")
    return Scale(
        id=str(entry.raw.get("id")),
        name=name,
        names=entry.names(name),
        codes=entry.code_list("codes"),
        values=tuple(values),
        source=entry.text("source"),
    )


def read_words(file: str, raw: object, problems: Problems) -> ResultWords:
    """`positive` and `negative`, each with codes of the systems and words; `source` says where the codes are from."""
    entry = Entry(file, "", raw, problems)
    sides = {side: Entry(file, side, entry.get(side, {}), problems) for side in ("positive", "negative")}
    entry.text("source")
    entry.whole()
    codes = {side: part.code_list("codes") for side, part in sides.items()}
    words = {side: frozenset(part.texts("words")) for side, part in sides.items()}
    for side, part in sides.items():
        part.whole()
        for word in sorted(words[side]):
            if word != word.lower().strip():
                part.problem("words", f"{word!r} is not as it is compared.", "Lower case, no space around it.")
    for word in sorted(words["positive"] & words["negative"]):
        problems.add(file, "", "words", f"{word!r} is on both sides.", "Take it out of one.")
    return ResultWords(codes["positive"], codes["negative"], words["positive"], words["negative"])


def read_systems(file: str, raw: object, problems: Problems) -> tuple[dict[str, System], tuple[str, ...]]:
    """Short name -> the URIs and OIDs by which records name the system, turned round; and what tells histology."""
    entry = Entry(file, "", raw, problems)
    systems = {uri: system for system in System for uri in entry.texts(system.value)}
    histology = entry.texts("histology")
    for each in histology:
        if each != each.lower():
            entry.problem("histology", f"{each!r} has capitals.", "Write it in lower case.")
    entry.whole()
    return systems, histology


def read_modifiers(file: str, raw: object, problems: Problems) -> dict[Modifier, CodeGroup]:
    """Every `Modifier` with its codes: a missing or empty one is a problem, and so is one that nobody asks for."""
    before = len(problems.found)
    groups = read_list(file, raw, problems, lambda each: CodeGroup(each.code_list("codes"), each.text("source")))
    # A wrong entry has been left out: it is not missing.
    missing = [] if len(problems.found) > before else [each for each in Modifier if each not in groups]
    for ident, group in groups.items():
        if ident not in set(Modifier):
            problems.add(file, ident, "id", "Nothing asks for it.", f"Use one of: {', '.join(Modifier)}.")
        elif not group.codes:
            problems.add(file, ident, "codes", "There are no codes.", "List at least one.")
    for each in missing:
        problems.add(file, each, "", "This entry is missing.", f"Add `- id: {each}`.")
    return {each: groups[each] for each in Modifier if each in groups}


def read_routes(file: str, raw: object, routes: Iterable[str], problems: Problems) -> dict[str, str]:
    """Route -> its codes and words, turned round: `snomed|26643006` and `oral` both lead to `oral`."""
    entry = Entry(file, "", raw, problems)
    found: dict[str, str] = {}
    for route in routes:
        part = Entry(file, route, entry.get(route, {}), problems)
        keys = [f"{code.system}|{code.code}" for code in part.code_list("codes")]
        keys += part.texts("words")
        part.whole()
        for key in keys:
            if found.setdefault(key, route) != route:
                part.problem("", f"{key!r} is on another route too.", "Take it out of one.")
    entry.asked.append("source")
    entry.whole()
    return found


def read_table(
    file: str, text: str, required: tuple[str, ...], allowed: tuple[str, ...], problems: Problems
) -> list[dict[str, str]]:
    """The rows of a tab-separated file with a header line."""
    head, *lines = text.splitlines() or [""]
    columns = head.split("\t")
    for column in columns:
        if column not in (*required, *allowed):
            problems.add(
                file, "", column, "This column is not known here.", f"Use: {', '.join((*required, *allowed))}."
            )
    for column in required:
        if column not in columns:
            problems.add(file, "", column, "This column is missing.", "Add it.")
            return []
    rows = []
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t")
        if len(cells) != len(columns):
            problems.add(file, f"line {number}", "", f"{len(cells)} cells, not {len(columns)}.", "Check the tabs.")
        else:
            rows.append(dict(zip(columns, cells, strict=True)))
    return rows


def read_drugs(file: str, text: str, problems: Problems) -> dict[str, Drug]:
    """drugs.tsv: RxNorm ingredients."""
    rows = read_table(file, text, ("rxcui", "name", "prednisone_5mg", "half_life_h"), ("source",), problems)
    found = {}
    for row in rows:
        entry = Entry(file, row["rxcui"], row, problems)
        doses = [entry.exact(key, row[key]) if row[key] else None for key in ("half_life_h", "prednisone_5mg")]
        found[row["rxcui"]] = Drug(row["rxcui"], row["name"], doses[0], doses[1])
    return found


def read_products(file: str, text: str, problems: Problems) -> dict[str, Product]:
    """products.tsv: RxNorm products with their ingredients."""
    rows = read_table(file, text, ("rxcui", "ingredients", "route", "strength_mg"), ("name", "source"), problems)
    found = {}
    for row in rows:
        entry = Entry(file, row["rxcui"], row, problems)
        strength = entry.exact("strength_mg", row["strength_mg"]) if row["strength_mg"] else None
        ingredients = tuple(each for each in row["ingredients"].replace(" ", "").split(",") if each)
        found[row["rxcui"]] = Product(row["rxcui"], ingredients, row["route"] or None, strength)
    return found


_SYSTEMIC_ROUTES = frozenset({"oral", "parenteral", "intravenous"})


def with_routes(drugs: Mapping[str, Drug], products: Mapping[str, Product]) -> dict[str, Drug]:
    """The drugs, each with the route that all its products of one ingredient have, if they have one."""
    seen: dict[str, set[str | None]] = {}
    for product in products.values():
        # An ingredient in another form of its name ("prednisolone sodium phosphate") has no route of its own.
        if len(product.ingredients) == 1 and product.route is not None:
            seen.setdefault(product.ingredients[0], set()).add(product.route)
    found = {}
    for rxcui, drug in drugs.items():
        routes = seen.get(rxcui, set())
        one = next(iter(routes)) if len(routes) == 1 else None
        route = one or ("systemic" if routes and routes <= _SYSTEMIC_ROUTES else None)
        found[rxcui] = drug if route is None else replace(drug, route=route)
    return found
