import { expect, test } from 'vitest'
import { breakingChanges } from './contract-change.ts'
import type { Field, Manifest, Output } from './manifest.ts'
import { CHURN } from './testing/churn-manifest.ts'

const fields = (...inputs: Field[]): Manifest => ({ ...CHURN, inputs })
const outputs = (...list: Output[]): Manifest => ({ ...CHURN, outputs: list })
const field = (rest: Omit<Field, 'name'>): Manifest => fields({ name: 'x', ...rest })

test('a version breaks nothing of itself', () => {
  expect(breakingChanges(CHURN, CHURN)).toEqual([])
})

test.each([
  ['a new nullable field', fields(), fields({ name: 'y', type: 'float32', nullable: true })],
  ['a wider range', field({ type: 'int64', min: 0, max: 10 }), field({ type: 'int64', min: -1, max: 11 })],
  ['a range taken away', field({ type: 'int64', min: 0 }), field({ type: 'int64' })],
  ['a wider enum', field({ type: 'string', enum: ['a'] }), field({ type: 'string', enum: ['b', 'a'] })],
  ['an enum taken away', field({ type: 'string', enum: ['a'] }), field({ type: 'string' })],
  [
    'a range around the enum',
    field({ type: 'int64', enum: [1, 2] }),
    field({ type: 'int64', min: 1, max: 2 }),
  ],
  ['null allowed', field({ type: 'float32' }), field({ type: 'float32', nullable: true })],
  [
    'other words and order',
    fields({ name: 'a', type: 'bool' }, { name: 'b', type: 'bool' }),
    fields({ name: 'b', type: 'bool', description: 'B' }, { name: 'a', type: 'bool' }),
  ],
  [
    'a new output',
    outputs({ name: 'y', type: 'bool' }),
    outputs({ name: 'y', type: 'bool' }, { name: 'z', type: 'bool' }),
  ],
])('%s breaks nobody', (_, stable, next) => {
  expect(breakingChanges(stable, next)).toEqual([])
})

test.each([
  ['a new required field', fields(), field({ type: 'bool' }), 'input x is new and required'],
  [
    'a removed field',
    field({ type: 'bool' }),
    fields(),
    'input x was removed; clients that send it would be refused',
  ],
  [
    'another type',
    field({ type: 'int64' }),
    field({ type: 'float32' }),
    'input x: the type changed from int64 to float32',
  ],
  [
    'another shape',
    field({ type: 'int64' }),
    field({ type: 'int64', shape: [2] }),
    'input x: the shape changed from [] to [2]',
  ],
  [
    'null refused',
    field({ type: 'string', nullable: true }),
    field({ type: 'string' }),
    'input x: null is no longer accepted',
  ],
  [
    'a higher minimum',
    field({ type: 'int64', min: 0 }),
    field({ type: 'int64', min: 1 }),
    'input x: the minimum rose from 0 to 1',
  ],
  [
    'a new minimum',
    field({ type: 'int64' }),
    field({ type: 'int64', min: 1 }),
    'input x: the minimum rose from none to 1',
  ],
  [
    'a lower maximum',
    field({ type: 'int64', max: 2 }),
    field({ type: 'int64', max: 1 }),
    'input x: the maximum fell from 2 to 1',
  ],
  [
    'a new enum',
    field({ type: 'string' }),
    field({ type: 'string', enum: ['a'] }),
    'input x: an enum was added',
  ],
  [
    'a narrower enum',
    field({ type: 'string', enum: ['a', 'b'] }),
    field({ type: 'string', enum: ['a'] }),
    'input x: the enum lost "b"',
  ],
  [
    'a shorter string',
    field({ type: 'string' }),
    field({ type: 'string', maxLength: 5 }),
    'input x: the longest string fell from 10000 to 5 characters',
  ],
  ['a removed output', outputs({ name: 'y', type: 'bool' }), outputs(), 'output y was removed'],
  [
    'another output type',
    outputs({ name: 'y', type: 'bool' }),
    outputs({ name: 'y', type: 'int64' }),
    'output y: the type changed from bool to int64',
  ],
  [
    'another output shape',
    outputs({ name: 'y', type: 'bool' }),
    outputs({ name: 'y', type: 'bool', shape: [2] }),
    'output y: the shape changed from [] to [2]',
  ],
  [
    'other labels',
    outputs({ name: 'y', type: 'int64', labels: ['a'] }),
    outputs({ name: 'y', type: 'int64', labels: ['b'] }),
    'output y: the labels changed from [a] to [b]',
  ],
])('%s is told', (_, stable, next, reason) => {
  expect(breakingChanges(stable, next)).toEqual([reason])
})
