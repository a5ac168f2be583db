import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type Manifest, ManifestError, namedFiles, parseManifest, parseManifestObject } from './manifest.ts'
import { arbitraryField } from './testing/arbitrary.ts'
import { CHURN, CHURN_YAML } from './testing/churn-manifest.ts'

function refusal(yaml: string): ManifestError {
  try {
    parseManifest(yaml, 'model.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(ManifestError)
    return error as ManifestError
  }
  throw new Error('the manifest was accepted')
}

/** CHURN_YAML with one text in it replaced. */
function changed(text: string, replacement: string): string {
  expect(CHURN_YAML).toContain(text)
  return CHURN_YAML.replace(text, replacement)
}

test('the manifest of the design is read', () => {
  expect(CHURN.name).toBe('churn')
  expect(CHURN.inputs[2]).toEqual({
    name: 'monthly_charges',
    type: 'float32',
    min: 0,
    max: 500,
    unit: 'USD',
    nullable: true,
  })
  expect(CHURN.score).toEqual({ output: 'probabilities', index: 1, range: [0, 1] })
  expect(namedFiles(CHURN)).toEqual(['model.onnx', 'golden.jsonl', 'reference.json', 'model-card.md'])
})

test('batches hold 64 rows unless the manifest says otherwise', () => {
  expect(parseManifest(changed('batching: { maxBatchSize: 64 }\n', ''), 'm').batching).toEqual({
    maxBatchSize: 64,
  })
})

describe('a fault is told with file, line, column, path, expectation and finding', () => {
  test.each([
    [
      'version: 1.1.0',
      'version: 1.1',
      'model.yaml:2:1: version: expected a string (put it in quotes), found 1.1',
    ],
    [
      'version: 1.1.0',
      'version: latest',
      'model.yaml:2:1: version: expected a version ("latest" is a role, not a version; name the exact version, for example 1.1.0), found "latest"',
    ],
    [
      'name: churn',
      'name: ../churn',
      'model.yaml:1:1: name: expected a model name (a model name has 1 to 63 of a-z, 0-9, ".", "_", "-" and begins with a letter or digit), found "../churn"',
    ],
    [
      'golden: ',
      'goldn: ',
      'model.yaml:18:1: goldn: expected a known key (did you mean "golden"?), found the unknown key "goldn"',
    ],
    ['explain: { method: tree-shap }', 'threads: 4', 'found the unknown key "threads"'],
    [
      'min: 0, max: 120',
      'mim: 0, max: 120',
      'model.yaml:8:41: inputs[0].mim: expected a known key (did you mean "min"?), found the unknown key "mim"',
    ],
    [
      'type: int64, min',
      'type: int8, min',
      'model.yaml:8:28: inputs[0].type: expected one of "int64", "int32", "float32", "float64", "string", "bool", found "int8"',
    ],
    [
      'platform: onnxruntime_onnx',
      'platform: tensorrt',
      'model.yaml:3:1: platform: expected "onnxruntime_onnx", found "tensorrt"',
    ],
    [
      'file: model.onnx',
      'file: ../model.onnx',
      'model.yaml:4:1: file: expected the plain name of a file in the version folder, found "../model.onnx"',
    ],
    [
      'file: model.onnx\n',
      '',
      'model.yaml:1:1: file: expected a string (the key is required), found nothing',
    ],
    ['sha256: 9', 'sha256: A', 'expected 64 lower-case hexadecimal digits'],
    [
      'nullable: true',
      'nullable: yes',
      'model.yaml:10:74: inputs[2].nullable: expected true or false, found "yes"',
    ],
    ['maxBatchSize: 64', 'maxBatchSize: 0', 'batching.maxBatchSize: expected at least 1, found 0'],
    [
      'method: tree-shap',
      'method: lime',
      'explain.method: expected one of "tree-shap", "linear", "exact", "permutation", found "lime"',
    ],
    [
      'description: Prob',
      'name: churn\ndescription: Prob',
      'model.yaml:6:1: expected each key once, found the key "name" again',
    ],
    ['name: churn', 'name: !!str churn', 'expected values without tags, found the tag tag:yaml.org,2002:str'],
    ['name: churn', 'name: !ruby/object churn', 'expected values without tags, found the tag !ruby/object'],
    ['name: churn', 'name: *churn', 'expected readable YAML, found Unresolved alias'],
    ['name: churn', '<<: { name: churn }', 'found the unknown key "<<"'],
    ['outputs:', '---\noutputs:', 'Source contains multiple documents'],
    ['outputs:', 'outputs: [', 'expected valid YAML'],
  ])('%j as %j', (text, replacement, message) => {
    expect(refusal(changed(text, replacement)).message).toContain(message)
  })
})

describe('keys have to fit each other', () => {
  test.each([
    [
      'name: contract',
      'name: tenure_months',
      'inputs[1].name: expected a name used once, found "tenure_months" again',
    ],
    ['name: probabilities', 'name: label', 'outputs[1].name: expected a name used once, found "label" again'],
    ['max: 120', 'max: -1', 'inputs[0].max: expected at least min (0), found -1'],
    ['max: 120', 'max: 1.5', 'inputs[0].max: expected a value that int64 can hold, found 1.5'],
    ['max: 500', 'max: 1e39', 'inputs[2].max: expected a value that float32 can hold, found 1e+39'],
    ['max: 500', 'max: .inf', 'inputs[2].max: expected a number'],
    [
      'type: bool',
      'type: bool, min: 0',
      'inputs[3].min: expected no range, which only numbers have, found 0 on a bool',
    ],
    [
      'type: bool',
      'type: bool, nullable: true',
      'inputs[3].nullable: expected float32, float64 or string for a nullable field, found the type bool',
    ],
    [
      'type: bool',
      'type: bool, enum: [1]',
      'inputs[3].enum: expected string, int64 or int32 for a field with enum, found the type bool',
    ],
    [
      'type: bool',
      'type: bool, maxLength: 5',
      'inputs[3].maxLength: expected no length, which only strings have, found 5 on a bool',
    ],
    [
      'example: true',
      'example: 1',
      'inputs[3].example: expected a valid value (paperless: expected true or false, got 1), found 1',
    ],
    [
      '[month-to-month, one-year',
      '[month-to-month, 1',
      'inputs[1].enum[1]: expected a string (put it in quotes), found 1',
    ],
    [
      '[month-to-month, one-year',
      '[two-year, one-year',
      'inputs[1].enum[2]: expected each value once, found "two-year" again',
    ],
    [
      'min: 0, max: 120',
      'min: 0, enum: [-1]',
      'inputs[0].enum[0]: expected a value between min and max, found -1',
    ],
    [
      'type: bool',
      'type: bool, shape: [100000, 1000]',
      'inputs[3].shape: expected at most 16777216 values in one record, found 100000000',
    ],
    [
      'output: probabilities',
      'output: probability',
      'score.output: expected one of the outputs label, probabilities, did you mean "probabilities"?, found "probability"',
    ],
    ['index: 1', 'index: 2', 'score.index: expected an index from 0 to 1, found 2'],
    ['index: 1, ', '', 'score.index: expected an index from 0 to 1, found nothing'],
    ['range: [0, 1]', 'range: [1, 0]', 'score.range: expected a range from low to high, found [1, 0]'],
    ['name: label', 'name: prediction_id', 'outputs[0].name: expected another name'],
    [
      'shape: [2]',
      'shape: [2], labels: [a]',
      'outputs[1].labels: expected one label for each of the 2 values, or an integer output, found 1 labels',
    ],
    ['labels: [stay, churn]', 'labels: [stay, stay]', 'outputs[0].labels: expected each label once'],
    [
      'golden: golden.jsonl',
      'golden: model.onnx',
      'golden: expected a file of its own, found "model.onnx" again',
    ],
    [
      'card: model-card.md',
      'card: model.yaml',
      'card: expected the plain name of a file in the version folder',
    ],
  ])('%j as %j', (text, replacement, message) => {
    expect(refusal(changed(text, replacement)).message).toContain(message)
  })
})

test('all faults are told at once', () => {
  const yaml = changed('name: churn', 'name: Churn')
    .replace('max: 120', 'max: high')
    .replace('card:', 'cart:')
  const { message, problems } = refusal(yaml)
  expect(problems.map(({ path }) => path).sort()).toEqual(['cart', 'inputs[0].max', 'name'])
  expect(message.split('\n')).toHaveLength(3)
})

test('aliases cannot make a small file large', () => {
  const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`)}]`)
  expect(refusal(`a0: &a0 [x]\n${levels.join('\n')}\n`).message).toContain('Excessive alias count')
  expect(refusal(`#${'x'.repeat(1024 * 1024)}`).message).toContain('expected at most 1 MiB')
})

test('a manifest served as JSON is checked in the same way', () => {
  expect(parseManifestObject(JSON.parse(JSON.stringify(CHURN)), 'http://worker/manifest')).toEqual(CHURN)
  expect(() => parseManifestObject({ ...CHURN, version: 'latest' }, 'http://worker/manifest')).toThrow(
    /^http:\/\/worker\/manifest: version: expected a version/,
  )
})

test.each(['[', '- ', '{', '? '])('however deep %j nests, the manifest is refused', (opening) => {
  expect(refusal(opening.repeat(20_000)).problems.length).toBeLessThanOrEqual(10)
})

const arbitraryManifest: fc.Arbitrary<Manifest> = fc
  .record({
    fields: fc.array(arbitraryField, { minLength: 1, maxLength: 5 }),
    version: fc.stringMatching(/^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$/),
    maxBatchSize: fc.integer({ min: 1, max: 4096 }),
    left: fc.subarray([
      'description',
      'score',
      'explain',
      'golden',
      'reference',
      'card',
      'provenance',
    ] as const),
  })
  .map(({ fields, version, maxBatchSize, left }) => {
    const inputs = fields.map((field, i) => ({ name: `f${i}`, ...field }))
    const manifest: Manifest = { ...CHURN, version, inputs, batching: { maxBatchSize } }
    for (const key of left) delete manifest[key]
    return manifest
  })

test('every valid manifest is read as it was written', () => {
  fc.assert(
    fc.property(arbitraryManifest, (manifest) => {
      expect(parseManifest(stringify(manifest), 'model.yaml')).toEqual(manifest)
    }),
    { seed: 91 },
  )
})

test('every key that is not of the schema is refused at its path', () => {
  const places = fc.constantFrom<(string | number)[]>(
    [],
    ['inputs', 0],
    ['outputs', 1],
    ['batching'],
    ['provenance', 'trainingData'],
  )
  fc.assert(
    fc.property(arbitraryManifest, places, fc.stringMatching(/^[a-z]{1,8}$/), (manifest, place, suffix) => {
      const whole = structuredClone({ ...manifest, provenance: CHURN.provenance })
      const target = place.reduce<object>((value, key) => Reflect.get(value, key), whole)
      const key = `x_${suffix}`
      Reflect.set(target, key, 1)
      const { problems } = refusal(stringify(whole))
      const path = [...place, key]
        .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
        .join('')
      expect(problems).toMatchObject([{ path, found: `the unknown key "${key}"`, line: expect.any(Number) }])
    }),
    { seed: 92 },
  )
})

test('whatever the text, it is read or refused with a ManifestError', () => {
  const noise = fc
    .tuple(fc.nat({ max: CHURN_YAML.length }), fc.string({ unit: 'binary', maxLength: 6 }))
    .map(([at, text]) => CHURN_YAML.slice(0, at) + text + CHURN_YAML.slice(at + 3))
  fc.assert(
    fc.property(fc.oneof(noise, fc.string()), (text) => {
      try {
        parseManifest(text, 'model.yaml')
      } catch (error) {
        expect(error).toBeInstanceOf(ManifestError)
      }
    }),
    { seed: 93, numRuns: 300 },
  )
})
