import type { Arm } from '@coalmine/core/routing/draw.ts'
import type { Answer, Failure } from './attempt.ts'

/** An attempt without an answer for the client; an `Answer` is one whose status says so. */
export type Missed = Answer | Exclude<Failure, 'dead-call'> | 'invalid' | 'timeout' | 'unavailable'

/**
 * Whether a second attempt may help.
 *
 * @param shield what the canary fails is answered by stable
 */
export function mayTryAgain(arm: Arm | 'pinned', missed: Missed, shield: boolean): boolean {
  // What broke two calls breaks a third.
  if (missed === 'poison') return false
  // Without an endpoint nothing was tried: there is no failure of the canary that a client could be shown.
  if (arm === 'canary') return shield || missed === 'unavailable' || missed === 'busy'
  // The same version would say as much again.
  if (missed === 'too-large') return false
  if (arm !== 'pinned') return true
  return typeof missed === 'object' ? isBusy(missed) : missed !== 'invalid'
}

/** What the client is told when there is no other attempt; undefined: what the worker said. */
export interface Refusal {
  status: number
  error: string
  retry: boolean
}

const NO_ANSWER: Refusal = { status: 502, error: 'the worker gave an answer that is not one', retry: false }

/** @param noWorker the sentence for a version that nothing serves at the moment */
export function refusalOf(missed: Exclude<Missed, 'timeout'>, noWorker: string): Refusal | undefined {
  if (typeof missed === 'object') {
    if (isBusy(missed)) return { status: 503, error: 'the model is overloaded or not ready', retry: true }
    // A redirection is none either: where else its worker would send us is nobody's business.
    return missed.status < 400 ? NO_ANSWER : undefined
  }
  switch (missed) {
    case 'refused':
    case 'unavailable':
      return { status: 503, error: noWorker, retry: true }
    case 'busy':
      return { status: 503, error: 'the model is overloaded', retry: true }
    case 'poison':
      return { status: 502, error: 'the worker breaks off at this request', retry: false }
    case 'invalid':
      return NO_ANSWER
    default:
      return { status: 502, error: 'the worker broke off its answer', retry: false }
  }
}

/** Overloaded, stopping or starting: another endpoint may not be. */
export function isBusy({ status }: Answer): boolean {
  return status >= 502 && status <= 504
}
