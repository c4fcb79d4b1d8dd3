// Translates CQL and runs it, one line of JSON in and one out, until the input ends.
//
//   {"include": "EligoRules", "source": "..."}            a library that others include
//   {"valueSets": {"url": [{"code", "system"}, ...]}}     what `in "..."` looks up
//   {"library": "T1", "source": "..."}                    -> {"library": "T1", "errors": [...]}
//   {"case": 1, "library": "T1", "bundle": {...}, "asOf": "2026-11-22", "parameters": {...}, "defines": ["I1"]}
//                                                         -> {"case": 1, "values": {"I1": true}} or {"case": 1, "error": "..."}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

console.log = console.error; // standard output carries answers alone
const require = createRequire(import.meta.url);
globalThis.require = require; // the translator looks for it
const toElm = await import("@cqframework/cql/cql-to-elm");
const cql = require("cql-execution");
const { PatientSource } = require("cql-exec-fhir");
const { UcumLhcUtils } = require("@lhncbc/ucum-lhc");

const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
const fhirModel = readFileSync(
  require.resolve("cql-exec-fhir").replace(/index\.js$/, "modelInfos/fhir-modelinfo-4.0.1.xml"), "utf8");
const models = { System: here("./system-modelinfo.xml"), FHIR: fhirModel };
const sources = new Map([["FHIRHelpers", here("./FHIRHelpers.cql")]]);
const ucum = UcumLhcUtils.getInstance();

const modelManager = new toElm.ModelManager();
modelManager.modelInfoLoader.registerModelInfoProvider(
  toElm.createModelInfoProvider((name) => (models[name] ? toElm.stringAsSource(models[name]) : null)), true);
const unused = () => { throw new Error("the translator does not calculate with units here"); };
const options = toElm.CqlCompilerOptions.defaultOptions();
const { DisableListDemotion, DisableListPromotion } = toElm.CqlCompilerOptions.Options;
options.setOptions([DisableListDemotion, DisableListPromotion]); // neither annotations nor locators: half the time
const libraryManager = new toElm.LibraryManager(
  modelManager, options, null,
  toElm.createUcumService(
    unused, (unit) => (ucum.validateUnitString(unit).status === "valid" ? null : `no unit: ${unit}`), unused, unused));
libraryManager.librarySourceLoader.registerProvider(
  toElm.createLibrarySourceProvider((name) => (sources.has(name) ? toElm.stringAsSource(sources.get(name)) : null)));

function translate(source) {
  const done = toElm.CqlTranslator.fromText(source, libraryManager);
  const errors = done.errors.asJsReadonlyArrayView().map((each) => each.message);
  return { errors, elm: errors.length ? null : JSON.parse(done.toJson()) };
}

const included = {};
let codes = new cql.CodeService({});
const libraries = new Map();
const patients = PatientSource.FHIRv401();

async function answer(message) {
  if (message.include) {
    sources.set(message.include, message.source);
    return { include: message.include, errors: include(message.include) };
  }
  if (message.valueSets) {
    const sets = {};
    for (const [url, members] of Object.entries(message.valueSets)) sets[url] = { "": members };
    codes = new cql.CodeService(sets);
    return { valueSets: Object.keys(sets).length };
  }
  if (message.source) {
    const { errors, elm } = translate(message.source);
    if (!errors.length) {
      if (message.elm) return { library: message.library, errors, elm };
      libraries.set(message.library, new cql.Library(elm, new cql.Repository(included)));
    }
    return { library: message.library, errors };
  }
  return { case: message.case, values: await run(message) };
}

function include(name) {
  const { errors, elm } = translate(sources.get(name));
  if (!errors.length) included[name] = elm;
  return errors;
}

async function run({ library, bundle, asOf, parameters, defines }) {
  const given = { ...parameters, AsOf: cql.Date.parse(asOf) };
  const executor = new cql.Executor(libraries.get(library), codes, given);
  const values = {};
  for (const name of defines) {
    patients.loadBundles([bundle]);
    const found = await executor.exec_expression(name, patients);
    const [result] = Object.values(found.patientResults);
    if (!result || !(name in result)) throw new Error(`${library} has no ${name}`);
    values[name] = result[name] ?? null;
  }
  return values;
}

const helpers = include("FHIRHelpers");
if (helpers.length) throw new Error(helpers.join("\n"));
for await (const line of createInterface({ input: process.stdin })) {
  if (!line) continue;
  const message = JSON.parse(line);
  let out;
  try {
    out = await answer(message);
  } catch (error) {
    out = { case: message.case, library: message.library, include: message.include, error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
