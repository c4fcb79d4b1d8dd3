"""Brackets and example lists of a clause: abbreviations, strata, doses, definitions, members."""

from __future__ import annotations

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AgeIs,
    AllOf,
    AnyOf,
    Criterion,
    Dose,
    HadTreatment,
    HasCondition,
    Measured,
    Not,
    NotUnderstood,
    Op,
    Quantity,
    Route,
    Scored,
    Timing,
)
from app.reader.drafts import Draft, question
from app.reader.measures import comparator, read_limit
from app.reader.scan_exceptions import ScanExceptions
from app.reader.scan_state import Pre, UnreadError
from app.reader.tokens import NameKind, Token, names_of

_LISTED = "of the kind listed"
# Of what is allowed: other limits than the one before it, and not how its value may come about.
_OTHER_LIMITS = frozenset(
    """higher lower greater less value values level levels count counts exception exceptions deviation deviations up
    above below outside elevation elevations increase increased""".split()  # noqa: SIM905 - a list of words
)
_PREDNISONE, _STEROIDS = "prednisone", "systemic-corticosteroid"
_ALLOWED = frozenset({"acceptable", "accepted", "allowable", "permissible", "eligible"})
_SEVERITY = frozenset({"severe", "serious", "significant", "clinically significant", "major"})


class ScanBrackets(ScanExceptions):
    """Steps for brackets and examples."""

    def _parenthesis(self) -> bool:
        token = self._at()
        if token is None or token.stem not in {"(", "["}:
            return False
        depth, j = 0, self.i
        while j < len(self.tokens):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.tokens[j].stem, 0)
            if depth == 0:
                break
            j += 1
        inner = self.tokens[self.i + 1 : j]
        self.i = j + 1
        if inner:
            self._bracket(inner)
        return True

    def _bracket(self, inner: list[Token]) -> None:
        if all(set(token.cues) & {"neutral", "uln", "lln"} or token.stem in {",", "."} for token in inner):
            return
        first = inner[0]
        last = self.drafts[-1] if self.drafts else None
        if last is None or (self.treat and len(self.joins) == len(self.drafts)):
            self._lead_bracket(inner)
            return
        if isinstance(last.node, Measured) and self._permits(inner):
            return
        if "except" in first.cues:
            self._except(inner)
        elif "unless" in first.cues and len(inner) > 1:
            if self._spares_results(inner[1:]):
                return
            quote = self._quote(inner[1].start, inner[-1].end)
            self._restrict(Not(question(quote.text, quote), quote), inner[-1].end)
        elif any("allowed" in token.cues or token.stem in _ALLOWED for token in inner):
            if self._spares_results(inner, asked=True):
                return
            if not (self.excludes or self.negative or last.negated):
                last.alternatives.append(self._question(inner))  # "A (B is acceptable too)"
                last.end = max(last.end, inner[-1].end)
                return
            quote = self._quote(inner[0].start, inner[-1].end)
            self._restrict(Not(question(quote.text, quote), quote), inner[-1].end)
        elif "cockcroft-gault" in {cue for token in inner for cue in token.cues}:
            self._formula(last)
        elif self._stratify(last, inner) or self._dose(inner):
            last.end = max(last.end, inner[-1].end)
        elif isinstance(last.node, AgeIs | Measured):
            self._repeat(last, inner)
        elif set(first.cues) & {"including"} or any("etc" in token.cues for token in inner):
            self._examples(inner, strict=first.stem.startswith("includ"))
        else:
            self._define(inner)

    def _permits(self, inner: list[Token]) -> bool:
        """Reads "(can be corrected by transfusion)", "(growth factors are allowed)": how the value may come about."""
        cues = {cue for token in inner for cue in token.cues}
        forbids = bool(cues & {"neg", "not-allowed", "unless", "except", "if"}) or any(
            token.number is not None or token.stem in _OTHER_LIMITS or names_of(token, NameKind.CONDITION)
            for token in inner
        )
        return bool(cues & {"allowed", "permits"}) and not forbids

    def _lead_bracket(self, inner: list[Token]) -> None:
        """Reads "comprehensive treatment (surgery, chemotherapy and/or radiation)": the list is what is meant."""
        sub = self._sub(inner, excludes=True)
        sub.treat, sub.treat_current, sub.lead = self.treat, self.treat_current, self.lead
        node = sub.read()
        self._add(Draft(None, "list", inner[0].start, inner[-1].end, node=node))

    def _examples(self, inner: list[Token], *, strict: bool) -> None:
        """A list of members: those the head already covers say nothing new, the others are alternatives."""
        last = self.drafts[-1]
        body = _body(inner)
        if not body:
            return
        split = next((k for k, token in enumerate(body) if set(token.cues) & {"except"}), None)
        if split is not None:
            self._except(body[split + 1 :])
            body = body[:split]
            while body and (body[-1].stem in {",", "and", "or"} or body[-1].stem == "but"):
                body = body[:-1]
            if not body:
                return
        members = self._member_list(body, last)
        if members is not None:
            if last.elapsed is not None:
                # A wash-out asks for every member's own.
                for member in members:
                    member.elapsed, member.half_lives = last.elapsed, last.half_lives
                    self.joins.append("and")
                    self.drafts.append(member)
            else:
                last.alternatives.extend(members if self.excludes or self.negative else [])
            last.end = max(last.end, inner[-1].end)
        elif any(token.duration is not None for token in body):
            # "A (such as B within 7 days)": whether the window is meant for every A, nothing says.
            raise UnreadError(self.text[body[0].start : body[-1].end])
        elif strict and (self.excludes or self.negative):
            last.alternatives.append(self._question(body))
            last.end = max(last.end, inner[-1].end)

    def _member_list(self, body: list[Token], last: Draft) -> list[Draft] | None:
        """The members of an example list that the head does not cover, None where the list cannot be read."""
        inner = self._sub(body, excludes=True)
        inner.treat = self.treat
        try:
            inner.scan()
        except UnreadError:
            return None
        own = self.context.catalogue.index.closure.get(last.id, frozenset()) | {last.id}
        if not last.degrees and any((each.degrees or each.defined_by) and each.id in own for each in inner.drafts):
            # Members that carry thresholds would be pointless if every member of the class counted.
            last.degrees = [_LISTED]
        first = self.drafts[0]
        degrees = last.degrees or (first.degrees if first.kind is last.kind else [])
        members: list[Draft] = []
        closure = self.context.catalogue.index.closure.get(last.id, frozenset())
        for draft in inner.drafts:
            covered = draft.kind is last.kind and draft.id in closure
            if draft.kind is last.kind and draft.when is not None:
                raise UnreadError(self.text[draft.start : draft.end])  # "A (such as B within 7 days)"
            if covered and not (degrees and set(degrees) <= _SEVERITY | {_LISTED}):
                continue
            if self.after_tail and draft.kind is not last.kind:
                continue
            if draft.kind is last.kind and not draft.degrees and not set(degrees) <= _SEVERITY | {_LISTED}:
                draft.degrees, draft.restricts = list(degrees), list(last.restricts)
            members.append(draft)
        return members

    def _define(self, inner: list[Token]) -> None:
        """Reads "(INR > 1.5 or PT > ULN + 4 s)", "(anti-HCV positive, HCV RNA positive)": what decides it."""
        last = self.drafts[-1]
        if last.kind is NameKind.CONDITION and last.id in {"pregnancy", "breastfeeding"}:
            return
        sub = self._sub(inner, excludes=True)
        try:
            sub.scan()
        except UnreadError:
            self._restrict(self._question(inner), inner[-1].end)
            return
        if not sub.drafts:
            self._qualify(sub, inner)
            return
        node = sub.defined()
        if last.kind is NameKind.CONDITION:
            if isinstance(node, AnyOf) and all(isinstance(part, Measured) for part in node.parts):
                last.node = node  # an abnormality of several measurements is these measurements
            else:
                last.defined_by = node
            last.end = max(last.end, inner[-1].end)
        elif last.kind is NameKind.TREATMENT:
            last.node = AnyOf(tuple(self._made(each) for each in sub.drafts))
            last.end = max(last.end, inner[-1].end)
        else:
            raise UnreadError(self.text[inner[0].start : inner[-1].end])

    def _qualify(self, sub: ScanBrackets, inner: list[Token]) -> None:
        """Reads "(uncontrolled)", "(within 6 months)": of the name before it; behind a list, perhaps of all of it."""
        last, end = self.drafts[-1], inner[-1].end
        said, pre = sub.pre.degrees, sub.pre
        only_degrees = Pre(degrees=said) == pre and sub.lead in {None, self.context.lead} and not sub.treat
        behind_all = all(token.stem == "." for token in self.tokens[self.i :])
        others = self.drafts[self.barrier : -1] if behind_all else []
        if said and only_degrees and last.kind is NameKind.CONDITION:
            last.degree_behind = not last.degrees
            last.degrees, last.end = [*last.degrees, *said], end
            self._doubt_degree(said, others)
        elif sub.lead is not None and sub.lead.timing is Timing.WITHIN and sub.pre == Pre() and not others:
            kept, self.barrier = self.barrier, len(self.drafts) - 1
            self._close_window(sub.lead, end)
            self.barrier = kept
        elif sub.lead == EVER and pre == Pre() and not others and last.kind is NameKind.CONDITION:
            last.when, last.end = EVER, end
        elif sub.lead is not None or others:
            raise UnreadError(self.text[inner[0].start : end])
        else:
            self._restrict(self._question(inner), end)

    def _doubt_degree(self, said: list[str], others: list[Draft]) -> None:
        """Whether a degree behind a list is said of those before the last too, is for a person to tell."""
        for draft in others:
            if draft.kind is NameKind.CONDITION and not draft.degrees:
                words = self._quote(draft.start, draft.end)
                name = " ".join(words.text.split())
                doubt = NotUnderstood(f"Is “{' '.join(said)}” said of “{name}” too, and is it so?", words)
                draft.restricts.append(doubt)

    def defined(self) -> Criterion:
        """A bracket's facts as one condition. Commas alone between results may mean both or either: both decides true,
        neither decides false, and between them it is for a person.
        """
        parts = tuple(self._made(draft) for draft in self.drafts)
        quote = self._quote(self.tokens[0].start, self.tokens[-1].end)
        if len(parts) == 1:
            return parts[0]
        if all(join == "," for join in self.joins) and all(draft.is_result for draft in self.drafts):
            doubt = NotUnderstood(f"{' '.join(quote.text.split())}: is one of them enough?", quote)
            return AnyOf((AllOf(parts, quote), AllOf((AnyOf(parts, quote), doubt), quote)), quote)
        return self.assemble()

    def _stratify(self, last: Draft, inner: list[Token]) -> bool:
        """Reads "(if liver metastasis, ≤ 5 x ULN)", "(≥5×ULN for liver metastasis)", "(42 days if nitrosourea)"."""
        body = [token for token in inner if token.stem != ","]
        conditions = [
            token for token in body if token.names and names_of(token, NameKind.CONDITION, NameKind.TREATMENT)
        ]
        if len(conditions) != 1:
            return False
        named = names_of(conditions[0], NameKind.CONDITION, NameKind.TREATMENT)
        kind, concept = next(iter(named.items()))
        quote = self._quote(conditions[0].start, conditions[0].end)
        condition: Criterion = (
            HasCondition(concept, quote=quote)
            if kind is NameKind.CONDITION
            else HadTreatment(concept, EVER, quote=quote)
        )
        rest = [token for token in body if token is not conditions[0]]
        if not any("if" in token.cues for token in rest):
            return False
        rest = [
            token
            for token in rest
            if not (
                set(token.cues) & {"if", "neutral", "treat-ever"}
                and token.number is None
                and not set(token.cues) & {"le", "ge", "lt", "gt", "uln"}
            )
        ]
        if last.elapsed is not None and len(rest) == 1 and rest[0].duration is not None:
            last.elapsed_if = (condition, rest[0].duration)
            return True
        return False

    def _dose(self, inner: list[Token]) -> bool:
        """Reads "(prednisone > 10 mg/day or equivalent)"."""
        drugs = [token for token in inner if names_of(token, NameKind.TREATMENT)]
        bound = next(((comparator(inner, k), k) for k in range(len(inner)) if comparator(inner, k)), None)
        if len(drugs) != 1 or bound is None or bound[0] is None:
            return False
        limit = read_limit(inner, bound[0][1], "")
        if limit is None or not isinstance(limit[0], Quantity) or not limit[0].unit.startswith(("mg", "g", "ug")):
            return False
        rest = inner[limit[1] :]
        if not all(set(token.cues) & {"equivalent", "per-day", "neutral"} for token in rest):
            return False
        quantity = limit[0]
        if not quantity.unit.endswith("/d"):
            if not any("per-day" in token.cues for token in rest):
                return False
            quantity = Quantity(quantity.value, f"{quantity.unit}/d")
        equivalent = names_of(drugs[0], NameKind.TREATMENT)[NameKind.TREATMENT]
        treatments = [draft for draft in self.drafts if draft.kind is NameKind.TREATMENT]
        if not treatments:
            return False
        treatments[-1].dose = Dose(bound[0][0], quantity, equivalent)
        treatments[-1].not_routes = tuple(sorted({*treatments[-1].not_routes, Route.INHALED, Route.TOPICAL}))
        return True

    def _dosed(self) -> bool:
        """Reads "prednisone > 10 mg/day or equivalent", "aspirin ≥ 100 mg daily": more than that much of it a day.

        At most that much is no reading: who takes none of it takes no more, and nothing says whether one has to.
        """
        last = self.drafts[-1] if self.drafts else None
        if last is None or last.kind is not NameKind.TREATMENT or len(self.joins) == len(self.drafts):
            return False
        bound = comparator(self.tokens, self.i)
        limit = read_limit(self.tokens, bound[1], "") if bound is not None else None
        if bound is None or limit is None or not isinstance(limit[0], Quantity) or last.dose is not None:
            return False
        unit, stop, named = limit[0].unit, limit[1], last.id
        if bound[0] not in {Op.GT, Op.GE} or unit.partition("/")[0] not in {"mg", "g", "ug"}:
            return False
        equivalent = False
        while stop < len(self.tokens):
            token = self.tokens[stop]
            if "per-day" in token.cues and "/" not in unit:
                unit = f"{unit}/d"
            elif "equivalent" in token.cues:
                equivalent = True
            elif (drug := names_of(token, NameKind.TREATMENT)) and drug[NameKind.TREATMENT] == _PREDNISONE:
                named = _PREDNISONE
            elif token.stem != "of":
                break
            stop += 1
        if not unit.endswith("/d"):
            return False
        steroid = last.id in {_PREDNISONE, _STEROIDS}
        if (equivalent and not steroid) or (steroid and named != _PREDNISONE):
            # An equivalent of another drug has no table, and a dose of "steroids" says nothing without one.
            return False
        in_equivalents = equivalent or last.id == _STEROIDS
        last.dose = Dose(bound[0], Quantity(limit[0].value, unit), _PREDNISONE if in_equivalents else None)
        if in_equivalents:
            last.id = _STEROIDS
        last.lead = last.lead or CURRENT
        last.end = self.tokens[stop - 1].end
        self.i = stop
        return True

    def _including(self) -> bool:
        """Reads "including A, B or C" to the end of the clause."""
        if not self._cue("including") or not self.drafts:
            return False
        after = range(self.i + 1, len(self.tokens))
        stop = next((k for k in after if self._window_at(k)), len(self.tokens))
        rest = self.tokens[self.i : stop]
        self.i = stop
        members = _body(rest)
        if members and self._member_list(members, self.drafts[-1]) is None:
            # Without brackets nothing says where a list of examples ends and the next thing begins.
            raise UnreadError(self.text[rest[0].start : rest[-1].end])
        self._examples(rest, strict=rest[0].stem.startswith("includ"))
        return True

    def _defined(self) -> bool:
        """Reads "uncontrolled diabetes as defined by HbA1c ≥ 9 %": the limit decides."""
        if not self._cue("defined-by") or not self.drafts or self.drafts[-1].kind is not NameKind.CONDITION:
            return False
        last, rest = self.drafts[-1], self.tokens[self.i + 1 :]
        node = self._try(rest, excludes=True) if rest and last.defined_by is None else None
        of_values = isinstance(node, AnyOf) and all(isinstance(part, Measured) for part in node.parts)
        if not of_values and not isinstance(node, Measured | Scored):
            return False
        if of_values:
            last.node = node  # an abnormality of several measurements is these measurements
        else:
            last.defined_by = node
        last.end = rest[-1].end
        self.i = len(self.tokens)
        return True

    def _window_at(self, k: int) -> bool:
        following = self.tokens[k + 1] if k + 1 < len(self.tokens) else None
        return "within" in self.tokens[k].cues and following is not None and following.duration is not None


def _body(tokens: list[Token]) -> list[Token]:
    """The members of an example list, without the words that announce or end it."""
    body = [token for token in tokens if "etc" not in token.cues and token.stem != "."]
    while body and (body[0].stem in {",", ":"} or "including" in body[0].cues):
        body = body[1:]
    while body and body[-1].stem in {",", "and", "or"}:
        body = body[:-1]
    return body
