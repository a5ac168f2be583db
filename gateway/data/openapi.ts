import { labelsOf } from '@coalmine/contract/feedback.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import {
  explainRequestSchema,
  explainResponseSchema,
  feedbackRequestSchema,
  feedbackResponseSchema,
  inferRequestSchema,
  inferResponseSchema,
  type JsonSchema,
  predictRequestSchema,
  predictResponseSchema,
} from '@coalmine/contract/openapi.ts'
import type { DataPlane } from './data-plane.ts'
import { REFUSALS } from './feedback.ts'
import type { ModelRoute } from './route.ts'

const ERROR: JsonSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: { type: 'string', description: 'What is wrong, as a sentence.' },
    detail: {
      type: 'array',
      description: 'Every problem of the request, with 422.',
      items: {
        type: 'object',
        required: ['loc', 'msg', 'type'],
        properties: {
          loc: {
            type: 'array',
            items: { type: ['string', 'integer'] },
            examples: [['body', 'instances', 0, 'contract']],
          },
          msg: { type: 'string' },
          type: { type: 'string' },
          input: {},
        },
      },
    },
  },
}
const HEADERS = Object.fromEntries(
  Object.entries({
    'x-model-name': 'The model that answered.',
    'x-model-version': 'The version that answered.',
    'x-model-digest': 'The digest of that version: its contract and every file it names.',
    'x-prediction-id': 'Names this prediction: version, arm, time and score, signed.',
    'x-request-id': 'Yours if you sent one, else made here.',
    traceresponse: 'The trace that the gateway made spans of this request in; none where it made none.',
  }).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
)
/** What every error says of its request. */
const { 'x-request-id': X_REQUEST_ID } = HEADERS
const REFERENCE = {
  'x-request-id': X_REQUEST_ID,
  traceresponse: {
    description: 'The trace of the request, where it came with a traceparent or is traced here.',
    schema: { type: 'string' },
  },
}
const REQUEST_HEADERS = [
  {
    name: 'x-request-id',
    in: 'header',
    description: 'Comes back with the answer.',
    schema: { type: 'string' },
  },
  {
    name: 'x-request-timeout-ms',
    in: 'header',
    description: 'Lowers the deadline of this request.',
    schema: { type: 'integer', minimum: 1 },
  },
]

/** The description of the data port, with each model's own schemas from the manifest of its stable version. */
export function dataOpenApi(plane: DataPlane, version: string) {
  const routes = [...plane.routes.values()]
  return {
    openapi: '3.1.0',
    info: {
      title: 'Coalmine',
      version,
      description:
        'One stable endpoint for every model. The gateway chooses the version; a version in the path pins it.',
    },
    tags: routes.map((route) => ({
      name: route.model,
      description: route.served('stable').manifest.description ?? '',
    })),
    paths: Object.assign({}, ...routes.map(modelPaths), SERVER_PATHS),
    components: { schemas: { Error: ERROR } },
  }
}

function modelPaths(route: ModelRoute): Record<string, unknown> {
  const { model, limits } = route
  const { manifest } = route.served('stable')
  const versions = [...route.versions.keys()].filter((version) => route.endpoints.loaded(version))
  const v1 = {
    request: predictRequestSchema(manifest, limits.instances),
    response: predictResponseSchema(manifest),
  }
  const v2 = { request: inferRequestSchema(manifest), response: inferResponseSchema(manifest) }
  const explain = {
    request: explainRequestSchema(manifest, limits.instances),
    response: explainResponseSchema(manifest),
  }
  const pin = {
    name: 'version',
    in: 'path',
    required: true,
    description: 'Answers with this version only, whatever the split.',
    schema: { type: 'string', enum: versions },
  }
  const get = (summary: string) => ({
    get: { tags: [model], summary, responses: { 200: { description: 'OK' }, 404: refusal('Unknown model') } },
  })
  return {
    [`/v1/models/${model}:predict`]: call(manifest, 'Predict from records', v1),
    [`/v1/models/${model}/versions/{version}:predict`]: call(manifest, 'Predict with one version', v1, pin),
    [`/v1/models/${model}:explain`]: explained(call(manifest, 'Explain predictions', explain)),
    [`/v1/models/${model}/versions/{version}:explain`]: explained(
      call(manifest, 'Explain predictions of one version', explain, pin),
    ),
    [`/v1/models/${model}/explanations/{id}`]: fetchedLater(manifest),
    ...(labelsOf(manifest).length > 0 && { [`/v1/models/${model}:feedback`]: feedback(manifest) }),
    [`/v2/models/${model}/infer`]: call(manifest, 'Infer from tensors (Open Inference Protocol)', v2),
    [`/v2/models/${model}/versions/{version}/infer`]: call(manifest, 'Infer with one version', v2, pin),
    [`/v1/models/${model}`]: get('Whether the model is ready'),
    [`/v2/models/${model}`]: get('Metadata: tensors, versions, provenance'),
    [`/v2/models/${model}/ready`]: get('Whether the model is ready'),
  }
}

function call(
  { name }: Manifest,
  summary: string,
  { request, response }: { request: JsonSchema; response: JsonSchema },
  pin?: object,
) {
  const [example] = request.examples as unknown[]
  return {
    post: {
      tags: [name],
      summary,
      parameters: [...(pin ? [pin] : []), ...REQUEST_HEADERS],
      requestBody: { required: true, content: { 'application/json': { schema: request, example } } },
      responses: {
        200: {
          description: 'The prediction',
          headers: HEADERS,
          content: { 'application/json': { schema: response } },
        },
        400: refusal('The body is no JSON'),
        404: refusal('Unknown model or version'),
        413: refusal('Too large or too many instances; use batch prediction'),
        422: refusal('The request breaks the contract; `detail` has every problem'),
        503: refusal('No worker is ready; see Retry-After'),
        504: refusal('No answer within the deadline'),
      },
    },
  }
}

/** Of the right form, and of no prediction: whoever tries the example sees how a truth is refused. */
const EXAMPLE_ID = 'EA'.padEnd(64, 'A')

function feedback(manifest: Manifest) {
  const json = (schema: JsonSchema) => ({ 'application/json': { schema } })
  const example = { prediction_id: EXAMPLE_ID, truth: labelsOf(manifest)[0] }
  return {
    post: {
      tags: [manifest.name],
      summary: 'Send the truth about predictions',
      requestBody: {
        required: true,
        content: { 'application/json': { schema: feedbackRequestSchema(manifest), example } },
      },
      responses: {
        202: { description: 'What became of each', content: json(feedbackResponseSchema(REFUSALS)) },
        400: refusal('The body is no JSON'),
        404: refusal('Unknown model'),
        413: refusal('Too large or too many'),
        422: refusal('A truth breaks the contract; nothing was taken, `detail` has every problem'),
        503: refusal('The model is not ready'),
      },
    },
  }
}

/** The same route, and what is answered otherwise where nothing is predicted. */
function explained({ post }: ReturnType<typeof call>) {
  const { 'x-prediction-id': _, ...headers } = HEADERS
  const responses = {
    ...post.responses,
    200: { ...post.responses[200], description: 'The explanations', headers },
    202: {
      description: 'Taken with a `mode`; fetched where `location` says',
      headers: { ...headers, location: { description: 'Where to ask.', schema: { type: 'string' } } },
      content: { 'application/json': { schema: PROGRESS } },
    },
    404: refusal('Unknown model or version, or the version that predicted is not kept any more'),
    501: refusal('The version cannot be explained; the error says why'),
    503: refusal('No worker is ready, or there is too much to do for explanations; see Retry-After'),
  }
  return { post: { ...post, responses } }
}

const PROGRESS: JsonSchema = {
  type: 'object',
  required: ['id', 'state', 'records', 'model_name', 'model_version'],
  properties: {
    id: { type: 'string', description: 'Leads back to the worker that explains; signed.' },
    state: { enum: ['waiting', 'running'] },
    records: { type: 'integer' },
    ahead: { type: 'integer', description: 'Requests before it, while it waits.' },
    explained: { type: 'integer', description: 'Of its records, while it is running.' },
    model_name: { type: 'string' },
    model_version: { type: 'string', description: 'The version that explains.' },
  },
}

function fetchedLater(manifest: Manifest) {
  const json = (schema: JsonSchema) => ({ 'application/json': { schema } })
  return {
    get: {
      tags: [manifest.name],
      summary: 'Fetch explanations that were asked for with a mode',
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
      responses: {
        200: { description: 'The explanations', content: json(explainResponseSchema(manifest)) },
        202: { description: 'Not yet; see Retry-After', content: json(PROGRESS) },
        404: refusal('Unknown model, or an id that was not given here'),
        410: refusal('Not kept any more: too old, or its worker or version is gone; ask again'),
        500: refusal('It failed, or did not add up'),
        501: refusal('The version cannot be explained in this way; the error says why'),
        503: refusal('Its worker does not answer, or there is too much to do; see Retry-After'),
        504: refusal('No answer within the deadline'),
      },
    },
  }
}

function refusal(description: string) {
  return {
    description,
    headers: REFERENCE,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  }
}

const SERVER_PATHS = Object.fromEntries(
  Object.entries({
    '/v2': 'Name, version and extensions of this server',
    '/v2/health/live': 'Whether the server is up',
    '/v2/health/ready': 'Whether predictions can be answered',
    '/v1/models': 'Names of all models',
    '/livez': 'Whether the process is up',
    '/readyz': 'Whether predictions can be answered',
  }).map(([path, summary]) => [
    path,
    { get: { tags: ['server'], summary, responses: { 200: { description: 'OK' } } } },
  ]),
)
