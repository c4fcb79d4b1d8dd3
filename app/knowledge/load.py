"""Reads the catalogue from the data beside it: the one place of this package that touches a file.

A problem in the data is told with its file, entry, key and remedy, all of them at once: an author mends the lot and
runs again. Nothing half-read is ever given out.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from app.criteria.nodes import Route
from app.errors import EligoError
from app.knowledge import records
from app.knowledge.catalogue import Catalogue, Lexicon
from app.knowledge.drug_concepts import read_drug_concepts
from app.knowledge.index import IncludesItself, build_index
from app.knowledge.load_units import load_unit_table
from app.knowledge.records import CatalogueProblem, Entry, Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from importlib.resources.abc import Traversable

    from app.knowledge.catalogue import Analyte, Concept, Scale
    from app.knowledge.ucum import UnitTable

_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SINGLE = (
    *("result_words.yaml", "systems.yaml", "modifiers.yaml", "routes.yaml", "lexicon.yaml"),
    *("drugs.tsv", "products.tsv", "drug_names.tsv"),
)
_FOLDERS = ("concepts", "analytes", "scales")
_FOUND_IN = (*_FOLDERS, "codes", "units")


class CatalogueError(EligoError):
    """The catalogue's files cannot be used as they are; `problems` has everything that was found."""

    def __init__(self, problems: tuple[CatalogueProblem, ...]) -> None:
        super().__init__("The catalogue cannot be read.\n" + "\n".join(str(each) for each in problems))
        self.problems = problems


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """The catalogue of this installation, read once. CatalogueError where its files are wrong or missing."""
    return read_catalogue({**_MISSING_YET, **load_files()}, load_unit_table())


_MISSING_YET = {"routes.yaml": b"{}"}  # TODO remove before the end


def load_files() -> dict[str, bytes]:
    """Every file of the catalogue by its path within it."""
    root = files("app.knowledge")
    return dict(_walk(root, ""))


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.iterdir(), key=lambda one: one.name):
        name = f"{path}{each.name}"
        if each.is_dir():
            if path or each.name in _FOUND_IN:
                yield from _walk(each, f"{name}/")
        elif name in _SINGLE or (path and name.endswith((".yaml", ".tsv", ".json"))):
            yield name, each.read_bytes()


def read_catalogue(sources: Mapping[str, bytes], units: UnitTable) -> Catalogue:
    """The catalogue in these files. Pure; CatalogueError with all problems where there are any."""
    problems = Problems()
    for name in _SINGLE:
        if name not in sources:
            problems.add(name, "", "", "The file is missing.", "Install the package again, or add the file.")
    for folder in _FOLDERS:
        if not any(name.startswith(f"{folder}/") for name in sources):
            problems.add(f"{folder}/", "", "", "The folder is empty.", "Install the package again.")
    _stop(problems)
    text = {name: content.decode() for name, content in sources.items()}
    raw = {name: _parsed(name, content, problems) for name, content in text.items() if name.endswith(".yaml")}
    _stop(problems)

    lists = {
        name.removeprefix("codes/"): _code_list(name, content, problems)
        for name, content in text.items()
        if name.startswith("codes/")
    }
    concepts: dict[str, Concept] = _folder("concepts", raw, problems, lambda each: records.read_concept(each, lists))
    for ident, drug in read_drug_concepts("drug_names.tsv", text["drug_names.tsv"], problems).items():
        if concepts.setdefault(ident, drug) is not drug:
            problems.add("drug_names.tsv", ident, "name", "A concept has this id.", "Take one of them out.")
    analytes: dict[str, Analyte] = _folder("analytes", raw, problems, records.read_analyte)
    scales: dict[str, Scale] = _folder("scales", raw, problems, records.read_scale)
    drugs = records.read_drugs("drugs.tsv", text["drugs.tsv"], problems)
    products = records.read_products("products.tsv", text["products.tsv"], problems)
    drugs = records.with_routes(drugs, products)
    words = records.read_words("result_words.yaml", raw["result_words.yaml"], problems)
    systems, histology = records.read_systems("systems.yaml", raw["systems.yaml"], problems)
    modifiers = records.read_modifiers("modifiers.yaml", raw["modifiers.yaml"], problems)
    routes = records.read_routes("routes.yaml", raw["routes.yaml"], tuple(Route), problems)
    lexicon = _lexicon("lexicon.yaml", raw["lexicon.yaml"], problems)
    _stop(problems)
    _check_references(concepts, analytes, scales, problems)
    _stop(problems)
    try:
        index = build_index(concepts, analytes, scales, drugs, products)
    except IncludesItself as found:
        problems.add("concepts/", found.ring[0], "includes", f"It includes itself: {found}.", "Break the ring.")
        raise CatalogueError(tuple(problems.found)) from found
    return Catalogue(
        concepts, analytes, scales, drugs, products, routes, words, lexicon, systems, histology, modifiers, units,
        _digest(sources), index,
    )  # fmt: skip


def _stop(problems: Problems) -> None:
    if problems.found:
        raise CatalogueError(tuple(problems.found))


def _digest(sources: Mapping[str, bytes]) -> str:
    """One hash over all files, names included, whatever order they were read in."""
    whole = hashlib.sha256()
    for name in sorted(sources):
        whole.update(f"{name}\0{len(sources[name])}\0".encode())
        whole.update(sources[name])
    return f"sha256:{whole.hexdigest()}"


def _parsed(name: str, content: str, problems: Problems) -> object:
    try:
        return yaml.load(content, Loader=_YAML)  # noqa: S506  a safe loader either way
    except yaml.YAMLError as wrong:
        problems.add(name, "", "", f"This is not YAML: {' '.join(str(wrong).split())}.", "Mend the syntax.")
        return None


def _folder(folder: str, raw: Mapping[str, object], problems: Problems, read: Callable[[Entry], Any]) -> dict[str, Any]:
    """All entries of a folder, by id, in the order of the ids."""
    found: dict[str, Any] = {}
    for name in sorted(each for each in raw if each.startswith(f"{folder}/")):
        for ident, record in records.read_list(name, raw[name], problems, read).items():
            if ident in found:
                problems.add(name, ident, "id", "Another file has this id too.", "Join the entries or rename one.")
            found[ident] = record
    return dict(sorted(found.items()))


def _code_list(name: str, content: str, problems: Problems) -> tuple[tuple[str, str], ...]:
    rows = records.read_table(name, content, ("code", "display"), ("source",), problems)
    return tuple((row["code"], row["display"]) for row in rows)


def _lexicon(name: str, raw: object, problems: Problems) -> Lexicon:
    entry = Entry(name, "", raw, problems)
    cues = Entry(name, "phrases", entry.get("phrases", {}), problems)
    phrases = {str(category): cues.texts(str(category)) for category in cues.raw}
    entry.whole()
    return Lexicon(phrases)


def _check_references(
    concepts: Mapping[str, Concept], analytes: Mapping[str, Analyte], scales: Mapping[str, Scale], problems: Problems
) -> None:
    """Every id that an entry names must be there."""
    for each in concepts.values():
        named: dict[str, list[tuple[str, Mapping[str, object]]]] = {
            "includes": [(one, concepts) for one in each.includes],
            "broader_concepts": [(one, concepts) for one in each.broader_concepts],
            "results": [(one, analytes) for one in each.results],
            "hinted_by": [(one, analytes) for one in each.hinted_by],
            "traced_by": [(one, analytes) for one in each.traced_by],
            "scale_degrees": [(bound[0], scales) for bound in each.scale_degrees.values()],
            "graded_by": [] if each.graded_by is None else [(each.graded_by.scale, scales)],
        }
        for key, ids in named.items():
            for one, there in ids:
                if one not in there:
                    problems.add("concepts/", each.id, key, f"There is no {one!r}.", "Name an id of the catalogue.")
    for analyte in analytes.values():
        for one in analyte.inputs:
            if one not in analytes:
                problems.add("analytes/", analyte.id, "inputs", f"There is no {one!r}.", "Name an analyte.")
        if analyte.percent is not None and analyte.percent not in analytes:
            problems.add("analytes/", analyte.id, "percent", f"There is no {analyte.percent!r}.", "Name an analyte.")
