"""The rules of EligoRules: results, their units and limits, and what words say."""

TEXT = r"""
// ---- tests that are the same fact as a diagnosis ------------------------------------------------------------------

// True by either. False by a negative test alone where no diagnosis speaks; positive against a refuted one is open.
define function WithTests(diagnosed Boolean, refuted Boolean, speaks Boolean, undated Boolean, outcomes List<Boolean>):
  case
    when diagnosed is true then true
    when exists ((outcomes) Each where Each is true return all 1) then (if refuted or undated then null else true)
    when not exists ((outcomes) Each return all 1)
      or exists ((outcomes) Each where Each is null return all 1) or speaks then diagnosed
    else false
  end

// A metastasis has a primary, which may be the one that is asked about, unless another is recorded.
define function UnlessSpread(found Boolean, metastasis Boolean, another Boolean):
  if found is false and metastasis is not false and not another then null else found

// What a positive test goes with is not ruled out while there is one.
define function UnlessHinted(diagnosed Boolean, outcomes List<Boolean>):
  if diagnosed is false and exists ((outcomes) Each where Each is not false return all 1) then null else diagnosed

// ---- results ------------------------------------------------------------------------------------------------------

define function IsUsable(observation FHIR.Observation):
  observation.status.value in { 'final', 'amended', 'corrected', 'preliminary' }

define function Whole(observation FHIR.Observation):
  Tuple {
    earliest: FromWhen(observation),
    latest: ByWhen(observation),
    moment: Moment(observation),
    clear: IsOwn(observation) and observation.dataAbsentReason is null,
    quantity: observation.value as FHIR.Quantity,
    concept: observation.value as FHIR.CodeableConcept,
    word: (observation.value as FHIR.string).value,
    flag: (observation.value as FHIR.boolean).value,
    whole: (observation.value as FHIR.integer).value,
    ranges: observation.referenceRange,
    readings: observation.interpretation
  }

define function Part(observation FHIR.Observation, component FHIR.Observation.Component):
  Tuple {
    earliest: FromWhen(observation),
    latest: ByWhen(observation),
    moment: Moment(observation),
    clear: IsOwn(observation) and component.dataAbsentReason is null and not exists (component.modifierExtension),
    quantity: component.value as FHIR.Quantity,
    concept: component.value as FHIR.CodeableConcept,
    word: (component.value as FHIR.string).value,
    flag: (component.value as FHIR.boolean).value,
    whole: (component.value as FHIR.integer).value,
    ranges: component.referenceRange,
    readings: component.interpretation
  }

// The patient's own, dated in a way that is read here.
define function IsOwn(observation FHIR.Observation):
  IsUnmodified(observation.modifierExtension, observation.implicitRules)
    and not exists (observation.focus)
    and (observation.effective is null or observation.effective is FHIR.dateTime
      or observation.effective is FHIR.instant or observation.effective is FHIR.Period)

define function FromWhen(observation FHIR.Observation):
  case
    when observation.effective is FHIR.dateTime then Earliest(date from (observation.effective as FHIR.dateTime).value)
    when observation.effective is FHIR.instant then date from (observation.effective as FHIR.instant).value
    when observation.effective is FHIR.Period
      then Coalesce(Earliest(date from (observation.effective as FHIR.Period).start.value), @0001-01-01)
    else date from observation.issued.value
  end

define function ByWhen(observation FHIR.Observation):
  case
    when observation.effective is FHIR.dateTime then Latest(date from (observation.effective as FHIR.dateTime).value)
    when observation.effective is FHIR.instant then date from (observation.effective as FHIR.instant).value
    when observation.effective is FHIR.Period
      then Coalesce(Latest(date from (observation.effective as FHIR.Period)."end".value), @9999-12-31)
    else date from observation.issued.value
  end

// The time of day, where there is one: it tells which of two results of a day came later.
define function Moment(observation FHIR.Observation):
  case
    when observation.effective is FHIR.dateTime and hour from (observation.effective as FHIR.dateTime).value is not null
      then (observation.effective as FHIR.dateTime).value
    when observation.effective is FHIR.instant then (observation.effective as FHIR.instant).value
    else null
  end

define function HasContent(result @RESULT@):
  result.quantity is not null or result.concept is not null or result.word is not null or result.flag is not null
    or result.whole is not null or exists (result.readings) or not result.clear

// Those that may be the latest at or before the day: several where a day has no times or a date is partial.
define function LatestOf(results List<@RESULT@>, asOf Date):
  First((
    ({ (results) Each where HasContent(Each) and Each.earliest <= asOf }) Dated
      let newest: Max((Dated) Each return all Each.earliest)
      return (Dated) Each
        where Sooner(Each.latest, asOf) >= newest
          and not exists ((Dated) Other
            where Other.earliest = Each.earliest and Other.latest = Each.latest
              and Coalesce(Other.moment after Each.moment, false))))

// All of them must say the same; none, or one that is undecided, leaves it open.
define function Unanimous(answers List<Boolean>):
  case
    when not exists ((answers) Each return all 1) then null
    when not exists ((answers) Each where Each is not true return all 1) then true
    when not exists ((answers) Each where Each is not false return all 1) then false
    else null
  end

// Results that may lie in a window.
define function Since(results List<@RESULT@>, first Date, asOf Date):
  (results) Each
    where HasContent(Each) and not Coalesce(Each.latest < first or Each.earliest > asOf, false)

// One in the window that does is enough; that none does is said of what was recorded.
define function AnyIn(answers List<Boolean>):
  if exists ((answers) Each return all 1) then AnyOf(answers) else null

define function IfWithin(result @RESULT@, first Date, asOf Date, answer Boolean):
  if answer is true and not Coalesce(result.earliest >= first and result.latest <= asOf, false) then null else answer

// Only what certainly lies in the window answers.
define function IfSince(result @RESULT@, first Date, answer Boolean):
  if result.earliest >= first then answer else null

// `unit` of the value: UCUM in `code`. What has no unit by nature (INR) may come without one.
define function UnitOf(quantity FHIR.Quantity, unitless Boolean):
  case
    when unitless and quantity.code.value in { '{INR}', '{ratio}' } then '1'
    when quantity.code.value is not null
      then (if Coalesce(quantity.system.value, 'http://unitsofmeasure.org') = 'http://unitsofmeasure.org'
            then quantity.code.value else null)
    when quantity.unit.value is null and unitless then '1'
    else null
  end

define function IsUnit(unit String):
  ConvertsToQuantity('1 \'' + unit + '\'')

// Exact to eight decimals. No conversion between amounts and masses, nor between things counted under different names.
define function Converted(value Decimal, fromUnit String, toUnit String):
  case
    when value is null or fromUnit is null then null
    when fromUnit = toUnit then Round(value, 8)
    when PositionOf('{', fromUnit + toUnit) >= 0 then null
    when (PositionOf('mol', fromUnit) >= 0) != (PositionOf('mol', toUnit) >= 0) then null
    when PositionOf('eq', fromUnit + toUnit) >= 0 then null
    when PositionOf('U]', fromUnit + toUnit) >= 0 then null
    when not IsUnit(fromUnit) then null
    else Round(ConvertQuantity(System.Quantity { value: value, unit: fromUnit }, toUnit).value, 8)
  end

// `<5` is an interval: it satisfies `<= 10`, contradicts `>= 5`, and leaves `>= 3` open.
define function Compares(value Decimal, comparator String, op String, limit Decimal):
  case
    when value is null or limit is null then null
    when comparator is null then
      case op
        when '<' then value < limit
        when '<=' then value <= limit
        when '>=' then value >= limit
        else value > limit
      end
    when comparator = '<' then
      case
        when op in { '<', '<=' } and value <= limit then true
        when op in { '>=', '>' } and value <= limit then false
        else null
      end
    when comparator = '<=' then
      case
        when op = '<' and value < limit then true
        when op = '<=' and value <= limit then true
        when op = '>=' and value < limit then false
        when op = '>' and value <= limit then false
        else null
      end
    when comparator = '>' then
      case
        when op in { '>=', '>' } and value >= limit then true
        when op in { '<', '<=' } and value >= limit then false
        else null
      end
    when comparator = '>=' then
      case
        when op = '>=' and value >= limit then true
        when op = '>' and value > limit then true
        when op = '<' and value >= limit then false
        when op = '<=' and value > limit then false
        else null
      end
    else null
  end

// Against a quantity.
define function Is(result @RESULT@, op String, limit Decimal, unit String, unitless Boolean):
  case
    when not result.clear then null
    when result.whole is not null then Compares(Converted(ToDecimal(result.whole), '1', unit), null, op, limit)
    else Compares(
      Converted(result.quantity.value.value, UnitOf(result.quantity, unitless), unit),
      result.quantity.comparator.value, op, limit)
  end

// The reference ranges that are the normal range of everybody.
define function NormalRanges(result @RESULT@):
  (result.ranges) Each
    where (if exists (Codes(Each.type)) then 'normal' in Codes(Each.type)
           else Each.type.text.value is null or StartsWith(Lower(Each.type.text.value), 'normal'))
      and (Each.high is null
        or (Each.high.value.value > 0
          and not Coalesce(
            Each.low.value.value > Each.high.value.value
              and Coalesce(Each.low.code.value, '') = Coalesce(Each.high.code.value, ''), false)))

// Against `factor` times an end of the reference range of the same observation, plus a quantity where there is one.
define function IsNormal(
  result @RESULT@, op String, upper Boolean, factor Decimal, plus Decimal, plusUnit String, unitless Boolean
):
  First((
    ({ result }) Result
      let
        unit: UnitOf(Result.quantity, unitless),
        limits: (NormalRanges(Result)) Each
          where (if upper then Each.high else Each.low).value is not null
          return all Tuple {
            quantity: if upper then Each.high else Each.low,
            forAll: not exists (Each.appliesTo) and Each.age is null and not exists (Each.modifierExtension)
          }
      return case
        when not Result.clear or not Coalesce(IsUnit(unit), false) then null
        when exists ((limits) Each where not Each.forAll) then null
        else Unanimous((limits) Each return all Compares(
          Round(Result.quantity.value.value, 8), Result.quantity.comparator.value, op,
          Round(
            factor * Converted(
              Each.quantity.value.value,
              if Each.quantity.code.value is null and Each.quantity.unit.value is null then unit
              else UnitOf(Each.quantity, unitless),
              unit)
              + (if plus = 0 then 0.0 else Converted(plus, plusUnit, unit)),
            8)))
      end))

// ---- positive, negative -------------------------------------------------------------------------------------------

// A word as the lists have it.
define function Plain(word String):
  Lower(ReplaceMatches(ReplaceMatches(word, '\\s+', ' '), '^ | $', ''))

define function WordSays(word String):
  case
    when Plain(word) in @POSITIVE@ then true
    when Plain(word) in @NEGATIVE@ then false
    else null
  end

define function CodeSays(concept FHIR.CodeableConcept):
  case
    when concept in "positive" and concept in "negative" then null
    when concept in "positive" then true
    when concept in "negative" then false
    when concept.text.value is not null then WordSays(concept.text.value)
    else Unanimous((concept.coding) Coding
      where Coding.display.value is not null
      return all WordSays(Coding.display.value))
  end

define function ValueSays(result @RESULT@):
  case
    when result.concept is not null then CodeSays(result.concept)
    when result.word is not null then WordSays(result.word)
    else result.flag
  end

// A count of a virus: any of it is positive. Of other things a number says nothing by itself.
define function CountSays(quantity FHIR.Quantity, isCount Boolean):
  case
    when not isCount or quantity.comparator.value in { '<', '<=' } then null
    when quantity.value.value > 0 then true
    when quantity.value.value = 0 and quantity.comparator is null then false
    else null
  end

// true for positive, false for negative. Value and interpretation must not differ; what a number means beside a
// reference range is left open. `isCount`: it counts a virus.
define function IsPositive(result @RESULT@, isCount Boolean):
  First((
    ({ result }) Result
      let
        said: if Result.quantity is not null then CountSays(Result.quantity, isCount) else ValueSays(Result),
        readings: (Result.readings) Each return all CodeSays(Each)
      return case
        when not Result.clear or Result.whole is not null then null
        when Result.quantity is not null and exists (Result.ranges) then null
        when (said is true or exists ((readings) Each where Each is true return all 1))
          and not (said is false or exists ((readings) Each where Each is false return all 1)) then true
        when (said is false or exists ((readings) Each where Each is false return all 1))
          and not (said is true or exists ((readings) Each where Each is true return all 1)) then false
        else null
      end))

// The place of a value on an ordinal scale whose values are known by codes and by words; null where it is none or two.
define function RankOf(
  result @RESULT@, codes List<Tuple { system String, code String, rank Integer }>,
  words List<Tuple { word String, rank Integer }>
):
  First((
    ({ result }) Result
      let
        texts: case
          when Result.whole is not null then { ToString(Result.whole) }
          when Result.quantity is not null
            then (if Result.quantity.comparator is null then { ToString(Result.quantity.value.value) }
                  else {} as List<String>)
          when Result.word is not null then { Result.word }
          when Result.concept.text.value is not null then { Result.concept.text.value }
          else (Result.concept.coding) Coding where Coding.display.value is not null return all Coding.display.value
        end,
        byCode: distinct (codes Each
          where exists ((Result.concept.coding) Coding
            where Coding.system.value = Each.system and Coding.code.value = Each.code)
          return all Each.rank),
        byWord: distinct (words Each
          where Each.word in ((texts) Text return all ReplaceMatches(Plain(Text), '\\.0+$', ''))
          return all Each.rank)
      return case
        when not Result.clear then null
        when Count(byCode) = 1 then First(byCode)
        when Count(byCode) = 0 and Count(byWord) = 1 then First(byWord)
        else null
      end))
"""
