"""Plain words of a criterion."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.criteria.nodes import (
    AllOf,
    AnyOf,
    Bound,
    Criterion,
    Dose,
    Elapsed,
    Except,
    HadTreatment,
    HasCondition,
    Measured,
    NormalEnd,
    NormalLimit,
    Not,
    Op,
    Quantity,
    ScoreBound,
    Scored,
    State,
    Timing,
    When,
)
from app.emitters.prose import says
from tests.evaluator.fakes import CATALOGUE, span

ASTHMA, STROKE = HasCondition("asthma"), HasCondition("stroke")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Scored("ecog", (ScoreBound(Op.GE, "0"), ScoreBound(Op.LE, "1"))), "ECOG is between 0 and 1"),
        (
            Measured("haemoglobin", (Bound(Op.GE, Quantity(Decimal(90), "g/L")),), span(7, "day")),
            "haemoglobin is at least 90 g/L within 7 days",
        ),
        (
            Measured("pt", (Bound(Op.GT, NormalLimit(NormalEnd.UPPER, Decimal(1), Quantity(Decimal(4), "s"))),)),
            "pt is above ULN + 4 s",
        ),
        (
            HasCondition(
                "malignancy",
                When(Timing.WITHIN, span(3, "year")),
                other_than=("breast-cancer",),
                excluding=(Except("basal-cell-carcinoma", State.CURED),),
            ),
            (
                "has had, within 3 years, malignancy other than the disease under study, "
                "except basal cell carcinoma that is cured"
            ),
        ),
        (
            HadTreatment("systemic-corticosteroid", dose=Dose(Op.GT, Quantity(Decimal(10), "mg/d"), "prednisone")),
            "has had systemic corticosteroid at a dose above 10 mg/day of prednisone or its equivalent",
        ),
        (
            Elapsed(HadTreatment("chemotherapy"), span(2, "week"), 5),
            "at least 2 weeks, or 5 half-lives of the drug if that is longer, have passed since the last chemotherapy",
        ),
        (AllOf((ASTHMA, AnyOf((STROKE, ASTHMA)))), "has asthma and (has stroke or has asthma)"),
        (Not(ASTHMA), "not (has asthma)"),
    ],
)
def test_a_criterion_in_plain_words(node: Criterion, text: str) -> None:
    assert says(node, CATALOGUE) == text
