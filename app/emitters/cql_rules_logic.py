"""The rules of EligoRules: three values, days, codes, and the patient."""

TEXT = r"""// What every trial's library shares: how records are read and what they prove; null means "cannot be told".
library @RULES@ version '@VERSION@'

using FHIR version '4.0.1'

include FHIRHelpers version '4.0.1'

valueset "drugs that can be placed": '@BASE@/ValueSet/eligo-known-drugs'
valueset "says that it is over or in remission": '@BASE@/ValueSet/remission-stated'
valueset "positive": '@BASE@/ValueSet/eligo-positive'
valueset "negative": '@BASE@/ValueSet/eligo-negative'

context Patient

// ---- three values -------------------------------------------------------------------------------------------------

// One true makes it true; failing that, one null leaves it open.
define function AnyOf(truths List<Boolean>):
  case
    when exists ((truths) Each where Each is true return all 1) then true
    when exists ((truths) Each where Each is null return all 1) then null
    else false
  end

define function AllOf(truths List<Boolean>):
  not AnyOf((truths) Each return all not Each)

define function AtLeast(count Integer, truths List<Boolean>):
  case
    when Count((truths) Each where Each is true return all 1) >= count then true
    when Count((truths) Each where Each is not false return all 1) >= count then null
    else false
  end

// Where the condition is open, what both branches agree on.
define function Choose(condition Boolean, then_ Boolean, otherwise Boolean):
  case
    when condition is true then then_
    when condition is false then otherwise
    when then_ is true and otherwise is true then true
    when then_ is false and otherwise is false then false
    else null
  end

// "Not there" is only known where all records of the kind were sent.
define function IfShown(found Boolean, shown Boolean):
  if found is false and shown is not true then null else found

// For what CQL does not decide: nothing there is false, anything there is left open.
define function OpenUnlessFalse(found Boolean):
  if found is false then false else null

// Two ways to see it: an answer where both give the same.
define function Agreed(one Boolean, other Boolean):
  case when one is true and other is true then true when one is false and other is false then false else null end

// ---- days ---------------------------------------------------------------------------------------------------------

// A date may be a month or a year: then it is some day from Earliest to Latest.
define function Earliest(onDay Date):
  if onDay is null then null
  else Date(year from onDay, Coalesce(month from onDay, 1), Coalesce(day from onDay, 1))

define function Latest(onDay Date):
  case
    when onDay is null then null
    when month from onDay is null then Date(year from onDay, 12, 31)
    when day from onDay is null then Date(year from onDay, month from onDay, 1) + 1 month - 1 day
    else onDay
  end

define function Sooner(one Date, other Date):
  if one < other then one else other

define function Later(one Date, other Date):
  if one > other then one else other

// Whether some day of the period lies in the window. Both ends of the period are days that are known only in part.
define function Overlaps(period @PERIOD@, first Date, last Date):
  case
    when period.beganFrom > last or period.endedBy < first then false
    when period.beganBy <= last and period.endedFrom >= first then true
    else null
  end

// Its beginning alone: for "ever", and for what happens at a moment.
define function Beginning(period @PERIOD@):
  Tuple { beganFrom: period.beganFrom, beganBy: period.beganBy, endedFrom: period.beganFrom, endedBy: period.beganBy }

// What ended before it began leaves everything between open.
define function Ordered(period @PERIOD@, asOf Date):
  if period.endedBy < period.beganFrom and period.beganFrom <= asOf
  then Tuple {
    beganFrom: period.endedFrom, beganBy: period.beganBy,
    endedFrom: period.endedFrom, endedBy: Later(asOf, period.beganBy)
  }
  else Tuple {
    beganFrom: period.beganFrom, beganBy: period.beganBy,
    endedFrom: Later(period.endedFrom, period.beganFrom), endedBy: Later(period.endedBy, period.beganFrom)
  }

// ---- codes --------------------------------------------------------------------------------------------------------

// Codes of ICD-10, ICD-10-CM and ATC stand for all that lies beneath them. Written as `icd10cm:C341|`.
define function Keys(concept FHIR.CodeableConcept):
  (concept.coding) Coding
    let system:
      case Coding.system.value
@KEYS@
        else null
      end
    where system is not null and Coding.code.value is not null
    return all system + ReplaceMatches(Upper(Coding.code.value), '[.\\s]|[†*+!#-]+$', '') + '|'

// One of the codes lies beneath one of these. An entry that ends in | is that code alone.
define function Beneath(concept FHIR.CodeableConcept, inside List<String>):
  exists ((Keys(concept)) Key where exists ((inside) Entry where StartsWith(Key, Entry)))

// The same, but what is beneath a longer entry of `outside` is taken out again.
define function BeneathBut(concept FHIR.CodeableConcept, inside List<String>, outside List<String>):
  exists ((Keys(concept)) Key
    where Coalesce(Max((inside) Entry where StartsWith(Key, Entry) return all Length(Entry)), 0)
        > Coalesce(Max((outside) Entry where StartsWith(Key, Entry) return all Length(Entry)), 0))

// No code of a system in which the concepts are listed: it may be anything.
define function IsUnplaced(concept FHIR.CodeableConcept):
  not exists ((concept.coding) Coding
    where Coding.code.value is not null
      and Coding.system.value in @KNOWN@)
    and IsUnplacedDrug(concept)

define function IsUnplacedDrug(concept FHIR.CodeableConcept):
  concept is null or not (concept in "drugs that can be placed")

// The words of a text without their endings, in one spelling, with a space at either end.
define function Fold(text String):
  ' ' + ReplaceMatches(ReplaceMatches(ReplaceMatches(ReplaceMatches(ReplaceMatches(ReplaceMatches(ReplaceMatches(
    Lower(text), '[’\']s\\b', ''), '[\\W_]+', ' '), 'ae|oe', 'e'), '[esiy]+\\b', ''), 'our\\b', 'or'),
    'isation', 'ization'), '\\s+', ' ') + ' '

// Words never prove anything; where they name the concept, absence is not certain.
define function Names(concept FHIR.CodeableConcept, names List<String>):
  Says(concept.text.value, names) or exists ((concept.coding) Coding where Says(Coding.display.value, names))

define function Says(text String, names List<String>):
  exists ((names) Name where PositionOf(' ' + Name + ' ', Fold(text)) >= 0)

// ---- the patient --------------------------------------------------------------------------------------------------

define "sex":
  Patient.gender.value

define "born":
  Patient.birthDate.value

define function YearsOn(birth Date, onDay Date):
  (year from onDay) - (year from birth)
    - (if month from onDay < month from birth
          or (month from onDay = month from birth and day from onDay < day from birth) then 1 else 0)

define function MonthsOn(birth Date, onDay Date):
  ((year from onDay) - (year from birth)) * 12 + (month from onDay) - (month from birth)
    - (if day from onDay < day from birth then 1 else 0)

// The age in completed years, months, weeks or days.
define function AgeOn(birth Date, onDay Date, unit String):
  case unit
    when 'year' then YearsOn(birth, onDay)
    when 'month' then MonthsOn(birth, onDay)
    when 'week' then (difference in days between birth and onDay) div 7
    else difference in days between birth and onDay
  end

// The days of birth that must agree where only a month or a year is known; `partly`: whether that can be enough.
define function BirthDays(asOf Date, partly Boolean):
  case
    when "born" is null or Earliest("born") > asOf or exists (Patient.modifierExtension) then {} as List<Date>
    when not partly and Earliest("born") != Latest("born") then {} as List<Date>
    else { Earliest("born"), Sooner(Latest("born"), asOf) }
  end

define function IsMale():
  case
    when exists (Patient.modifierExtension) then null
    when "sex" = 'male' then true
    when "sex" = 'female' then false
    else null
  end

define function IsAlive(asOf Date):
  case
    when exists (Patient.modifierExtension) then null
    when Patient.deceased is null then true
    when Patient.deceased is FHIR.boolean then not (Patient.deceased as FHIR.boolean).value
    when Earliest(date from (Patient.deceased as FHIR.dateTime).value) > asOf then true
    when Latest(date from (Patient.deceased as FHIR.dateTime).value) <= asOf then false
    else null
  end

// Presumed of women of these ages, unless something is recorded that ends it.
define function MayBearChildren(ended Boolean, perhapsEnded Boolean, lowest Integer, highest Integer, asOf Date):
  First((
    ({ BirthDays(asOf, true) }) Days
      let
        oldest: YearsOn(First(Days), asOf),
        youngest: YearsOn(Last(Days), asOf)
      return case
        when IsMale() then false
        when IsMale() is null then null
        when ended is true then false
        when not exists (Days) then null
        when youngest > highest or oldest < lowest then false
        when oldest > highest or youngest < lowest then null
        when ended is null or perhapsEnded is not false then null
        else true
      end))
"""
