import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Graph, type Node, onnxFile } from './onnx-fixture.ts'

export type Record = { amount: number | null; count: number; kind: string }

/** `total` is amount + count; a count above 9 makes the model itself fail, an amount of null makes it NaN. */
const TABULAR: Graph = {
  inputs: [
    { name: 'amount', type: 'float32', shape: ['N', 1] },
    { name: 'count', type: 'int64', shape: ['N', 1] },
    { name: 'kind', type: 'string', shape: ['N', 1] },
  ],
  outputs: [
    { name: 'label', type: 'int64', shape: ['N'] },
    { name: 'probabilities', type: 'float32', shape: ['N', 2] },
    { name: 'total', type: 'float32', shape: ['N', 1] },
    { name: 'echo', type: 'string', shape: ['N', 1] },
  ],
  constants: [
    { name: 'table', type: 'float32', shape: [10], data: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
    { name: 'hundredth', type: 'float32', shape: [1], data: [0.01] },
    { name: 'one', type: 'float32', shape: [1], data: [1] },
  ],
  nodes: [
    { op: 'Gather', inputs: ['table', 'count'], outputs: ['counted'] },
    { op: 'Add', inputs: ['amount', 'counted'], outputs: ['total'] },
    { op: 'Mul', inputs: ['total', 'hundredth'], outputs: ['logit'] },
    { op: 'Sigmoid', inputs: ['logit'], outputs: ['yes'] },
    { op: 'Sub', inputs: ['one', 'yes'], outputs: ['no'] },
    {
      op: 'Concat',
      inputs: ['no', 'yes'],
      outputs: ['probabilities'],
      attributes: [{ name: 'axis', int: 1 }],
    },
    {
      op: 'ArgMax',
      inputs: ['probabilities'],
      outputs: ['label'],
      attributes: [
        { name: 'axis', int: 1 },
        { name: 'keepdims', int: 0 },
      ],
    },
    { op: 'Identity', inputs: ['kind'], outputs: ['echo'] },
  ],
}

const TABULAR_MANIFEST = {
  name: 'tabular',
  version: '1.0.0',
  platform: 'onnxruntime_onnx',
  file: 'model.onnx',
  inputs: [
    { name: 'amount', type: 'float32', min: -1000, max: 1000, nullable: true },
    { name: 'count', type: 'int64', min: 0, max: 99 },
    { name: 'kind', type: 'string', example: 'plain' },
  ],
  outputs: [
    { name: 'label', type: 'int64', labels: ['no', 'yes'] },
    { name: 'probabilities', type: 'float32', shape: [2] },
    { name: 'total', type: 'float32' },
    { name: 'echo', type: 'string' },
  ],
  score: { output: 'probabilities', index: 1, range: [0, 1] },
  batching: { maxBatchSize: 16 },
  provenance: { mlflowRunId: 'run-7' },
}

/** Rows of 1024 x 1024 multiplied `products` times: about 15 ms a row and product on one core. */
function slowGraph(products: number): Graph {
  const chain = Array.from(
    { length: products },
    (_, i): Node => ({ op: 'MatMul', inputs: [`m${i}`, 'w'], outputs: [`m${i + 1}`] }),
  )
  return {
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 1] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1] }],
    constants: [
      { name: 'side', type: 'int64', shape: [2], data: [1024, 1024] },
      { name: 'cube', type: 'int64', shape: [3], data: [-1, 1, 1] },
      { name: 'column', type: 'int64', shape: [2], data: [-1, 1] },
    ],
    nodes: [
      {
        op: 'ConstantOfShape',
        inputs: ['side'],
        outputs: ['w'],
        attributes: [
          { name: 'value', tensor: { name: 'weight', type: 'float32', shape: [1], data: [1 / 1024] } },
        ],
      },
      { op: 'Reshape', inputs: ['x', 'cube'], outputs: ['x3'] },
      { op: 'Mul', inputs: ['x3', 'w'], outputs: ['m0'] },
      ...chain,
      {
        op: 'ReduceMax',
        inputs: [`m${products}`],
        outputs: ['most'],
        attributes: [
          { name: 'axes', ints: [1, 2] },
          { name: 'keepdims', int: 1 },
        ],
      },
      { op: 'Reshape', inputs: ['most', 'column'], outputs: ['y'] },
    ],
  }
}

const SLOW_MANIFEST = {
  name: 'slow',
  version: '1.0.0',
  platform: 'onnxruntime_onnx',
  file: 'model.onnx',
  inputs: [{ name: 'x', type: 'float32' }],
  outputs: [{ name: 'y', type: 'float32' }],
  batching: { maxBatchSize: 4 },
}

export type ModelsRoot = { path: string; remove(): void }

/** An empty models/ in a temporary folder. */
export function modelsRoot(): ModelsRoot {
  const path = mkdtempSync(join(tmpdir(), 'coalmine-models-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

type Golden = { record: object; outputs: object }
type Overrides = { [key: string]: unknown; golden?: Golden[] }

/** Publishes models/tabular/1.0.0, with keys of the manifest replaced by `overrides`. */
export function publishTabular(root: ModelsRoot, overrides: Overrides = {}): void {
  publish(root, TABULAR_MANIFEST, TABULAR, overrides)
}

export function publishSlow(root: ModelsRoot, products: number): void {
  publish(root, SLOW_MANIFEST, slowGraph(products), {})
}

function publish(
  root: ModelsRoot,
  preset: { name: string; version: string },
  graph: Graph,
  overrides: Overrides,
) {
  const { golden, ...keys } = overrides
  const onnx = onnxFile(graph)
  const sha256 = createHash('sha256').update(onnx).digest('hex')
  const manifest = { ...preset, sha256, ...(golden && { golden: 'golden.jsonl' }), ...keys }
  const folder = join(root.path, preset.name, preset.version)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.onnx'), onnx)
  // JSON is YAML.
  writeFileSync(join(folder, 'model.yaml'), JSON.stringify(manifest))
  if (golden)
    writeFileSync(join(folder, 'golden.jsonl'), golden.map((each) => JSON.stringify(each)).join('\n'))
}
