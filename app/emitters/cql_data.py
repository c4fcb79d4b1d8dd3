"""The defines of a trial's library that fetch records: what is, and what may be, of each concept, analyte and scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.emitters.cql_rules import cql_split, cql_string
from app.emitters.cql_terms import CqlValueSet, canonical_uri, result_set, terms_of, wider_set
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.emitters.cql_terms import Starts
    from app.knowledge.catalogue import Analyte, Catalogue, Concept, Scale

_RECORDS = {
    Family.MEDICATION: "drugs",
    Family.PROCEDURE: "procedures",
    Family.IMMUNIZATION: "vaccinations",
}
_SHOWN = {
    Family.CONDITION: "conditions are shown",
    Family.PROCEDURE: "procedures are shown",
    Family.MEDICATION: "drugs are shown",
    Family.IMMUNIZATION: "vaccinations are shown",
    Family.ALLERGY: "allergies are shown",
    Family.OBSERVATION: "observations are shown",
}
_UNCLEAR = {
    Family.MEDICATION: "a drug record is unclear",
    Family.PROCEDURE: "a procedure record is unclear",
    Family.IMMUNIZATION: "a vaccination record is unclear",
}


@dataclass(slots=True)
class Data:
    """Defines and value sets of one library, each made when first asked for. `base` is where they are published."""

    catalogue: Catalogue
    base: str
    defines: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    """Of a `concept`, by name."""
    value_sets: dict[str, CqlValueSet] = field(default_factory=dict)

    def define(self, name: str, text: str) -> str:
        """A define that several criteria may share; the same name always has the same text."""
        self.defines.setdefault(name, text)
        return f'"{name}"'

    # -- records by concept

    def conditions(self, concept: Concept, *, perhaps: bool = False, unplaced: bool = True) -> str:
        """Conditions that are the concept, or that may be."""
        return self._records(
            concept, "conditions", "Record.code", "Rules.IsUnplaced(Record.code)", perhaps=perhaps, unplaced=unplaced
        )

    def given(self, concept: Concept, family: Family, *, perhaps: bool = False, unplaced: bool = True) -> str:
        """Drugs, procedures or vaccinations that are the concept, or that may be."""
        nowhere = f"Rules.IsUnplaced{'' if family is Family.PROCEDURE else 'Drug'}(Record.code)"
        return self._records(concept, _RECORDS[family], "Record.code", nowhere, perhaps=perhaps, unplaced=unplaced)

    def allergies(self, concept: Concept, *, perhaps: bool = False) -> str:
        """Allergies to the concept, by their code or the substance of a reaction."""
        name = self._name(concept, "allergies", perhaps=perhaps, unplaced=True)
        if name not in self.defines:
            sure = self.is_("Record.code", concept)
            reacted = f"exists (Record.reaction Each where {self.is_('Each.substance', concept)})"
            if perhaps:
                wide = self.may_be("Record.code", concept)
                wide_too = f"exists (Record.reaction Each where {self.may_be('Each.substance', concept)})"
                nowhere = "Rules.IsUnplaced(Record.code)"
                maybe = f"{wide}\n        or {wide_too}\n        or {nowhere}"
                where = f"({sure} or {reacted}) is not true\n      and ({maybe})"
            else:
                where = f"{sure}\n      or {reacted}"
            self.defines[name] = f'Rules."allergies" Record\n    where {where}'
        return f'"{name}"'

    def observed(self, concept: Concept) -> str:
        """Whether some result is coded with the concept, or has it as its value."""
        name = f"{concept.id}: observed"
        if name not in self.defines:
            wide = Family.OBSERVATION in concept.families

            def told(element: str) -> str:
                sure = self.is_(element, concept)
                return f"{sure} or {self.may_be(element, concept)}" if wide else sure

            result, part = f"{concept.id}: observed in a result", f"{concept.id}: observed in a part"
            report = f"{concept.id}: concluded"
            self.defines[result] = (
                f"exists ([Observation] Record where Rules.IsUsable(Record)\n"
                f"    and ({told('Record.code')} or {told('Record.value as FHIR.CodeableConcept')}))"
            )
            self.defines[part] = (
                "exists ([Observation] Record where Rules.IsUsable(Record)\n"
                f"    and exists (Record.component Part where {told('Part.code')}\n"
                f"      or {told('Part.value as FHIR.CodeableConcept')}))"
            )
            self.defines[report] = (
                f"exists ([DiagnosticReport] Record where {told('Record.code')}\n"
                f"    or exists (Record.conclusionCode Each where {told('Each')}))"
            )
            self.defines[name] = f'"{result}" or "{part}" or "{report}"'
        return f'"{name}"'

    def results(self, of: Analyte | Scale) -> str:
        """Usable results of an analyte or scale, those in components too."""
        name = f"{of.id}: results"
        if name not in self.defines:
            listed = self._declared(result_set(of, self.catalogue, self.base))
            self.defines[name] = (
                "flatten {\n"
                f"    [Observation: {listed}] Record where Rules.IsUsable(Record) return all Rules.Whole(Record),\n"
                "    flatten ([Observation] Record where Rules.IsUsable(Record)\n"
                f"      return all ((Record.component) Part where Part.code in {listed} "
                "return all Rules.Part(Record, Part))) }"
            )
        return f'"{name}"'

    def ranks(self, scale: Scale) -> tuple[str, str]:
        """The values of a scale by their codes and by their words."""
        codes, words = f"{scale.id}: codes", f"{scale.id}: words"
        if codes not in self.defines:
            coded = [
                f"Tuple {{ system: {cql_string(canonical_uri(self.catalogue, each.system))}, "
                f"code: {cql_string(each.code)}, rank: {rank} }}"
                for rank, value in enumerate(scale.values)
                for each in value.codes
            ]
            none = "null as List<Tuple { system String, code String, rank Integer }>"
            said = [
                f"Tuple {{ word: {cql_string(word)}, rank: {rank} }}"
                for rank, value in enumerate(scale.values)
                for word in dict.fromkeys((value.value.lower(), *value.words))
            ]
            self.defines[codes] = f"{{\n    {_lines(coded)} }}" if coded else none
            self.defines[words] = f"{{\n    {_lines(said)} }}"
        return f'"{codes}"', f'"{words}"'

    @staticmethod
    def shown(families: Iterable[Family]) -> str:
        """Whether all of the families are shown to be complete."""
        return " and ".join(f'"{_SHOWN[each]}"' for each in families)

    @staticmethod
    def unclear(family: Family) -> str:
        """Whether a record of the family does not say what happened."""
        return f'Rules."{_UNCLEAR[family]}"'

    # -- the parts of a condition on codes

    def _records(
        self,
        concept: Concept,
        kind: str,
        element: str,
        nowhere: str,
        *,
        perhaps: bool,
        unplaced: bool,
    ) -> str:
        name = self._name(concept, kind, perhaps=perhaps, unplaced=unplaced)
        if name not in self.defines:
            sure = self.is_(element, concept)
            where = sure
            if perhaps:
                wide = self.may_be(element, concept)
                maybe = f"({wide} or {nowhere})" if unplaced else wide
                where = f"{sure} is not true and {maybe}"
            self.defines[name] = f'Rules."{kind}" Record\n    where {where}'
        return f'"{name}"'

    @staticmethod
    def _name(concept: Concept, kind: str, *, perhaps: bool, unplaced: bool) -> str:
        if not perhaps:
            return f"{concept.id}: {kind}"
        return f"{concept.id}: {kind} that may be" if unplaced else f"{concept.id}: {kind} that may be, by name"

    def is_(self, element: str, concept: Concept) -> str:
        """Whether a code is the concept."""
        name = f"{concept.id}: is"
        if name not in self.functions:
            terms = terms_of(concept.id, self.catalogue)
            parts = []
            if terms.members:
                parts.append(f"concept in {self._declared(self._own(concept.id, terms.members))}")
            if terms.starts.inside:
                parts.append(self._beneath("concept", f"{concept.id}: codes", terms.starts))
            self.functions[name] = "\n    or ".join(parts) or "false"
        return f'"{name}"({element})'

    def may_be(self, element: str, concept: Concept) -> str:
        """Whether a code is less specific than the concept, or named like it."""
        name = f"{concept.id}: may be"
        if name not in self.functions:
            terms = terms_of(concept.id, self.catalogue)
            parts = []
            if terms.wider:
                listed = self._declared(wider_set(concept.id, self.catalogue, self.base))
                parts.append(f"concept in {listed}")
            if terms.wider_starts.inside:
                parts.append(self._beneath("concept", f"{concept.id}: wider codes", terms.wider_starts))
            parts.append(f"Rules.Names(concept, {self._words(concept)})")
            self.functions[name] = "\n    or ".join(parts)
        return f'"{name}"({element})'

    def _beneath(self, element: str, name: str, starts: Starts) -> str:
        self.defines.setdefault(name, cql_split(starts.inside, " "))
        if not starts.outside:
            return f'Rules.Beneath({element}, "{name}")'
        self.defines.setdefault(f"{name} taken out", cql_split(starts.outside, " "))
        return f'Rules.BeneathBut({element}, "{name}", "{name} taken out")'

    def _words(self, concept: Concept) -> str:
        name = f"{concept.id}: words"
        self.defines.setdefault(name, cql_split(terms_of(concept.id, self.catalogue).words, ", "))
        return f'"{name}"'

    def _own(self, concept: str, members: tuple[tuple[str, str], ...]) -> CqlValueSet:
        return CqlValueSet(concept, f"{self.base}/ValueSet/{concept}", members)

    def _declared(self, value_set: CqlValueSet) -> str:
        self.value_sets.setdefault(value_set.name, value_set)
        return f'"{value_set.name}"'


def _lines(items: Iterable[str]) -> str:
    return ",\n    ".join(items)
