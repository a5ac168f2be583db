import { expect, test } from 'vitest'
import { tracingSettings } from './settings.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

test.each([
  ['nothing names an endpoint', {}, undefined],
  ['the SDK is disabled', { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }, undefined],
  ['nothing is exported', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }, undefined],
  ['an endpoint alone', ENDPOINT, { ratio: 1, resource: {} }],
  [
    'one of traces',
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector/v1/traces' },
    { ratio: 1, resource: {} },
  ],
  [
    'a part',
    { ...ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' },
    { ratio: 0.25, resource: {} },
  ],
  [
    'what others began alone',
    { ...ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_always_off' },
    { ratio: 0, resource: {} },
  ],
  [
    'who makes them: the name of the service above one in the list',
    {
      ...ENDPOINT,
      ...{ OTEL_SERVICE_NAME: 'front', OTEL_RESOURCE_ATTRIBUTES: 'service.name=other, zone=a%2Cb,' },
    },
    { ratio: 1, resource: { 'service.name': 'front', zone: 'a,b' } },
  ],
])('%s', (_, env, settings) => {
  expect(tracingSettings(env)).toEqual(settings)
})

test.each([
  [
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    'OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, found grpc',
  ],
  [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER: expected otlp or none, found zipkin'],
  [{ OTEL_PROPAGATORS: 'b3' }, 'OTEL_PROPAGATORS: expected tracecontext, found b3'],
  [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER: expected parentbased_always_on'],
  [
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '25' },
    'OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, found 25',
  ],
  [
    { OTEL_RESOURCE_ATTRIBUTES: 'zone' },
    'OTEL_RESOURCE_ATTRIBUTES: expected key=value,key=value with values percent-encoded, found zone',
  ],
  [{ OTEL_RESOURCE_ATTRIBUTES: 'zone=%' }, 'OTEL_RESOURCE_ATTRIBUTES: expected key=value'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT: expected an address'],
])('%j is refused by name', (env, message) => {
  expect(() => tracingSettings({ ...ENDPOINT, ...env })).toThrow(message)
})
