import { describe, expect, test } from 'vitest'
import { DEFAULT_OVERLOAD } from '../data/overload.ts'
import { DEFAULT_LISTENER } from '../http1/settings.ts'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { ConfigError, loadConfig } from './load-config.ts'

const load = (text: string) => loadConfig('/etc/coalmine/config/gateway.yaml', text, {})
const model = (resilience: string) => `models: { churn: { initial: 1.0.0, resilience: ${resilience} } }`
const resilience = (text: string) => load(model(text)).models.churn!.resilience

function refusal(text: string): string {
  try {
    load(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

describe('resilience of a model', () => {
  test('every figure as people write it', () => {
    const written = [
      'firstAttempt: 2s',
      'retries: { budget: 12.5%, atLeast: 0 }',
      'ejection: { failures: 2, time: 500ms, maxTime: 1m, maxShare: 100% }',
      'panic: 0%',
      'slowStart: 0s',
      'concurrency: { initial: 10, min: 1, max: 20 }',
      'queue: { maxWait: 1s, max: 7 }',
      'connections: 8',
    ]
    expect(resilience(`{ ${written.join(', ')} }`)).toEqual({
      firstAttemptMs: 2_000,
      retries: { budget: 0.125, atLeast: 0 },
      ejection: { failures: 2, baseMs: 500, maxMs: 60_000, maxShare: 1 },
      panicShare: 0,
      slowStartMs: 0,
      concurrency: { initial: 10, min: 1, max: 20 },
      queue: { maxWaitMs: 1_000, max: 7 },
      connections: 8,
    })
  })

  test('what is not said has the defaults, also within a part', () => {
    expect(resilience('{}')).toEqual(DEFAULT_RESILIENCE)
    expect(resilience('{ queue: { max: 7 } }')).toEqual({
      ...DEFAULT_RESILIENCE,
      queue: { maxWaitMs: 100, max: 7 },
    })
  })

  test.each([
    ['{ panik: 10% }', 'resilience.panik: expected a known key (did you mean "panic"?)'],
    ['{ panic: 0.5 }', 'resilience.panic: expected a percentage from 0% to 100%, such as 50%, found 0.5'],
    ['{ panic: 101% }', 'resilience.panic: expected a percentage from 0% to 100%'],
    ['{ firstAttempt: 5 }', 'resilience.firstAttempt: expected a duration from 10ms to 60s, such as 5s'],
    ['{ connections: 0 }', 'resilience.connections: expected at least 1, found 0'],
    [
      '{ concurrency: { initial: 2 } }',
      'resilience.concurrency.min: expected no more than initial (what is left out has its default), found nothing',
    ],
    [
      '{ concurrency: { min: 5, initial: 4, max: 6 } }',
      'resilience.concurrency.min: expected no more than initial (what is left out has its default), found 5',
    ],
    ['{ concurrency: { initial: 9, max: 8 } }', 'resilience.concurrency.initial: expected no more than max'],
    [
      '{ ejection: { time: 10m } }',
      'resilience.ejection.time: expected no more than maxTime (what is left out has its default), found "10m"',
    ],
  ])('%s is refused', (text, sentence) => {
    expect(refusal(model(text))).toContain(sentence)
  })
})

describe('listener', () => {
  test('every figure as people write it', () => {
    const text =
      'models: {}\nlistener: { connections: 5, headersTimeout: 1s, requestTimeout: 2s, keepAliveTimeout: 620s, writeTimeout: 3s, headers: 20, headerSize: 8KiB }'
    expect(load(text).listener).toEqual({
      ...{ connectionsMax: 5, headersMax: 20, headerBytesMax: 8_192 },
      ...{ headersTimeoutMs: 1_000, requestTimeoutMs: 2_000 },
      ...{ keepAliveTimeoutMs: 620_000, writeTimeoutMs: 3_000 },
    })
    expect(load('models: {}\nlistener: { headers: 20 }').listener).toEqual({
      ...DEFAULT_LISTENER,
      headersMax: 20,
    })
  })

  test('headers cannot take longer than the whole request', () => {
    expect(refusal('models: {}\nlistener: { headersTimeout: 31s }')).toContain(
      'listener.headersTimeout: expected no more than requestTimeout (what is left out has its default), found "31s"',
    )
  })
})

describe('overload', () => {
  test('every figure as people write it', () => {
    const text = 'models: {}\noverload: { loopDelay: 1s, loopUse: 100%, heapClose: 80%, heapShed: 85.5% }'
    expect(load(text).overload).toEqual({ loopDelayMs: 1_000, loopUse: 1, heapClose: 0.8, heapShed: 0.855 })
    expect(load('models: {}\noverload: {}').overload).toEqual(DEFAULT_OVERLOAD)
  })

  test('connections are closed before requests are refused', () => {
    expect(refusal('models: {}\noverload: { heapClose: 96% }')).toContain(
      'overload.heapClose: expected no more than heapShed (what is left out has its default), found "96%"',
    )
  })
})
