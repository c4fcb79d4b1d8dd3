"""The rules of EligoRules: conditions, treatments, wash-outs and allergies."""

TEXT = r"""
// ---- conditions ---------------------------------------------------------------------------------------------------

define function Codes(status FHIR.CodeableConcept):
  (status.coding) Coding where Coding.code.value is not null return all Lower(Coding.code.value)

define function IsInError(condition FHIR.Condition):
  'entered-in-error' in Codes(condition.verificationStatus)
    or condition.verificationStatus.text.value = 'entered-in-error'

define "conditions":
  [Condition] Record where not Coalesce(IsInError(Record), false)

define "conditions are recorded":
  exists ("conditions" Record where IsUnmodified(Record.modifierExtension, Record.implicitRules))

define function IsUnmodified(extensions List<FHIR.Extension>, rules FHIR.uri):
  not exists (extensions) and rules is null

define "remission by code":
  @REMISSION@

// One word for clinicalStatus; `unclear` where its words are not those of FHIR or contradict each other.
define function Activity(condition FHIR.Condition):
  if StatedActivity(condition) = 'active'
    and (condition.code in "says that it is over or in remission" or Beneath(condition.code, "remission by code"))
  then 'unclear' else StatedActivity(condition)

define function StatedActivity(condition FHIR.Condition):
  case
    when not exists (Codes(condition.clinicalStatus))
      then case
        when condition.clinicalStatus.text.value is not null then 'unclear'
        when condition.abatement is not null then 'resolved'
        else 'active'
      end
    when not exists ((Codes(condition.clinicalStatus)) Word
      where not (Word in { 'active', 'recurrence', 'relapse' })) then 'active'
    when not exists ((Codes(condition.clinicalStatus)) Word where Word != 'remission') then 'remission'
    when not exists ((Codes(condition.clinicalStatus)) Word where Word != 'resolved') then 'resolved'
    when not exists ((Codes(condition.clinicalStatus)) Word where Word != 'inactive') then 'inactive'
    else 'unclear'
  end

define function Certainty(verification FHIR.CodeableConcept):
  case
    when not exists (Codes(verification)) then (if verification.text.value is null then 'confirmed' else 'unclear')
    when not exists ((Codes(verification)) Word where Word != 'refuted') then 'refuted'
    when not exists ((Codes(verification)) Word where Word != 'confirmed') then 'confirmed'
    when 'refuted' in Codes(verification) or 'confirmed' in Codes(verification) then 'unclear'
    else 'suspected'
  end

define function IsClear(condition FHIR.Condition):
  IsUnmodified(condition.modifierExtension, condition.implicitRules)
    and (condition.onset is null or (condition.onset as FHIR.dateTime).value is not null)
    and (condition.abatement is null or (condition.abatement as FHIR.dateTime).value is not null)
    and Activity(condition) != 'unclear'
    and Certainty(condition.verificationStatus) != 'unclear'

// From onset to abatement, or still there; recordedDate bounds the onset from above, no more.
define function PeriodOf(condition FHIR.Condition, malignancy Boolean, asOf Date):
  First((
    ({ condition }) Record
      let
        activity: Activity(Record),
        onset: date from (Record.onset as FHIR.dateTime).value,
        abatement: date from (Record.abatement as FHIR.dateTime).value,
        recordedBy: Latest(date from Record.recordedDate.value),
        recordedLater: Coalesce(Earliest(date from Record.recordedDate.value) > asOf, false),
        latestStart:
          if onset is null and abatement is not null
          then Sooner(Coalesce(recordedBy, asOf), Latest(abatement))
          else Coalesce(recordedBy, asOf),
        beganFrom: Coalesce(Earliest(onset), @0001-01-01),
        latestOnset: Coalesce(Latest(onset), latestStart),
        knownBy:
          if onset is not null and Coalesce(beganFrom <= recordedBy and recordedBy < latestOnset, false)
          then recordedBy else latestOnset,
        beganBy: if beganFrom <= asOf and asOf < knownBy and not recordedLater then asOf else knownBy,
        endedFrom:
          case
            when abatement is not null then Earliest(abatement)
            when activity = 'active' then asOf
            else beganFrom
          end,
        endedBy:
          case
            when activity = 'active' then @9999-12-31
            when abatement is not null then Latest(abatement)
            when malignancy and activity != 'resolved' then @9999-12-31
            else asOf
          end
      return Ordered(Tuple { beganFrom: beganFrom, beganBy: beganBy, endedFrom: endedFrom, endedBy: endedBy }, asOf)))

// Is it there on the day? `malignancy`: remission is still the diagnosis; `active`: only what is active is asked for.
define function IsNow(condition FHIR.Condition, malignancy Boolean, active Boolean, asOf Date):
  First((
    ({ condition }) Record
      let
        begun: Overlaps(Beginning(PeriodOf(Record, false, asOf)), @0001-01-01, asOf),
        abatedBy: Latest(date from (Record.abatement as FHIR.dateTime).value),
        over: Coalesce(abatedBy <= asOf, false),
        ahead: Coalesce(abatedBy > asOf, false)
      return case
        when begun is not true then begun
        when Activity(Record) = 'active' then (if over then null else true)
        when Activity(Record) = 'remission' then (malignancy and not active)
        when Activity(Record) = 'resolved' then (if ahead then null else false)
        when Activity(Record) = 'inactive' then (if ahead or (malignancy and not active) then null else false)
        else null
      end))

define function WasEver(condition FHIR.Condition, asOf Date):
  Overlaps(Beginning(PeriodOf(condition, false, asOf)), @0001-01-01, asOf)

// `moment`: 'no' where the whole period counts, 'yes' where the onset alone does, 'perhaps' where both must agree.
define function WasSince(condition FHIR.Condition, malignancy Boolean, moment String, first Date, asOf Date):
  First((
    ({ condition }) Record
      let
        whole: Overlaps(PeriodOf(Record, malignancy, asOf), first, asOf),
        onset: Overlaps(Beginning(PeriodOf(Record, malignancy, asOf)), first, asOf)
      return case
        when Record.onset is null and Record.abatement is null and Record.recordedDate is null then null
        when moment = 'yes' then onset
        when moment = 'no' then whole
        else Agreed(whole, onset)
      end))

// A record of the condition itself. Refuted: it speaks against. Suspected: open, unless suspicion is enough.
define function Proves(condition FHIR.Condition, inTime Boolean, suspicion Boolean):
  case
    when Certainty(condition.verificationStatus) = 'refuted' then false
    when not IsClear(condition) then null
    when inTime is false then false
    when Certainty(condition.verificationStatus) = 'suspected' and not suspicion then null
    else inTime
  end

// A record that may be the condition: less specific, not placed, or known by its words alone.
define function Hints(condition FHIR.Condition, inTime Boolean):
  case
    when Certainty(condition.verificationStatus) = 'refuted' then false
    when IsClear(condition) and inTime is false then false
    else null
  end

// ---- treatments ---------------------------------------------------------------------------------------------------

// When a record says that something ran: a day, a period, or neither.
define function StartOf(moment FHIR.dateTime, period FHIR.Period):
  if moment is not null then date from moment.value else date from period.start.value

define function EndOf(moment FHIR.dateTime, period FHIR.Period):
  if moment is not null then date from moment.value else date from period."end".value

define function IsOrderly(start Date, end Date):
  not Coalesce(Latest(end) < Earliest(start), false)

// The drug: coded in place, or in a Medication of the record that is not a mixture. Else it is not known (null).
define function Drug(inPlace FHIR.CodeableConcept, reference FHIR.Reference):
  if inPlace is not null then inPlace
  else First([Medication] Each
    where reference.reference.value in { 'Medication/' + Each.id.value, 'urn:uuid:' + Each.id.value }
      and not exists (Each.ingredient)
      and Coalesce(Each.status.value, '') != 'entered-in-error'
    return Each.code)

define function SaysWhen(dosages List<FHIR.Dosage>):
  exists ((dosages) Each
    where Each.timing.repeat.bounds is not null or Each.timing.repeat."count" is not null or exists (Each.timing.event))

define "drugs":
  flatten {
    [MedicationRequest] Record
      where Record.status.value in { 'active', 'completed', 'on-hold', 'stopped' }
        and not (Coalesce(Record.intent.value, '') in { 'proposal', 'option' })
      return all Tuple {
        code: Drug(Record.medication as FHIR.CodeableConcept, Record.medication as FHIR.Reference),
        against: Coalesce(Record.doNotPerform.value, false),
        clear: IsUnmodified(Record.modifierExtension, Record.implicitRules)
          and Record.intent.value in { 'order', 'original-order', 'reflex-order', 'filler-order', 'instance-order' }
          and not SaysWhen(Record.dosageInstruction)
          and Record.dispenseRequest is null
          and (Record.authoredOn is null or Record.authoredOn.value is not null),
        start: date from Record.authoredOn.value,
        end: null as Date,
        ongoing: Record.status.value = 'active'
      },
    [MedicationStatement] Record
      where Record.status.value in { 'active', 'completed', 'on-hold', 'stopped', 'not-taken' }
      return all Tuple {
        code: Drug(Record.medication as FHIR.CodeableConcept, Record.medication as FHIR.Reference),
        against: Record.status.value = 'not-taken',
        clear: IsUnmodified(Record.modifierExtension, Record.implicitRules)
          and not SaysWhen(Record.dosage)
          and (Record.effective is null or Record.effective is FHIR.dateTime or Record.effective is FHIR.Period)
          and IsOrderly(
            date from (Record.effective as FHIR.Period).start.value,
            date from (Record.effective as FHIR.Period)."end".value),
        start: StartOf(Record.effective as FHIR.dateTime, Record.effective as FHIR.Period),
        end: date from (Record.effective as FHIR.Period)."end".value,
        ongoing: Record.status.value = 'active' and (Record.effective as FHIR.Period)."end".value is null
      },
    [MedicationAdministration] Record
      where Record.status.value in { 'in-progress', 'completed', 'on-hold', 'stopped', 'not-done' }
      return all Tuple {
        code: Drug(Record.medication as FHIR.CodeableConcept, Record.medication as FHIR.Reference),
        against: Record.status.value = 'not-done',
        clear: IsUnmodified(Record.modifierExtension, Record.implicitRules)
          and IsOrderly(
            date from (Record.effective as FHIR.Period).start.value,
            date from (Record.effective as FHIR.Period)."end".value),
        start: StartOf(Record.effective as FHIR.dateTime, Record.effective as FHIR.Period),
        end: EndOf(Record.effective as FHIR.dateTime, Record.effective as FHIR.Period),
        ongoing: Record.status.value = 'in-progress'
          and EndOf(Record.effective as FHIR.dateTime, Record.effective as FHIR.Period) is null
      },
    [MedicationDispense] Record
      where Record.status.value in { 'completed', 'declined', 'cancelled' }
      return all Tuple {
        code: Drug(Record.medication as FHIR.CodeableConcept, Record.medication as FHIR.Reference),
        against: Record.status.value != 'completed',
        clear: IsUnmodified(Record.modifierExtension, Record.implicitRules) and Record.daysSupply is null,
        start: date from Coalesce(Record.whenHandedOver.value, Record.whenPrepared.value),
        end: null as Date,
        ongoing: false
      }
  }

define "procedures":
  [Procedure] Record
    where Record.status.value in { 'in-progress', 'completed', 'stopped', 'not-done' }
    return all Tuple {
      code: Record.code,
      against: Record.status.value = 'not-done',
      clear: IsUnmodified(Record.modifierExtension, Record.implicitRules)
        and (Record.performed is null or Record.performed is FHIR.dateTime or Record.performed is FHIR.Period)
        and IsOrderly(
          date from (Record.performed as FHIR.Period).start.value,
          date from (Record.performed as FHIR.Period)."end".value),
      start: StartOf(Record.performed as FHIR.dateTime, Record.performed as FHIR.Period),
      end: EndOf(Record.performed as FHIR.dateTime, Record.performed as FHIR.Period),
      ongoing: Record.status.value = 'in-progress'
        and EndOf(Record.performed as FHIR.dateTime, Record.performed as FHIR.Period) is null
    }

define "vaccinations":
  [Immunization] Record
    where Record.status.value in { 'completed', 'not-done' }
    return all Tuple {
      code: Record.vaccineCode,
      against: Record.status.value = 'not-done',
      clear: IsUnmodified(Record.modifierExtension, Record.implicitRules),
      start: date from (Record.occurrence as FHIR.dateTime).value,
      end: date from (Record.occurrence as FHIR.dateTime).value,
      ongoing: false
    }

// A record that does not say what happened is no proof that nothing did.
define "a drug record is unclear":
  exists ([MedicationRequest] Record where Record.status.value is null)
    or exists ([MedicationStatement] Record where Record.status.value is null)
    or exists ([MedicationAdministration] Record where Record.status.value is null)
    or exists ([MedicationDispense] Record where Record.status.value is null)

define "a procedure record is unclear":
  exists ([Procedure] Record where Record.status.value is null)

define "a vaccination record is unclear":
  exists ([Immunization] Record where Record.status.value is null)

define "drugs are recorded":
  exists ([MedicationRequest] Record
      where Coalesce(Record.status.value, '') != 'entered-in-error'
        and IsUnmodified(Record.modifierExtension, Record.implicitRules))
    or exists ([MedicationStatement] Record
      where Coalesce(Record.status.value, '') != 'entered-in-error'
        and IsUnmodified(Record.modifierExtension, Record.implicitRules))
    or exists ([MedicationAdministration] Record
      where Coalesce(Record.status.value, '') != 'entered-in-error'
        and IsUnmodified(Record.modifierExtension, Record.implicitRules))
    or exists ([MedicationDispense] Record
      where Coalesce(Record.status.value, '') != 'entered-in-error'
        and IsUnmodified(Record.modifierExtension, Record.implicitRules))

define "procedures are recorded":
  exists ([Procedure] Record
    where Coalesce(Record.status.value, '') != 'entered-in-error'
      and IsUnmodified(Record.modifierExtension, Record.implicitRules))

define "vaccinations are recorded":
  exists ([Immunization] Record
    where Coalesce(Record.status.value, '') != 'entered-in-error'
      and IsUnmodified(Record.modifierExtension, Record.implicitRules))

// From start to end; without an end it certainly ran on its first day and may have run since.
define function PeriodGiven(given @GIVEN@, asOf Date):
  First((
    ({ given }) Record
      let
        latestStart: if Record."end" is not null then Sooner(asOf, Latest(Record."end")) else asOf,
        beganFrom: Coalesce(Earliest(Record.start), @0001-01-01),
        startBy: Coalesce(Latest(Record.start), latestStart),
        beganBy: if beganFrom <= asOf and asOf < startBy then asOf else startBy,
        endedFrom:
          case
            when Record."end" is not null then Earliest(Record."end")
            when Record.ongoing then asOf
            else beganFrom
          end,
        endedBy:
          case
            when Record."end" is not null
              then (if Earliest(Record."end") <= asOf and asOf < Latest(Record."end")
                       and Earliest(Record."end") != Latest(Record."end") and not Record.ongoing
                    then asOf else Latest(Record."end"))
            when Record.ongoing then @9999-12-31
            else Later(asOf, beganFrom)
          end
      return Ordered(Tuple { beganFrom: beganFrom, beganBy: beganBy, endedFrom: endedFrom, endedBy: endedBy }, asOf)))

define function WasGiven(given @GIVEN@, moment String, first Date, asOf Date):
  case
    when moment = 'yes' then Overlaps(Beginning(PeriodGiven(given, asOf)), first, asOf)
    when moment = 'no' then Overlaps(PeriodGiven(given, asOf), first, asOf)
    else Agreed(
      Overlaps(PeriodGiven(given, asOf), first, asOf), Overlaps(Beginning(PeriodGiven(given, asOf)), first, asOf))
  end

// A record of the treatment itself, and one that may be it.
define function Shows(given @GIVEN@, inTime Boolean):
  case
    when given.against then false
    when not given.clear then null
    else inTime
  end

define function Suggests(given @GIVEN@, inTime Boolean):
  if given.against or (given.clear and inTime is false) then false else null

// A state that what was given may have brought about: it lasts as long as that runs, and perhaps longer.
define function IsStillThere(given @GIVEN@, asOf Date):
  case
    when Overlaps(Beginning(PeriodGiven(given, asOf)), @0001-01-01, asOf) is false then false
    when Overlaps(PeriodGiven(given, asOf), asOf, asOf) is true then true
    else null
  end

// At least so long ago: it ended on `limit` or before.
define function IsPast(period @PERIOD@, limit Date):
  case
    when period.endedBy <= limit then true
    when period.endedFrom > limit then false
    else null
  end

// One record does not stand against "at least so long ago". What may be another drug, dose or way proves nothing by
// being recent (`sure`); where half-lives are asked for, the days alone are not enough (`enough`).
define function LongAgo(given @GIVEN@, sure Boolean, enough Boolean, limit Date, asOf Date):
  First((
    ({ given }) Record
      let
        ever: WasGiven(Record, 'yes', @0001-01-01, asOf),
        past: IsPast(PeriodGiven(Record, asOf), limit)
      return case
        when Record.against then true
        when not Record.clear then null
        when ever is false then true
        when past is true then (if enough then true else null)
        when not sure or ever is null then null
        else past
      end))

define function LongResolved(
  condition FHIR.Condition, sure Boolean, moment String, malignancy Boolean, limit Date, asOf Date
):
  First((
    ({ condition }) Record
      let
        ever: WasEver(Record, asOf),
        whole: IsPast(PeriodOf(Record, malignancy, asOf), limit),
        onset: IsPast(Beginning(PeriodOf(Record, malignancy, asOf)), limit),
        past: case when moment = 'yes' then onset when moment = 'no' then whole else Agreed(whole, onset) end
      return case
        when Certainty(Record.verificationStatus) = 'refuted' then true
        when not IsClear(Record) then null
        when ever is false then true
        when past is true then true
        when not sure or ever is null or Certainty(Record.verificationStatus) = 'suspected' then null
        else past
      end))

// ---- allergies ----------------------------------------------------------------------------------------------------

define "allergies":
  [AllergyIntolerance] Record
    where not ('entered-in-error' in Codes(Record.verificationStatus))

define "allergies are recorded":
  exists ("allergies" Record where IsUnmodified(Record.modifierExtension, Record.implicitRules))

define function IsAllergic(allergy FHIR.AllergyIntolerance, ever Boolean):
  case
    when Certainty(allergy.verificationStatus) = 'refuted' then false
    when not IsUnmodified(allergy.modifierExtension, allergy.implicitRules) then null
    when not exists (Codes(allergy.clinicalStatus))
      then (if allergy.clinicalStatus.text.value is null and Certainty(allergy.verificationStatus) = 'confirmed'
            then true else null)
    when not ever and not exists ((Codes(allergy.clinicalStatus)) Word
      where not (Word in { 'resolved', 'inactive' })) then false
    when Certainty(allergy.verificationStatus) != 'confirmed' then null
    when ever or not exists ((Codes(allergy.clinicalStatus)) Word where Word != 'active') then true
    else null
  end
"""
