import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { messageOf } from './message.ts'
import { type Notice, noticeOf, refusedNotice } from './notice.ts'

const event = {
  kind: 'rolled-back',
  model: 'churn',
  serial: 7,
  before: { revision: 11, weightBp: 500, stable: '1.0.0', canary: '1.1.0' },
  after: { revision: 12, weightBp: 0, stable: '1.0.0' },
  actor: 'controller',
  reason: 'policy',
  because: 'errors are <worse> & certain',
  atMs: 1_700_000_000_000,
} as const
const notice = noticeOf(event) as Notice

describe('what is told', () => {
  test('of a rollback: everything that a person asks first', () => {
    expect(notice).toEqual({
      id: 'churn/12',
      kind: 'rolled-back',
      atMs: event.atMs,
      model: 'churn',
      says: 'churn: errors are <worse> & certain',
      facts: {
        model: 'churn',
        rollout: 7,
        revision: 12,
        stable: '1.0.0',
        canary: '1.1.0',
        weightPercentBefore: 5,
        weightPercent: 0,
        actor: 'controller',
        reason: 'policy',
        because: 'errors are <worse> & certain',
      },
    })
  })

  test.each([
    ['rollout-started', 'started'],
    ['begun', 'step'],
    ['advanced', 'step'],
    ['approval-asked', 'approval-needed'],
    ['held', 'held'],
    ['promoted', 'promoted'],
    ['aborted', 'aborted'],
  ] as const)('%s is told as %s', (kind, told) => {
    expect(noticeOf({ ...event, kind })?.kind).toBe(told)
  })

  test.each(['file-noted', 'paused', 'weight-set', 'initialised'] as const)('%s is told nobody', (kind) => {
    expect(noticeOf({ ...event, kind })).toBeUndefined()
  })

  test('of a configuration that is refused', () => {
    expect(refusedNotice('config/gateway.yaml:3:1: ...', 5)).toMatchObject({
      kind: 'invalid',
      id: 'configuration/5',
    })
  })
})

describe('formats', () => {
  const nowMs = 1_700_000_001_500

  test('plain JSON, signed as Standard Webhooks have it', () => {
    const { headers, body } = messageOf(notice, 'json', 'a secret', nowMs)
    expect(JSON.parse(body)).toMatchObject({
      id: 'churn/12',
      type: 'rolled-back',
      model: 'churn',
      weightPercent: 0,
    })
    const expected = createHmac('sha256', 'a secret').update(`churn/12.1700000001.${body}`).digest('base64')
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': 'churn/12',
      'webhook-timestamp': '1700000001',
      'webhook-signature': `v1,${expected}`,
    })
  })

  test('without a secret nothing is signed', () => {
    expect(messageOf(notice, 'json', undefined, nowMs).headers).not.toHaveProperty('webhook-signature')
  })

  test('CloudEvents 1.0 in structured mode', () => {
    const { headers, body } = messageOf(notice, 'cloudevents', undefined, nowMs)
    expect(headers['content-type']).toBe('application/cloudevents+json')
    expect(JSON.parse(body)).toMatchObject({
      specversion: '1.0',
      id: 'churn/12',
      source: '/coalmine',
      type: 'dev.coalmine.rollout.rolled-back',
      subject: 'churn',
      time: '2023-11-14T22:13:20.000Z',
      data: { actor: 'controller' },
    })
  })

  test('Slack: one line, and its own characters as text', () => {
    expect(JSON.parse(messageOf(notice, 'slack', undefined, nowMs).body)).toEqual({
      text: ':x: churn: errors are &lt;worse&gt; &amp; certain',
    })
  })
})
