import { expect, test } from 'vitest'
import { parseArguments } from './arguments.ts'

const NAMES = ['worker', 'gateway']

test('nothing at all asks for the list', () => {
  expect(parseArguments([], NAMES)).toEqual({
    name: undefined,
    quick: false,
    jsonFile: undefined,
    seed: undefined,
  })
})

test('flags may stand before and after the name', () => {
  const expected = { name: 'worker', quick: true, jsonFile: 'out.json', seed: undefined }
  expect(parseArguments(['worker', '--quick', '--json', 'out.json'], NAMES)).toEqual(expected)
  expect(parseArguments(['--json', 'out.json', '--quick', 'worker'], NAMES)).toEqual(expected)
})

test('a seed is any text', () => {
  expect(parseArguments(['worker', '--seed', 'abc/1'], NAMES).seed).toBe('abc/1')
})

test.each([
  [['worker', '--seed'], '--seed needs a text to draw from: --seed TEXT.'],
  [['wroker'], 'There is no benchmark "wroker"; there are worker, gateway.'],
  [['worker', '--fast'], '"--fast" is not a flag of bench; there are --quick, --seed TEXT and --json FILE.'],
  [['worker', '--json'], '--json needs the file to write: --json FILE.'],
  [['worker', '--json', '--quick'], '--json needs the file to write: --json FILE.'],
  [['worker', 'gateway'], 'One benchmark at a time: "worker" or "gateway".'],
  [['--quick'], 'Which benchmark? There are worker, gateway.'],
])('%j: %s', (args, sentence) => {
  expect(() => parseArguments(args, NAMES)).toThrow(sentence)
})
