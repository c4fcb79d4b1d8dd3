"""UCUM on exact fractions: what a unit code means, and a value of one unit in another.

The table (`units/ucum.json`) holds the facts of the UCUM organization's ucum-essence.xml: prefixes, base units, the
definition of every unit. `units/rules.json` adds where medicine is stricter than UCUM: moles and equivalents are
dimensions of their own, and some annotations change what was measured. Both come in as plain data; see
`load_units.py`. The grammar is section 2 of the UCUM specification, case sensitive variant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from app.errors import EligoError
from app.knowledge.unit_spellings import Spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ONE: Final = Fraction(1)
ZERO: Final = Fraction(0)

# The bounds keep hostile codes ("10*999999999", a thousand brackets) from costing more than a refusal.
_MAX_LENGTH = 200
_MAX_DEPTH = 12
_MAX_EXPONENT_DIGITS = 2
_CACHE = 8192

_ENZYME_ACTIVITY = "U"
_INTERNATIONAL_UNIT = "[iU]"


class UnitError(EligoError):
    """A string is no UCUM code. `position` counts characters from zero."""

    def __init__(self, code: str, position: int, what: str) -> None:
        super().__init__(f"{code[:_MAX_LENGTH]!r} is no UCUM unit: {what} (character {position + 1}).")
        self.code = code
        self.position = position
        self.what = what


class NotComparable(UnitError):
    """Two units of which neither can be expressed in the other; `reason` is a clause a person can read."""

    def __init__(self, source: str, target: str, reason: str) -> None:
        EligoError.__init__(self, f"{source} cannot be converted to {target}: {reason}.")
        self.code = source
        self.position = 0
        self.what = reason
        self.source = source
        self.target = target
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as `factor` times base units.

    `dimension` has the exponents of UCUM's seven base units, then of mole and equivalent (`UnitTable.base` names them).
    `arbitrary` has the arbitrary units in it with their exponents: each is a dimension of its own. `special` is the
    unit whose scale is not proportional (degrees, logarithms). `marks` are annotations that change what is measured.
    `label` is set where the code is nothing but an annotation. `names_amount` tells mol/mol from g/g.
    """

    code: str
    factor: Fraction
    dimension: tuple[int, ...]
    arbitrary: tuple[tuple[str, int], ...] = ()
    special: str | None = None
    marks: frozenset[str] = frozenset()
    label: str | None = None
    names_amount: bool = False

    @property
    def is_number(self) -> bool:
        """Nothing but a number: no dimension, no arbitrary unit, no scale of its own, no meaning by annotation."""
        return not (any(self.dimension) or self.arbitrary or self.special or self.marks)


@dataclass(frozen=True, slots=True)
class _Plan:
    """target value = source value * scale + offset, then * charge^equivalents, then / molar mass^moles."""

    scale: Fraction
    offset: Fraction = ZERO
    equivalents: int = 0
    moles: int = 0


@dataclass(frozen=True, slots=True)
class _Mark:
    pattern: re.Pattern[str]
    name: str | None


class UnitTable:
    """All units, built once from plain data. Answers are remembered (a bounded number of them)."""

    def __init__(self, ucum: Mapping[str, Any], rules: Mapping[str, Any], aliases: Mapping[str, Any]) -> None:
        own_dimension = rules["own_dimension"]
        self.base: tuple[str, ...] = (*ucum["base"], *own_dimension)
        self._zero = (0,) * len(self.base)
        self._prefixes = {code: Fraction(value) for code, value in ucum["prefixes"].items()}
        self._definitions: dict[str, Mapping[str, Any]] = dict(ucum["units"])
        self._own_kind = frozenset(rules["own_kind"])
        self._affine = {
            code: (Fraction(each["scale"]), Fraction(each["offset"])) for code, each in rules["affine"].items()
        }
        self._as_number = frozenset(rules["as_number"])
        self._marks = tuple(_Mark(re.compile(each["pattern"]), each["mark"]) for each in rules["marks"])
        self._plain_numbers = frozenset(rules["plain_numbers"])
        self._atoms: dict[str, Unit] = {
            code: Unit(code, ONE, tuple(int(code == each) for each in self.base), names_amount=code in own_dimension)
            for code in self.base
        }
        self._metric = {code for code, each in self._definitions.items() if each.get("metric")} | set(ucum["base"])
        self.parse: Callable[[str], Unit] = lru_cache(_CACHE)(self._parse)
        self._scale: Callable[[str, str, Fraction | None, int | None, bool], tuple[Fraction, Fraction]]
        self._scale = lru_cache(_CACHE)(self._find_scale)
        spellings = Spellings(aliases, self._means)
        self._read: Callable[[str], str | None] = lru_cache(_CACHE)(spellings.read)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> UnitTable:
        """From the contents of the three data files under the keys `ucum`, `rules` and `aliases`."""
        return cls(data["ucum"], data["rules"], data["aliases"])

    def read(self, text: str) -> str | None:
        """The UCUM code that a unit, as people and laboratories spell it, stands for; None where that is not certain.

        Valid UCUM stays as it is, except where it is a well-known spelling of something else (K/uL is not kelvin per
        microlitre) or where only the case sets it apart from a laboratory's unit (Mg/dL: then None).
        """
        return self._read(text)

    def convert(
        self,
        value: Fraction,
        source: str,
        target: str,
        *,
        molar_mass: Fraction | None = None,
        charge: int | None = None,
        enzyme: bool = False,
    ) -> Fraction:
        """`value` of the unit `source` in the unit `target`, exactly. Both are UCUM codes.

        `molar_mass` (g/mol) opens the way between grams and moles, `charge` (of the ion, its sign does not matter)
        that between moles and equivalents, `enzyme` takes IU for U as laboratories write it for enzyme activities.
        Raises UnitError where a code is none, NotComparable where there is no way, or a needed figure is not given.
        """
        scale, offset = self._scale(source, target, molar_mass, charge, enzyme)
        return value * scale + offset if offset else value if scale == 1 else value * scale

    def comparable(
        self,
        a: str,
        b: str,
        *,
        molar_mass: Fraction | None = None,
        charge: int | None = None,
        enzyme: bool = False,
    ) -> bool:
        """Whether `convert` has a way from `a` to `b`; also False where one of them is no UCUM code."""
        try:
            self.convert(ONE, a, b, molar_mass=molar_mass, charge=charge, enzyme=enzyme)
        except UnitError:
            return False
        return True

    # --- meaning of codes ---------------------------------------------------------------------------------------

    def _means(self, code: str) -> Unit | None:
        try:
            return self.parse(code)
        except UnitError:
            return None

    def _parse(self, code: str) -> Unit:
        return _Parser(self, code).unit()

    def atom(self, symbol: str) -> Unit | None:
        """The unit of one symbol with or without a prefix ("mmol"); None where there is no such."""
        known = self._atoms.get(symbol)
        if known is not None:
            return known
        definition = self._definitions.get(symbol)
        if definition is not None:
            found = self._define(symbol, definition)
            self._atoms[symbol] = found
            return found
        for length in (2, 1):  # "dag" is da + g: no prefix of one letter before a unit makes such a word too
            prefix = self._prefixes.get(symbol[:length])
            rest = symbol[length:]
            if prefix is not None and rest in self._metric:
                unit = self.atom(rest)
                if unit is not None:
                    return replace(unit, code=symbol, factor=unit.factor * prefix)
        return None

    def _define(self, symbol: str, definition: Mapping[str, Any]) -> Unit:
        if symbol in self._own_kind or (definition.get("arbitrary") and definition["unit"] == "1"):
            return Unit(symbol, ONE, self._zero, arbitrary=((symbol, 1),))
        unit = self.parse(definition["unit"])
        if "function" in definition:
            # Its factor is that of a prefix before it; what the scale means stands in the rules.
            return replace(unit, code=symbol, factor=ONE, special=symbol)
        return replace(unit, code=symbol, factor=unit.factor * Fraction(definition["value"]), label=None)

    def number(self, value: int) -> Unit:
        """A plain number as a unit."""
        return Unit("1", Fraction(value), self._zero)

    def annotation(self, text: str) -> frozenset[str]:
        """The mark an annotation makes: empty where it only says what was counted or measured."""
        for mark in self._marks:
            if mark.pattern.search(text):
                return frozenset((mark.name or text.lower(),))
        return frozenset()

    # --- ways between units -------------------------------------------------------------------------------------

    def _find_scale(
        self,
        source: str,
        target: str,
        molar_mass: Fraction | None,
        charge: int | None,
        enzyme: bool,  # noqa: FBT001 - positional because it is part of the key of a cache
    ) -> tuple[Fraction, Fraction]:
        """(scale, offset): target value = source value * scale + offset."""
        plan = self._plan(source, target, enzyme=enzyme)
        scale = plan.scale
        if plan.equivalents:
            if not charge:
                raise NotComparable(source, target, "equivalents need the charge of the ion")
            scale *= Fraction(abs(charge)) ** plan.equivalents
        if plan.moles:
            if molar_mass is None or molar_mass <= 0:
                raise NotComparable(source, target, "between mass and moles the molar mass is needed")
            scale /= molar_mass**plan.moles
        return scale, plan.offset

    def _plan(self, source: str, target: str, *, enzyme: bool) -> _Plan:
        a, b = self.parse(source), self.parse(target)
        if a.special or b.special:
            return self._special_plan(a, b)
        if enzyme:
            a, b = self._same_activity(a, b)
        if a.arbitrary != b.arbitrary:
            raise NotComparable(source, target, "an arbitrary unit converts only to itself")
        if a.marks != b.marks:
            marks = ", ".join(sorted(a.marks ^ b.marks))
            raise NotComparable(source, target, f"only one of them is stated as {marks}")
        self._check_labels(a, b)
        *gains, moles, equivalents = (after - before for before, after in zip(a.dimension, b.dimension, strict=True))
        mass = gains.pop(self.base.index("g"))
        if any(gains) or mass + moles + equivalents or max(abs(mass), abs(moles), abs(equivalents)) > 1:
            raise NotComparable(source, target, "they measure different things")
        if a.names_amount != b.names_amount and not mass:
            # mmol/mol and % are both numbers, but HbA1c 48 mmol/mol is 6.5 %: a share of moles is not one of grams.
            raise NotComparable(source, target, "only one of them is a ratio of moles")
        return _Plan(a.factor / b.factor, equivalents=equivalents, moles=moles + equivalents)

    def _special_plan(self, a: Unit, b: Unit) -> _Plan:
        if a.special == b.special and a.marks == b.marks:
            return _Plan(a.factor / b.factor)  # only a prefix between them
        scaled_a, scaled_b = self._affine_of(a), self._affine_of(b)
        if scaled_a and scaled_b and a.dimension == b.dimension and not a.marks and not b.marks:
            (scale_a, offset_a), (scale_b, offset_b) = scaled_a, scaled_b
            return _Plan(scale_a / scale_b, (offset_a - offset_b) / scale_b)
        numbers = [each.special in self._as_number or (each.is_number and each.factor == 1) for each in (a, b)]
        if all(numbers):
            return _Plan(ONE)
        what = "a scale that is not proportional (a logarithm or the like) has no exact conversion"
        raise NotComparable(a.code, b.code, what)

    def _affine_of(self, unit: Unit) -> tuple[Fraction, Fraction] | None:
        """(scale, offset) to the base unit; the offset is not moved by a prefix."""
        if unit.special is None:
            return None if unit.arbitrary else (unit.factor, ZERO)
        found = self._affine.get(unit.special)
        return None if found is None else (found[0] * unit.factor, found[1])

    def _check_labels(self, a: Unit, b: Unit) -> None:
        """A code that is only an annotation ({INR}, {score}) equals itself and the plain number: not a percentage."""
        for label, other in ((a.label, b), (b.label, a)):
            if label is None:
                continue
            plain = other.label in self._plain_numbers or label in self._plain_numbers
            if other.label is None and (any(other.dimension) or other.factor != 1):
                raise NotComparable(a.code, b.code, f"{{{label}}} is a plain number and the other is none")
            if other.label is not None and other.label != label and not plain:
                raise NotComparable(a.code, b.code, "they are numbers of different things")

    def _same_activity(self, a: Unit, b: Unit) -> tuple[Unit, Unit]:
        """IU taken as U in the one of the two that has it."""
        activity = self.parse(_ENZYME_ACTIVITY)

        def as_activity(unit: Unit) -> Unit:
            kinds = dict(unit.arbitrary)
            exponent = kinds.pop(_INTERNATIONAL_UNIT, 0)
            if not exponent:
                return unit
            without = replace(unit, arbitrary=tuple(sorted(kinds.items())))
            return replace(multiply(without, activity, exponent), code=unit.code)

        if a.arbitrary == b.arbitrary:
            return a, b
        return as_activity(a), as_activity(b)


def multiply(a: Unit, b: Unit, exponent: int = 1) -> Unit:
    """Give a * b^exponent, without regard for special units, which take no part in products."""
    kinds = dict(a.arbitrary)
    for kind, power in b.arbitrary:
        kinds[kind] = kinds.get(kind, 0) + power * exponent
    return Unit(
        a.code,
        a.factor * b.factor**exponent,
        tuple(x + y * exponent for x, y in zip(a.dimension, b.dimension, strict=True)),
        tuple(sorted((kind, power) for kind, power in kinds.items() if power)),
        marks=a.marks | b.marks,
        names_amount=a.names_amount or b.names_amount,
    )


_NOT_VISIBLE_ASCII = re.compile(r"[^!-~]")
# A symbol: the powers of ten, or letters and bracketed names. Digits, signs and dots stand in a symbol only within [].
_SYMBOL = re.compile(r"10[*^]|(?:[^\[\]{}()./0-9+\-\"=]|\[[^\[\]]*\])+")
_EXPONENT = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[0-9]+")
_ANNOTATION = re.compile(r"\{([^{}]*)\}")


class _Parser:
    """One reading of one code, from left to right: `a/b.c` is (a/b).c."""

    __slots__ = ("_at", "_code", "_depth", "_labels", "_table")

    def __init__(self, table: UnitTable, code: str) -> None:
        self._table = table
        self._code = code
        self._at = 0
        self._depth = 0
        self._labels: list[str] | None = []

    def unit(self) -> Unit:
        code = self._code
        if len(code) > _MAX_LENGTH:
            self._refuse(f"it is longer than {_MAX_LENGTH} characters")
        foreign = _NOT_VISIBLE_ASCII.search(code)
        if foreign is not None:
            self._at = foreign.start()
            self._refuse("only visible ASCII characters can stand in a code")
        unit = self._term(first=True)
        if self._at < len(code):
            self._refuse("an operator is expected here")
        label = self._labels[0].lower() if self._labels and len(self._labels) == 1 else None
        return replace(unit, code=code, label=label)

    def _term(self, *, first: bool = False) -> Unit:
        """Read component (("." | "/") component)*; a leading slash only at the start of a code."""
        result: Unit | None = None
        if first and self._peek() == "/":
            result = self._table.number(1)
            self._labels = None
        while True:
            sign = 1
            if result is not None:
                operator = self._peek()
                if operator not in ("/", "."):
                    return result
                sign = -1 if operator == "/" else 1
                self._at += 1
                self._labels = None
            start = self._at
            component = self._component()
            if result is None:
                result = component
                continue
            if result.special or component.special:
                self._at = start
                self._refuse("a unit with a scale of its own cannot be part of a product")
            result = multiply(result, component, sign)

    def _component(self) -> Unit:
        char = self._peek()
        if char == "(":
            self._at += 1
            self._depth += 1
            self._labels = None
            if self._depth > _MAX_DEPTH:
                self._refuse("too many brackets within each other")
            unit = self._term()
            if self._peek() != ")":
                self._refuse("a closing bracket is missing")
            self._at += 1
            self._depth -= 1
            return unit
        if char == "{":
            return self._annotated(self._table.number(1), alone=True)
        self._labels = None
        symbol = _SYMBOL.match(self._code, self._at)
        if symbol is not None:
            return self._annotated(self._power(symbol.group()))
        number = _NUMBER.match(self._code, self._at)
        if number is None:
            self._refuse("a unit is expected here")
        self._at = number.end()
        value = int(number.group())
        if value == 0:
            self._at = number.start()
            self._refuse("zero is no unit")
        return self._annotated(self._table.number(value))

    def _power(self, symbol: str) -> Unit:
        atom = self._table.atom(symbol)
        if atom is None:
            self._refuse(f"there is no unit {symbol!r}")
        self._at += len(symbol)
        found = _EXPONENT.match(self._code, self._at)
        if found is None:
            return atom
        if len(found.group().lstrip("+-")) > _MAX_EXPONENT_DIGITS:
            self._refuse("the exponent is too large")
        exponent = int(found.group())
        if atom.special:
            self._refuse("a unit with a scale of its own has no powers")
        self._at = found.end()
        return multiply(self._table.number(1), atom, exponent)

    def _annotated(self, unit: Unit, *, alone: bool = False) -> Unit:
        found = _ANNOTATION.match(self._code, self._at)
        if found is None:
            if self._peek() == "{":
                self._refuse("a closing brace is missing")
            return unit
        self._at = found.end()
        text = found.group(1)
        if alone and self._labels is not None:
            self._labels.append(text)
        return replace(unit, marks=unit.marks | self._table.annotation(text))

    def _peek(self) -> str:
        return self._code[self._at : self._at + 1]

    def _refuse(self, what: str) -> NoReturn:
        raise UnitError(self._code, self._at, what)
